import { describe, expect, test } from "bun:test";
import { type IpAddress, parseIp } from "../../base/ip-address.ts";
import { fail } from "../../base/errors.ts";
import { rejection } from "../../base/testing/rejection.ts";
import { formatPort, parsePortKey, parsePortRange } from "../../specs/engine/port.ts";
import { alreadyAllocated, candidates, cannotBind, HostPortSearch } from "./find-host-port.ts";
import { exposedPorts, parsePortBindings, type PortBindings, publishAll } from "./port-bindings.ts";
import {
  contends,
  type PublicationContext,
  publications,
  type PublicationRequest,
  published,
} from "./publications.ts";

function ip(text: string): IpAddress {
  const address = parseIp(text);
  if (address === undefined) throw new Error(`no address: ${text}`);
  return address;
}

describe("parsePortRange() and parsePortKey()", () => {
  for (const [text, range] of [
    ["80", [80, 80]],
    ["0", [0, 0]],
    ["00080", [80, 80]],
    ["80-90", [80, 90]],
    ["65535", [65_535, 65_535]],
  ] as const)
    test(text, () => {
      expect(parsePortRange(text)).toEqual({ first: range[0], last: range[1] });
    });

  for (const text of [
    "",
    "-",
    "80-",
    "-80",
    "90-80",
    "65536",
    "1-65536",
    "1-2-3",
    "x",
    "8 0",
    "+80",
    "80.0",
    "9999999999",
  ])
    test(`${JSON.stringify(text)} is none`, () => {
      expect(parsePortRange(text)).toBeUndefined();
    });

  test("keys say tcp where they say nothing", () => {
    const key = (text: string): string | undefined => {
      const parsed = parsePortKey(text);
      return parsed && `${parsed.range.first}-${parsed.range.last} ${parsed.protocol}`;
    };
    expect(key("80")).toBe("80-80 tcp");
    expect(key("80/")).toBe("80-80 tcp");
    expect(key("80-81/UDP")).toBe("80-81 udp");
    for (const text of ["", "/", "/tcp", "80/foo", "80/tcp/udp", "80/tcp ", "tcp/80"])
      expect(key(text)).toBeUndefined();
  });
});

describe("parsePortBindings()", () => {
  test("reads keys, addresses and ranges", () => {
    expect(
      parsePortBindings({
        "53/udp": [{ HostIp: "", HostPort: "53" }],
        "80": [
          { HostIp: "127.0.0.1", HostPort: "8080-8090" },
          { HostIp: "::ffff:10.0.0.1", HostPort: "" },
        ],
        "81/tcp": null,
        "82/sctp": [{ HostIp: "::1", HostPort: "0" }],
        "83/tcp": [{ HostIp: "", HostPort: "1083/tcp" }],
      }),
    ).toEqual([
      { port: 80, protocol: "tcp", hostIp: ip("127.0.0.1"), host: { first: 8080, last: 8090 } },
      { port: 80, protocol: "tcp", hostIp: ip("10.0.0.1"), host: { first: 0, last: 0 } },
      { port: 53, protocol: "udp", hostIp: undefined, host: { first: 53, last: 53 } },
      { port: 82, protocol: "sctp", hostIp: ip("::1"), host: { first: 0, last: 0 } },
      { port: 83, protocol: "tcp", hostIp: undefined, host: { first: 1083, last: 1083 } },
    ]);
  });

  const one = (key: string, HostIp = "", HostPort = ""): PortBindings => ({ [key]: [{ HostIp, HostPort }] });
  for (const [bindings, message] of [
    [one("x/tcp"), 'invalid port specification: "x"'],
    [one(""), 'invalid port specification: ""'],
    [one("0/tcp"), 'invalid port specification: "0"'],
    [one("90-91/tcp"), 'invalid port specification: "90-91"'],
    [one("70000"), 'invalid port specification: "70000"'],
    [one("80/foo"), "invalid proto: foo"],
    [one("80/tcp", "zz"), "invalid IP address: zz"],
    [one("80/tcp", "[::1]"), "invalid IP address: [::1]"],
    [one("80/tcp", "", "y"), 'invalid port specification: "y"'],
    [one("80/tcp", "", "1095-1090"), 'invalid port specification: "1095-1090"'],
    [one("80/tcp", "", "0-10"), 'invalid port specification: "0-10"'],
    [one("80/tcp", "", "65536"), 'invalid port specification: "65536"'],
    [one("80/tcp", "", "-1"), 'invalid port specification: "-1"'],
  ] as const)
    test(`refuses ${JSON.stringify(bindings)}`, () => {
      expect(() => parsePortBindings(bindings)).toThrow(message);
    });
});

test("exposedPorts() joins what is exposed with what is bound, and passes over what is no port", () => {
  const bindings = parsePortBindings({ "90/udp": [{ HostIp: "", HostPort: "" }] });
  const ports = exposedPorts(
    { "80-82/tcp": {}, "9": {}, "80/udp": {}, "q/tcp": {}, "0/tcp": {}, "70000": {} },
    bindings,
  );
  expect(ports.map(formatPort)).toEqual(["9/tcp", "80/tcp", "80/udp", "81/tcp", "82/tcp", "90/udp"]);
  expect(exposedPorts(null, [])).toEqual([]);
});

test("publishAll() gives any port to those that have none yet", () => {
  const bindings = parsePortBindings({ "80/tcp": [{ HostIp: "", HostPort: "8080" }] });
  const all = publishAll(exposedPorts({ "80/tcp": {}, "80/udp": {}, "7000/tcp": {} }, bindings), bindings);
  expect(all.map((each) => `${formatPort(each)} ${each.host.first}`)).toEqual([
    "80/tcp 8080",
    "80/udp 0",
    "7000/tcp 0",
  ]);
});

const CONTEXT: PublicationContext = {
  ipv4: ip("172.17.0.2"),
  ipv6: undefined,
  hostBinding: undefined,
  routesIpv4: false,
  routesIpv6: false,
  hostHasIpv6: true,
  forwardsIpv6: true,
};

function requests(bindings: PortBindings, more: Partial<PublicationContext> = {}): string[] {
  return publications(parsePortBindings(bindings), { ...CONTEXT, ...more }).map(
    ({ protocol, containerPort, host, targets }) =>
      `${host.first}-${host.last}->${containerPort}/${protocol}: ${targets
        .map(({ hostIp, containerIp, isRouted }) => `${hostIp}>${containerIp}${isRouted ? " routed" : ""}`)
        .join(", ")}`,
  );
}

describe("publications()", () => {
  const web: PortBindings = { "80/tcp": [{ HostIp: "", HostPort: "8080" }] };
  const both: Partial<PublicationContext> = { ipv6: ip("fd00::2") };

  for (const [name, bindings, context, expected] of [
    ["everywhere", web, {}, ["8080-8080->80/tcp: 0.0.0.0>172.17.0.2, ::>172.17.0.2"]],
    ["to a container with IPv6", web, both, ["8080-8080->80/tcp: 0.0.0.0>172.17.0.2, ::>fd00::2"]],
    ["on a host without IPv6", web, { hostHasIpv6: false }, ["8080-8080->80/tcp: 0.0.0.0>172.17.0.2"]],
    ["without a forwarder for IPv6", web, { forwardsIpv6: false }, ["8080-8080->80/tcp: 0.0.0.0>172.17.0.2"]],
    [
      "where the network says",
      web,
      { hostBinding: ip("127.0.0.1") },
      ["8080-8080->80/tcp: 127.0.0.1>172.17.0.2"],
    ],
    [
      "where the network says, in IPv6",
      web,
      { ...both, hostBinding: ip("::1") },
      ["8080-8080->80/tcp: ::1>fd00::2"],
    ],
    ["to a container with IPv6 only", web, { ...both, ipv4: undefined }, ["8080-8080->80/tcp: ::>fd00::2"]],
    ["to no container at all", web, { ipv4: undefined }, []],
    [
      "without NAT",
      { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "8080" }] },
      { routesIpv4: true },
      ["8080-8080->80/tcp: 0.0.0.0>172.17.0.2 routed"],
    ],
    [
      "without NAT for IPv6 alone",
      web,
      { ...both, routesIpv6: true },
      ["8080-8080->80/tcp: 0.0.0.0>172.17.0.2, ::>fd00::2 routed"],
    ],
    [
      "without NAT for IPv6, to a container that has none",
      web,
      { routesIpv6: true },
      ["8080-8080->80/tcp: 0.0.0.0>172.17.0.2, ::>172.17.0.2"],
    ],
    [
      "on one address of IPv6",
      { "80/tcp": [{ HostIp: "::1", HostPort: "" }] },
      {},
      ["0-0->80/tcp: ::1>172.17.0.2"],
    ],
  ] as const)
    test(name, () => {
      expect(requests(bindings, context)).toEqual([...expected]);
    });

  test("takes exact ports before ranges, and gives addresses of one binding the same port", () => {
    expect(
      requests({
        "90/tcp": [
          { HostIp: "127.0.0.2", HostPort: "1090" },
          { HostIp: "", HostPort: "1091" },
          { HostIp: "127.0.0.1", HostPort: "1090" },
        ],
        "80/udp": [{ HostIp: "127.0.0.1", HostPort: "" }],
        "70/tcp": [{ HostIp: "127.0.0.1", HostPort: "1000-1010" }],
        "80/tcp": [
          { HostIp: "::1", HostPort: "" },
          { HostIp: "127.0.0.1", HostPort: "" },
        ],
        "95/sctp": [{ HostIp: "10.0.0.1", HostPort: "95" }],
        "95/udp": [{ HostIp: "10.0.0.1", HostPort: "95" }],
      }),
    ).toEqual([
      "1090-1090->90/tcp: 127.0.0.1>172.17.0.2, 127.0.0.2>172.17.0.2",
      "1091-1091->90/tcp: 0.0.0.0>172.17.0.2, ::>172.17.0.2",
      "95-95->95/udp: 10.0.0.1>172.17.0.2",
      "95-95->95/sctp: 10.0.0.1>172.17.0.2",
      "1000-1010->70/tcp: 127.0.0.1>172.17.0.2",
      "0-0->80/tcp: 127.0.0.1>172.17.0.2, ::1>172.17.0.2",
      "0-0->80/udp: 127.0.0.1>172.17.0.2",
    ]);
  });

  test("gives everywhere before one address, whichever is named first", () => {
    const everywhere = { HostIp: "", HostPort: "80" };
    const one = { HostIp: "127.0.0.1", HostPort: "80" };
    const expected = ["80-80->80/tcp: 0.0.0.0>172.17.0.2, ::>172.17.0.2, 127.0.0.1>172.17.0.2"];
    expect(requests({ "80/tcp": [everywhere, one] })).toEqual(expected);
    expect(requests({ "80/tcp": [one, everywhere] })).toEqual(expected);
  });

  test("joins nothing to what was left out", () => {
    const bindings = {
      "80/tcp": [{ HostIp: "::1", HostPort: "80" }],
      "81/tcp": [{ HostIp: "", HostPort: "81" }],
    };
    expect(requests(bindings, { forwardsIpv6: false })).toEqual(["81-81->81/tcp: 0.0.0.0>172.17.0.2"]);
  });
});

test("contends() knows that everywhere includes each address of its family", () => {
  expect(contends(ip("0.0.0.0"), ip("127.0.0.1"))).toBe(true);
  expect(contends(ip("127.0.0.1"), ip("127.0.0.1"))).toBe(true);
  expect(contends(ip("127.0.0.1"), ip("127.0.0.2"))).toBe(false);
  expect(contends(ip("0.0.0.0"), ip("::"))).toBe(false);
});

describe("HostPortSearch", () => {
  const request = (first: number, last: number, isRouted = false): PublicationRequest => ({
    protocol: "tcp",
    containerPort: 80,
    host: { first, last },
    targets: [{ hostIp: "0.0.0.0", containerIp: "172.17.0.2", isRouted }],
  });
  const signal = new AbortController().signal;
  const taken = (...ports: number[]) => {
    const asked: number[] = [];
    return {
      asked,
      tryBind: (port: number) => {
        asked.push(port);
        return Promise.resolve(ports.includes(port) ? alreadyAllocated("0.0.0.0", port) : ("bound" as const));
      },
    };
  };

  test("takes the one port that is wanted, or says why not", async () => {
    const search = new HostPortSearch({ first: 32_768, last: 32_770 });
    expect(await search.find(request(80, 80), taken().tryBind, signal)).toBe(80);
    const error = await rejection(search.find(request(80, 80), taken(80).tryBind, signal));
    expect(error.message).toBe("Bind for 0.0.0.0:80 failed: port is already allocated");
  });

  test("takes the first free one of a range, from its beginning each time", async () => {
    const search = new HostPortSearch({ first: 32_768, last: 32_770 });
    const { tryBind, asked } = taken(80, 81);
    expect(await search.find(request(80, 83), tryBind, signal)).toBe(82);
    expect(await search.find(request(80, 83), tryBind, signal)).toBe(82);
    expect(asked).toEqual([80, 81, 82, 80, 81, 82]);
    const error = await rejection(search.find(request(80, 81), tryBind, signal));
    expect(error.message).toBe("all ports are allocated");
  });

  test("goes on behind the last ephemeral one, and round", async () => {
    const search = new HostPortSearch({ first: 32_768, last: 32_770 });
    const { tryBind } = taken(32_769);
    const found = [];
    for (let n = 0; n < 3; n++) found.push(await search.find(request(0, 0), tryBind, signal));
    expect(found).toEqual([32_768, 32_770, 32_768]);
    const all = taken(32_768, 32_769, 32_770);
    expect((await rejection(search.find(request(0, 0), all.tryBind, signal))).message).toBe(
      "all ports are allocated",
    );
    expect(all.asked.length).toBe(3);
  });

  test("asks for nothing where everything is routed", async () => {
    const search = new HostPortSearch({ first: 1, last: 2 });
    const { tryBind, asked } = taken();
    expect(await search.find(request(80, 80, true), tryBind, signal)).toBe(0);
    expect(asked).toEqual([]);
    expect(published(request(80, 80, true), 0)[0]).toMatchObject({ hostPort: 0, hostIp: "0.0.0.0" });
  });

  test("ends when it is told to, and lets what goes wrong through", async () => {
    const search = new HostPortSearch({ first: 1, last: 2 });
    const aborted = AbortSignal.abort(new Error("enough"));
    expect((await rejection(search.find(request(0, 0), taken().tryBind, aborted))).message).toBe("enough");
    const broken = (): Promise<never> => Promise.reject(fail("internal", "broken"));
    expect((await rejection(search.find(request(0, 0), broken, signal))).message).toBe("broken");
  });

  test("walks every port of a range once, wherever it begins", () => {
    expect([...candidates({ first: 5, last: 8 }, 6)]).toEqual([7, 8, 5, 6]);
    expect([...candidates({ first: 5, last: 8 }, 8)]).toEqual([5, 6, 7, 8]);
    expect([...candidates({ first: 5, last: 8 }, 99)]).toEqual([5, 6, 7, 8]);
    expect([...candidates({ first: 5, last: 5 }, 5)]).toEqual([5]);
  });
});

test("cannotBind() shows the mapping as Docker does", () => {
  const request: PublicationRequest = {
    protocol: "udp",
    containerPort: 53,
    host: { first: 53, last: 53 },
    targets: [
      { hostIp: "0.0.0.0", containerIp: "172.17.0.2", isRouted: false },
      { hostIp: "::", containerIp: "fd00::2", isRouted: false },
    ],
  };
  expect(cannotBind(request, 1, 53, undefined, "address already in use").message).toBe(
    "failed to bind host port for [::]:53:[fd00::2]:53/udp: address already in use",
  );
  expect(cannotBind(request, 0, 53, undefined, "permission denied").message).toBe(
    "failed to bind host port for 0.0.0.0:53:172.17.0.2:53/udp: permission denied",
  );
});
