import { beforeEach, describe, expect, test } from "bun:test";
import { messageOf } from "../../base/errors.ts";
import { NO_LOG } from "../../base/log.ts";
import { HostPorts } from "./host-ports.ts";
import { isForwarded } from "./port-forwarders.ts";
import type { Publication, PublicationRequest } from "./publications.ts";

const SIGNAL = new AbortController().signal;

/** "tcp 0.0.0.0:8080", by descriptor. */
let sockets: Map<number, string>;
/** What other programs have. */
let others: Set<string>;
let ports: HostPorts;

beforeEach(() => {
  sockets = new Map();
  others = new Set();
  let next = 10;
  ports = new HostPorts(
    {
      boundSocket: async (_namespace, { type, address, port, listen }) => {
        const text = `${type} ${address.length === 4 ? "v4" : "v6"} ${port}`;
        if (others.has(text)) throw Object.assign(new Error("bind: EADDRINUSE"), { code: "EADDRINUSE" });
        // One that is bound and does not listen would be no protection.
        sockets.set(next, text + (type === "tcp" && listen !== true ? " deaf" : ""));
        return next++;
      },
      closeFd: (fd) => {
        sockets.delete(fd);
      },
    },
    { first: 32_768, last: 32_770 },
    (publication) => isForwarded(publication, { ipv4: true, ipv6: true }),
  );
});

function request(first: number, last = first, hostIps = ["0.0.0.0"]): PublicationRequest {
  const targets = hostIps.map((hostIp) => ({ hostIp, containerIp: "172.17.0.2", isRouted: false }));
  return { protocol: "tcp", containerPort: 80, host: { first, last }, targets };
}

const take = (owner: string, ...requests: readonly PublicationRequest[]): Promise<readonly Publication[]> =>
  ports.take(owner, requests, SIGNAL);
const held = (): string[] => [...sockets.values()].sort();

describe("HostPorts", () => {
  test("a port is held until it is given back", async () => {
    const taken = await take("a", request(8080, 8080, ["0.0.0.0", "::"]));
    expect(taken).toMatchObject([
      { hostIp: "0.0.0.0", hostPort: 8080 },
      { hostIp: "::", hostPort: 8080 },
    ]);
    expect(held()).toEqual(["tcp v4 8080", "tcp v6 8080"]);
    ports.give("b", taken);
    expect(held()).toHaveLength(2);
    ports.give("a", taken);
    expect(held()).toEqual([]);
    expect(await take("b", request(8080))).toHaveLength(1);
  });

  test("all of a container's, or none", async () => {
    others.add("tcp v4 9090");
    expect(await take("a", request(8080), request(9090)).then(String, messageOf)).toContain(
      "failed to bind host port for 0.0.0.0:9090:172.17.0.2:80/tcp: address already in use",
    );
    expect(held()).toEqual([]);
    others.add("tcp v6 7070");
    expect(await take("a", request(7070, 7070, ["0.0.0.0", "::"])).then(String, messageOf)).toContain(
      "[::]:7070",
    );
    expect(held()).toEqual([]);
  });

  test("all addresses and one of them contend, two of them do not", async () => {
    await take("a", request(8080, 8080, ["127.0.0.1"]));
    await take("b", request(8080, 8080, ["192.0.2.1"]));
    expect(await take("c", request(8080)).then(String, messageOf)).toContain(
      "Bind for 0.0.0.0:8080 failed: port is already allocated",
    );
  });

  test("two at the same time do not get the same one", async () => {
    const outcomes = await Promise.allSettled([take("a", request(8080)), take("b", request(8080))]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const [one, other] = await Promise.all([take("c", request(9000, 9001)), take("d", request(9000, 9001))]);
    expect(new Set([one[0]?.hostPort, other[0]?.hostPort])).toEqual(new Set([9000, 9001]));
  });

  test("ports without a wish come from the kernel's range, one after the other", async () => {
    const first = await take("a", request(0));
    ports.give("a", first);
    expect((await take("a", request(0)))[0]?.hostPort).not.toBe(first[0]?.hostPort);
    await take("b", request(0));
    await take("c", request(0));
    expect(await take("d", request(0)).then(String, messageOf)).toContain("all ports are allocated");
  });

  describe("exchanged", () => {
    const narrower = request(8080, 8080, ["127.0.0.1"]);

    test("are nobody else's before it is settled, and then only those that are new", async () => {
      const given = await take("a", request(8080), request(9090));
      const { taken, settle } = await ports.exchange("a", given, [narrower, request(7070)], SIGNAL);
      expect(taken.map(({ hostIp, hostPort }) => `${hostIp}:${hostPort}`)).toEqual([
        "127.0.0.1:8080",
        "0.0.0.0:7070",
      ]);
      for (const port of [8080, 9090])
        expect(await take("b", request(port, port, ["192.0.2.1"])).then(String, messageOf)).toContain(
          "already allocated",
        );
      settle();
      expect(held()).toEqual(["tcp v4 7070", "tcp v4 8080"]);
      await take("b", request(8080, 8080, ["192.0.2.1"]), request(9090));
      ports.give("a", taken);
      expect(held()).toEqual(["tcp v4 8080", "tcp v4 9090"]);
    });

    test("of one address and port go on with their socket", async () => {
      const given = await take("a", request(8080, 8080, ["0.0.0.0", "::"]));
      const before = [...sockets.keys()];
      const same = { ...request(8080, 8080, ["0.0.0.0", "::"]), containerPort: 81 };
      const { undo } = await ports.exchange("a", given, [same], SIGNAL);
      await undo();
      const { taken, settle } = await ports.exchange("a", given, [same], SIGNAL);
      settle();
      expect([...sockets.keys()]).toEqual(before);
      expect(taken).toMatchObject([{ containerPort: 81 }, { containerPort: 81 }]);
      const twice = ports.exchange("a", taken, [same, same], SIGNAL);
      expect(await twice.then(String, messageOf)).toContain("already allocated");
      expect([...sockets.keys()]).toEqual(before);
    });

    test("are as they were when undone, and when they cannot be had", async () => {
      const given = await take("a", request(8080));
      const { undo } = await ports.exchange("a", given, [narrower, request(7070)], SIGNAL);
      await undo();
      expect(held()).toEqual(["tcp v4 8080"]);
      others.add("tcp v4 9090");
      const refused = ports.exchange("a", given, [narrower, request(9090)], SIGNAL);
      expect(await refused.then(String, messageOf)).toContain("in use");
      expect(held()).toEqual(["tcp v4 8080"]);
      expect(await take("b", narrower).then(String, messageOf)).toContain("already allocated");
    });

    test("by somebody who has left meanwhile are free", async () => {
      const given = await take("a", request(8080));
      const { taken, settle, undo } = await ports.exchange("a", given, [narrower], SIGNAL);
      ports.give("a", given);
      await undo();
      settle();
      ports.give("a", taken);
      expect(held()).toEqual([]);
      await take("b", request(8080));
    });
  });

  test("a restarted daemon has them again, also one that somebody else has taken", async () => {
    const taken = await take("a", request(8080, 8080, ["0.0.0.0", "::"]));
    ports.give("a", taken);
    others.add("tcp v4 8080");
    await ports.retake("a", taken, true, NO_LOG);
    expect(held()).toEqual([]); // IPv6 is the forwarder's, which has the socket
    expect(await take("b", request(8080, 8080, ["::1"])).then(String, messageOf)).toContain(
      "already allocated",
    );
    const [port] = await ports.forwarded("a", taken);
    expect(port).toMatchObject({ publication: { hostIp: "::" } });
    expect(held()).toEqual(["tcp v6 8080"]);
  });
});
