import { expect, test } from "bun:test";
import { randomFrom } from "../../../../test/support/random.ts";
import { type DecideOptions, decide } from "./decide.ts";
import { FLAG, type Message, RCODE, readMessage, TYPE } from "./message.ts";
import { type NameView, networkNames, type Upstream } from "./name-view.ts";
import { queryBytes, responseBytes, type TestQuery } from "./testing/message-builder.ts";

const UDP: DecideOptions = { transport: "udp", random: () => 0 };
const v4 = (last: number): Uint8Array => Uint8Array.of(172, 20, 0, last);
const v6 = (last: number): Uint8Array =>
  Uint8Array.from({ length: 16 }, (_, at) => (at === 15 ? last : at === 0 ? 0xfd : 0));
const UPSTREAM: Upstream = { address: "192.0.2.53", port: 53, through: "host" };

const NET = networkNames("Shop", [
  { name: "Web", aliases: ["www", "0123456789ab", "service"], v4: [v4(2)], v6: [v6(2)] },
  { name: "web2", aliases: ["service", "*.apps", "*.deep.apps"], v4: [v4(3)], v6: [] },
  { name: "db.main", aliases: [], v4: [v4(4)], v6: [] },
]);
const BACK = networkNames("back", [{ name: "web", aliases: [], v4: [Uint8Array.of(10, 9, 0, 1)], v6: [] }]);

function viewOf(change: Partial<NameView> = {}): NameView {
  return {
    networks: [NET, BACK],
    hosts: new Map(),
    links: new Map(),
    upstreams: [UPSTREAM],
    hasWayOut: true,
    hasOwnNdots: false,
    ...change,
  };
}

function answered(query: TestQuery, view = viewOf(), options = UDP): Message {
  const decision = decide(queryBytes(query), view, options);
  if (decision.kind !== "answer") throw new Error(`it is ${decision.kind}`);
  const message = readMessage(decision.bytes);
  expect(message.flags & FLAG.QR).toBe(FLAG.QR);
  return message;
}

/** The last byte of every address in the answer. */
function lasts(query: TestQuery, view = viewOf(), options = UDP): number[] {
  const message = answered(query, view, options);
  expect(message.rcode).toBe(RCODE.NOERROR);
  return message.answers.map(({ data }) => data.at(-1) ?? -1);
}

test("a container answers to its name, aliases and short id, in every case", () => {
  for (const name of ["web", "WEB", "www", "0123456789ab"]) expect(lasts({ name })).toEqual([2]);
  expect(lasts({ name: "web", type: TYPE.AAAA })).toEqual([2]);
});

test("records live for 600 seconds and carry the name as it was asked", () => {
  const decision = decide(queryBytes({ name: "wWw" }), viewOf(), UDP);
  if (decision.kind !== "answer") throw new Error(decision.kind);
  expect(Buffer.from(decision.bytes).toString("latin1")).toContain("\u0003wWw");
  const [record] = readMessage(decision.bytes).answers;
  expect(record?.ttl).toBe(600);
  expect(record?.name).toBe("www");
});

test("a name with its network behind it is asked in that network alone", () => {
  expect(lasts({ name: "web.shop" })).toEqual([2]);
  expect(lasts({ name: "web.BACK" })).toEqual([1]);
  expect(lasts({ name: "db.main" })).toEqual([4]);
  expect(lasts({ name: "db.main.shop" })).toEqual([4]);
  expect(decide(queryBytes({ name: "web2.back" }), viewOf(), UDP).kind).toBe("forward");
});

test("the first network that knows a name answers for it", () => {
  expect(lasts({ name: "web" }, viewOf({ networks: [BACK, NET] }))).toEqual([1]);
});

test("a name that has nothing of the type is answered with nothing, and goes nowhere", () => {
  expect(lasts({ name: "web2", type: TYPE.AAAA })).toEqual([]);
  expect(lasts({ name: "web2", type: 16 })).toEqual([]);
});

test("a name of several containers has all their addresses, in any order", () => {
  expect(new Set(lasts({ name: "service" }))).toEqual(new Set([2, 3]));
  const random = randomFrom(3);
  const orders = new Set(
    Array.from({ length: 50 }, () =>
      lasts({ name: "service" }, viewOf(), { transport: "udp", random }).join(),
    ),
  );
  expect([...orders].toSorted()).toEqual(["2,3", "3,2"]);
});

test("a wildcard answers for what is below it, but not for itself", () => {
  for (const name of ["x.apps", "x.y.apps", "x.apps.shop", "x.deep.apps"])
    expect(lasts({ name })).toEqual([3]);
  expect(decide(queryBytes({ name: "apps" }), viewOf(), UDP).kind).toBe("forward");
  expect(decide(queryBytes({ name: "xapps" }), viewOf(), UDP).kind).toBe("forward");
});

test("an exact name goes before a wildcard, and a longer wildcard before a shorter one", () => {
  const net = networkNames("n", [
    { name: "any", aliases: ["*.apps"], v4: [v4(1)], v6: [] },
    { name: "deep", aliases: ["*.b.apps"], v4: [v4(2)], v6: [] },
    { name: "exact", aliases: ["a.apps"], v4: [v4(3)], v6: [] },
  ]);
  const view = viewOf({ networks: [net] });
  expect(["c.apps", "c.b.apps", "a.apps"].map((name) => lasts({ name }, view)[0])).toEqual([1, 2, 3]);
});

test("links and hosts of the container's own go before its networks", () => {
  const links = new Map([["mysql", "web2"]]);
  const hosts = new Map([["host.docker.internal", { v4: [v4(1)], v6: [] }]]);
  expect(lasts({ name: "MySQL" }, viewOf({ links }))).toEqual([3]);
  expect(lasts({ name: "host.docker.internal" }, viewOf({ hosts }))).toEqual([1]);
});

test("an address is called as its container, with the network behind", () => {
  const [record] = answered({ name: "2.0.20.172.in-addr.arpa", type: TYPE.PTR }).answers;
  expect(Buffer.from(record?.data ?? []).toString("latin1")).toBe("\u0003Web\u0004Shop\0");
  const name = `${Buffer.from(v6(2)).toString("hex").split("").reverse().join(".")}.ip6.arpa`;
  expect(answered({ name, type: TYPE.PTR }).answers).toHaveLength(1);
});

test("an address of nobody here is asked elsewhere", () => {
  for (const name of ["9.0.20.172.in-addr.arpa", "2.0.20.300.in-addr.arpa", "0.20.172.in-addr.arpa"])
    expect(decide(queryBytes({ name, type: TYPE.PTR }), viewOf(), UDP).kind).toBe("forward");
});

test("what is not known here is asked of three servers at most", () => {
  const upstreams = [1, 2, 3, 4].map((last): Upstream => ({ ...UPSTREAM, address: `192.0.2.${last}` }));
  const decision = decide(queryBytes({ name: "example.com" }), viewOf({ upstreams }), UDP);
  expect(decision.kind === "forward" && decision.upstreams).toEqual(upstreams.slice(0, 3));
});

test("without a way out nothing is asked through the host's network", () => {
  const own: Upstream = { address: "172.20.0.53", port: 53, through: "container" };
  const only = (upstreams: readonly Upstream[]) =>
    decide(queryBytes({ name: "example.com" }), viewOf({ upstreams, hasWayOut: false }), UDP);
  const refused = only([UPSTREAM]);
  expect(refused.kind === "answer" && readMessage(refused.bytes).rcode).toBe(RCODE.SERVFAIL);
  const kept = only([UPSTREAM, own]);
  expect(kept.kind === "forward" && kept.upstreams).toEqual([own]);
  expect(lasts({ name: "web" }, viewOf({ hasWayOut: false }))).toEqual([2]);
});

test("this server is never its own upstream", () => {
  const upstreams: Upstream[] = [{ address: "127.0.0.11", port: 53, through: "container" }];
  expect(answered({ name: "example.com" }, viewOf({ upstreams })).rcode).toBe(RCODE.SERVFAIL);
});

test("with an ndots of the user's, a single label is not asked elsewhere", () => {
  const view = viewOf({ hasOwnNdots: true });
  expect(lasts({ name: "nobody" }, view)).toEqual([]);
  expect(decide(queryBytes({ name: "nobody", type: 16 }), view, UDP).kind).toBe("forward");
  expect(decide(queryBytes({ name: "nobody.else" }), view, UDP).kind).toBe("forward");
});

test("other classes are none of this server's names", () => {
  expect(decide(queryBytes({ name: "web", class: 3 }), viewOf(), UDP).kind).toBe("forward");
});

test("zones are refused, other operations not implemented, EDNS of the future told so", () => {
  expect(answered({ type: TYPE.AXFR }).rcode).toBe(RCODE.REFUSED);
  expect(answered({ flags: 4 << 11 }).rcode).toBe(RCODE.NOTIMP);
  const message = answered({ udpBytes: 1232, ednsVersion: 1 });
  expect(message.additionals[0]?.ttl).toBe(0x01000000);
});

test("an answer is never answered, nor what is shorter than a header", () => {
  const answer = responseBytes(queryBytes(), []);
  expect(decide(answer, viewOf(), UDP).kind).toBe("silence");
  expect(decide(answer.subarray(0, 20), viewOf(), UDP).kind).toBe("silence");
  expect(decide(queryBytes().subarray(0, 11), viewOf(), UDP).kind).toBe("silence");
});

test("a query that cannot be read is a format error with its id", () => {
  const decision = decide(queryBytes().subarray(0, 14), viewOf(), UDP);
  if (decision.kind !== "answer") throw new Error(decision.kind);
  const message = readMessage(decision.bytes);
  expect([message.id, message.rcode, message.questions.length]).toEqual([0x1234, RCODE.FORMERR, 0]);
});

test("an answer that is too long is cut and says so; over TCP it is whole", () => {
  const many = networkNames(
    "n",
    Array.from({ length: 200 }, (_, at) => ({
      name: "many",
      aliases: [],
      v4: [v4(at)],
      v6: [],
    })),
  );
  const view = viewOf({ networks: [many] });
  for (const [udpBytes, limit] of [
    [undefined, 512],
    [100, 512],
    [1232, 1232],
    [65_535, 4096],
  ] as const) {
    const message = answered({ name: "many", ...(udpBytes === undefined ? {} : { udpBytes }) }, view);
    expect(message.bytes.length).toBeLessThanOrEqual(limit);
    expect((message.flags & FLAG.TC) !== 0).toBe(limit < 3300);
    if (limit < 3300) expect(message.bytes.length).toBeGreaterThan(limit - 16);
  }
  const whole = answered({ name: "many" }, view, { ...UDP, transport: "tcp" });
  expect([whole.answers.length, whole.flags & FLAG.TC]).toEqual([200, 0]);
});

test("garbage gets silence or a well-formed answer, and always comes to an end", () => {
  const random = randomFrom(23);
  for (let round = 0; round < 10_000; round++) {
    const bytes = queryBytes({ name: "web.shop", udpBytes: 1232 });
    for (let change = 1 + random(8); change > 0; change--) bytes[random(bytes.length)] = random(256);
    const decision = decide(bytes, viewOf(), UDP);
    if (decision.kind !== "answer") continue;
    const message = readMessage(decision.bytes);
    expect([message.id, message.flags & FLAG.QR]).toEqual([bytes.readUInt16BE(0), FLAG.QR]);
  }
});
