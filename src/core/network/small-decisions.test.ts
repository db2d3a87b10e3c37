import { describe, expect, test } from "bun:test";
import { GantryError } from "../../base/errors.ts";
import type { EndpointConfig } from "../../specs/engine/network.ts";
import { checkConnection, checkDisconnection, checkNeighbours, checkRemoval } from "./check-connection.ts";
import { checkEndpoint } from "./check-endpoint.ts";
import { chooseGateway, type GatewayCandidate } from "./choose-gateway.ts";
import { endpointNames } from "./endpoint-names.ts";
import { interfaceNameOf } from "./interface-name.ts";
import { bridgeNameOf, dummyNameOf, endpointMark, hostLinkOf, networkMark } from "./link-names.ts";
import { macAddressOf, parseMacAddress } from "./mac-address.ts";
import { ANY_SUBNET } from "./subnet-config.ts";
import { exampleNetwork } from "./testing/example-networks.ts";

function outcome(action: () => unknown): unknown {
  try {
    return action() ?? "fine";
  } catch (error) {
    return error instanceof GantryError ? `${error.category}: ${error.message}` : error;
  }
}

describe("chooseGateway()", () => {
  const candidate = (networkName: string, more: Partial<GatewayCandidate> = {}): GatewayCandidate => ({
    networkName,
    priority: 0,
    isInternal: false,
    hasIpv4Gateway: true,
    hasIpv6Gateway: false,
    ...more,
  });
  const chosen = (...candidates: GatewayCandidate[]): string => {
    const { ipv4, ipv6 } = chooseGateway(candidates);
    return `${ipv4?.networkName ?? "-"} ${ipv6?.networkName ?? "-"}`;
  };

  test("takes the highest priority, then the first name", () => {
    expect(chosen(candidate("b"), candidate("a"), candidate("c"))).toBe("a -");
    expect(chosen(candidate("a"), candidate("b"))).toBe("a -");
    expect(chosen(candidate("a"), candidate("b", { priority: 1 }))).toBe("b -");
    expect(chosen(candidate("a", { priority: -1 }), candidate("b"))).toBe("b -");
    expect(chosen()).toBe("- -");
  });

  test("goes around internal networks, and prefers what both families leave by", () => {
    expect(chosen(candidate("a", { isInternal: true }), candidate("b"))).toBe("b -");
    expect(chosen(candidate("a"), candidate("b", { hasIpv6Gateway: true }))).toBe("b b");
    expect(chosen(candidate("a", { hasIpv4Gateway: false }))).toBe("- -");
  });

  test("decides for each family by itself", () => {
    const six = candidate("six", { hasIpv4Gateway: false, hasIpv6Gateway: true, priority: 9 });
    expect(chosen(candidate("a"), six)).toBe("a six");
    expect(chosen(candidate("a", { hasIpv6Gateway: true }), six)).toBe("a six");
  });
});

describe("interfaceNameOf()", () => {
  const named = (name: string): Record<string, string> => ({ "com.docker.network.endpoint.ifname": name });

  test("counts up from the first free one", () => {
    expect(interfaceNameOf(null, "eth", new Set(["lo"]))).toBe("eth0");
    expect(interfaceNameOf({}, "eth", new Set(["lo", "eth0", "eth2"]))).toBe("eth1");
    expect(interfaceNameOf({}, "net", new Set(["eth0"]))).toBe("net0");
  });

  test("takes the user's", () => {
    expect(interfaceNameOf(named("wan-0.1"), "eth", new Set(["lo"]))).toBe("wan-0.1");
    expect(interfaceNameOf(named("fifteenletters1"), "eth", new Set())).toBe("fifteenletters1");
    expect(() => interfaceNameOf(named("lo"), "eth", new Set(["lo"]))).toThrow(
      'interface name "lo" is already in use',
    );
  });

  for (const name of ["", " ", "a b", "a/b", "a:b", ".", "..", "sixteencharacter", "\u00e9", "a\n", "a\0"])
    test(`refuses ${JSON.stringify(name)}`, () => {
      expect(() => interfaceNameOf(named(name), "eth", new Set())).toThrow("invalid interface name");
    });
});

describe("MAC addresses", () => {
  test("are made of the IPv4 address, or of what chance gives", () => {
    const chance = (): Uint8Array => Uint8Array.of(1, 2, 3, 4);
    expect(macAddressOf({ family: 4, value: 0xac11_0002n }, chance)).toBe("02:42:ac:11:00:02");
    expect(macAddressOf(undefined, chance)).toBe("02:42:01:02:03:04");
  });

  for (const [text, mac] of [
    ["02:42:AA:bb:cc:dd", "02:42:aa:bb:cc:dd"],
    ["02-42-aa-bb-cc-dd", "02:42:aa:bb:cc:dd"],
    ["0242.aabb.ccdd", "02:42:aa:bb:cc:dd"],
  ] as const)
    test(`${text} is one`, () => {
      expect(parseMacAddress(text)).toBe(mac);
    });

  for (const text of [
    "",
    "xx",
    "02:42:aa:bb:cc",
    "02:42:aa:bb:cc:dd:ee",
    "02:42-aa:bb:cc:dd",
    "01:00:5e:00:00:01",
    "ff:ff:ff:ff:ff:ff",
    "00:00:00:00:00:00",
    "02:42:aa:bb:cc:dd\n",
    "02:42:aa:bb:cc:dd:ee:ff",
    "0242aabbccdd",
  ])
    test(`${JSON.stringify(text)} is none that an endpoint can have`, () => {
      expect(() => parseMacAddress(text)).toThrow("invalid MAC address");
    });
});

test("endpointNames() has each name once, the container's first", () => {
  const container = {
    id: "777fc1997953".padEnd(64, "0"),
    name: "nc2",
    hostname: "hosty",
    aliases: ["al", "nc2"],
  };
  expect(endpointNames(container)).toEqual(["nc2", "al", "777fc1997953", "hosty"]);
  expect(endpointNames({ ...container, aliases: [], hostname: "777fc1997953" })).toEqual([
    "nc2",
    "777fc1997953",
  ]);
});

test("links are named by ids, and fit the kernel's fifteen characters", () => {
  const id = "0123456789abcdef".repeat(4);
  const names = [bridgeNameOf({ id, options: {} }), hostLinkOf(id), dummyNameOf(id)];
  expect(names).toEqual(["br-0123456789ab", "gv0123456789ab", "dm-0123456789ab"]);
  for (const name of names) expect(name.length).toBeLessThanOrEqual(15);
  expect(bridgeNameOf({ id, options: { "com.docker.network.bridge.name": "br0" } })).toBe("br0");
  expect([networkMark("n"), endpointMark("c", "e")]).toEqual(["gantry:n", "gantry:c:e"]);
});

describe("checkEndpoint()", () => {
  const plain: EndpointConfig = {
    IPAMConfig: null,
    Links: null,
    Aliases: null,
    MacAddress: "",
    DriverOpts: null,
    GwPriority: 0,
  };
  const ips = (
    IPv4Address: string,
    IPv6Address = "",
    LinkLocalIPs: string[] = [],
  ): Partial<EndpointConfig> => ({
    IPAMConfig: { IPv4Address, IPv6Address, LinkLocalIPs },
  });
  const configured = exampleNetwork({
    ipam: {
      options: null,
      ipv4: [{ ...ANY_SUBNET, subnet: "10.66.0.0/24" }],
      ipv6: [{ ...ANY_SUBNET, subnet: "fd00:77::/64" }],
    },
  });
  const check = (name: string, more: Partial<EndpointConfig>, network = configured): unknown =>
    outcome(() => checkEndpoint(name, network, { ...plain, ...more }));

  test("lets a plain one, an address of a subnet, aliases and a MAC address be", () => {
    expect(check("n", {})).toBe("fine");
    expect(check("n", ips("10.66.0.9", "fd00:77::9", ["169.254.3.4", "fe80::1"]))).toBe("fine");
    expect(check("n", ips("::ffff:10.66.0.9"))).toBe("fine");
    expect(check("n", { Aliases: ["al"], MacAddress: "02:42:aa:bb:cc:dd" })).toBe("fine");
    expect(outcome(() => checkEndpoint("gone", undefined, { ...plain, ...ips("10.9.9.9") }))).toBe("fine");
  });

  test("an address in the default bridge is one fault where it has no subnet of the user's", () => {
    const ipam = { ...configured.ipam, ipv4: [ANY_SUBNET] };
    expect(check("bridge", ips("172.17.0.9"), { ...configured, ipam })).toBe(
      `${head}user specified IP address is supported on user defined networks only`,
    );
  });

  const head = "invalid_argument: invalid endpoint settings:\n";
  for (const [name, config, message] of [
    [
      "bridge",
      ips("172.17.0.9"),
      `${head}* user specified IP address is supported on user defined networks only\n* no configured subnet or ip-range contain the IP address 172.17.0.9`,
    ],
    [
      "bridge",
      { Aliases: ["foo"] },
      `${head}network-scoped alias is supported only for containers in user defined networks`,
    ],
    ["n", ips("10.99.0.1"), `${head}no configured subnet or ip-range contain the IP address 10.99.0.1`],
    [
      "n",
      ips("x"),
      `${head}* invalid IPv4 address: x\n* no configured subnet or ip-range contain the IP address x`,
    ],
    [
      "n",
      ips("0.0.0.0"),
      `${head}* invalid IPv4 address: 0.0.0.0\n* no configured subnet or ip-range contain the IP address 0.0.0.0`,
    ],
    [
      "n",
      ips("fd00:77::9"),
      `${head}* invalid IPv4 address: fd00:77::9\n* no configured subnet or ip-range contain the IP address fd00:77::9`,
    ],
    [
      "n",
      ips("", "10.66.0.9"),
      `${head}* invalid IPv6 address: 10.66.0.9\n* no configured subnet or ip-range contain the IP address 10.66.0.9`,
    ],
    ["n", ips("", "", ["10.0.0.1"]), `${head}invalid link-local IP address: 10.0.0.1`],
    ["n", { MacAddress: "xx" }, "invalid_argument: invalid MAC address xx"],
    ["n", { Aliases: ["a b"] }, `${head}invalid network-scoped alias: "a b"`],
    ["n", { Aliases: [""] }, `${head}invalid network-scoped alias: ""`],
    [
      "n",
      { DriverOpts: { "com.docker.network.endpoint.ifname": "a/b" } },
      `${head}invalid interface name "a/b"`,
    ],
  ] as const)
    test(`refuses ${JSON.stringify(config)} on ${name}`, () => {
      expect(check(name, config)).toBe(message);
    });

  test("gives no address where the network has no subnet that a user named", () => {
    const chosen = exampleNetwork();
    const message = `${head}user specified IP address is supported only when connecting to networks with user configured subnets`;
    expect(check("n", ips("172.18.0.9"), chosen)).toBe(message);
    expect(check("n", ips("", "fd00::1"), chosen)).toBe(message);
  });

  for (const [sysctl, isFine] of [
    ["net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.ifname.accept_ra=2", true],
    ["net.ipv4.conf.eth0.log_martians=1", false],
    ["net.foo.conf.IFNAME.x=1", false],
    ["net.ipv4.conf.IFNAME.x/../../y=1", false],
    ["kernel.x=1", false],
    ["", false],
  ] as const)
    test(`${isFine ? "takes" : "refuses"} the sysctl ${sysctl}`, () => {
      const result = check("n", { DriverOpts: { "com.docker.network.endpoint.sysctls": sysctl } });
      if (isFine) expect(result).toBe("fine");
      else expect(result).toContain("unrecognised network interface sysctl");
    });
});

describe("checkConnection()", () => {
  const user = exampleNetwork({ name: "n" });
  const host = exampleNetwork({ name: "host", driver: "host" });
  const none = exampleNetwork({ name: "none", driver: "null" });
  const shared =
    "invalid_argument: container sharing network namespace with another container or host cannot be connected to any other network";
  for (const [mode, connected, network, message] of [
    ["default", [exampleNetwork({ name: "bridge" })], user, "fine"],
    ["n", [user], user, "fine"],
    ["container:x", [], user, shared],
    ["host", [host], user, shared],
    [
      "n",
      [user],
      host,
      "invalid_argument: cannot connect container to host network - container must be created in host network mode",
    ],
    [
      "n",
      [user],
      none,
      "invalid_argument: container cannot be connected to multiple networks with one of the networks in private (none) mode",
    ],
    [
      "none",
      [none],
      user,
      "invalid_argument: container cannot be connected to multiple networks with one of the networks in private (none) mode",
    ],
    [
      "n",
      [],
      exampleNetwork({ name: "lent", isConfigOnly: true }),
      "forbidden: cannot connect to config-only network lent",
    ],
  ] as const)
    test(`${mode} with ${connected.map(({ name }) => name).join()} to ${network.name}`, () => {
      expect(outcome(() => checkConnection(mode, connected, network))).toBe(message);
    });

  test("nobody leaves the host's network", () => {
    expect(outcome(() => checkDisconnection("host", host))).toBe(
      "invalid_argument: cannot disconnect container from host network - container was created in host network mode",
    );
    expect(outcome(() => checkDisconnection("n", user))).toBe("fine");
    expect(outcome(() => checkDisconnection("n", host))).toBe("fine");
    expect(outcome(() => checkDisconnection("host", user))).toBe("fine");
  });
});

describe("checkNeighbours()", () => {
  const bridge = (id: string, name: string): ReturnType<typeof exampleNetwork> =>
    exampleNetwork({ id, options: { "com.docker.network.bridge.name": name } });
  const macvlan = (id: string, parent: string, mode: string): ReturnType<typeof exampleNetwork> =>
    exampleNetwork({ id, driver: "macvlan", options: { parent, macvlan_mode: mode } });

  test("refuses a bridge that another network has", () => {
    expect(outcome(() => checkNeighbours(bridge("new", "br0"), [bridge("old", "br0")]))).toBe(
      "forbidden: cannot create network new (br0): conflicts with network old (br0): networks have same bridge name",
    );
    expect(
      outcome(() => checkNeighbours(bridge("new", "br0"), [bridge("old", "br1"), bridge("new", "br0")])),
    ).toBe("fine");
    const lent = { ...bridge("lent", "br0"), isConfigOnly: true };
    expect(outcome(() => checkNeighbours(bridge("new", "br0"), [lent, macvlan("m", "eth0", "bridge")]))).toBe(
      "fine",
    );
    const alike = {
      ...macvlan("m", "eth0", "passthru"),
      driver: "ipvlan",
      options: { parent: "eth0" },
    } as const;
    expect(outcome(() => checkNeighbours(macvlan("new", "eth0", "passthru"), [alike]))).toBe("fine");
  });

  test("lets nobody share a parent with a network that passes it through", () => {
    expect(
      outcome(() => checkNeighbours(macvlan("new", "eth0", "passthru"), [macvlan("old", "eth0", "bridge")])),
    ).toBe("forbidden: cannot use mode passthru, macvlan network old is already using parent interface eth0");
    expect(
      outcome(() => checkNeighbours(macvlan("new", "eth0", "bridge"), [macvlan("old", "eth0", "passthru")])),
    ).toBe("forbidden: macvlan network old is already using parent interface eth0 in mode passthru");
    expect(
      outcome(() =>
        checkNeighbours(macvlan("new", "eth0", "bridge"), [
          macvlan("old", "eth0", "vepa"),
          bridge("b", "br0"),
        ]),
      ),
    ).toBe("fine");
    expect(
      outcome(() => checkNeighbours(macvlan("new", "", "passthru"), [macvlan("old", "", "passthru")])),
    ).toBe("fine");
  });
});

describe("checkRemoval()", () => {
  const network = exampleNetwork({ name: "nm2" });

  test("lets an empty one go", () => {
    expect(outcome(() => checkRemoval(network, false, [], []))).toBe("fine");
  });

  test("keeps what is the daemon's, lent, or lived in", () => {
    expect(outcome(() => checkRemoval(exampleNetwork({ name: "host" }), true, [], []))).toBe(
      "forbidden: host is a pre-defined network and cannot be removed",
    );
    const lent = exampleNetwork({ name: "nmc", isConfigOnly: true });
    expect(outcome(() => checkRemoval(lent, false, [], [exampleNetwork({ configFrom: "nmc" })]))).toBe(
      'forbidden: error while removing network: configuration network "nmc" is in use',
    );
    const other = exampleNetwork({ configFrom: "other" });
    expect(outcome(() => checkRemoval(lent, false, [], [other]))).toBe("fine");
    const plain = exampleNetwork({ name: "nmc" });
    expect(outcome(() => checkRemoval(plain, false, [], [exampleNetwork({ configFrom: "nmc" })]))).toBe(
      "fine",
    );
    const endpoints = [{ id: "47acb5865684fe3f", name: "nc2" }];
    expect(outcome(() => checkRemoval(network, false, endpoints, []))).toBe(
      'forbidden: error while removing network: network nm2 has active endpoints (name:"nc2" id:"47acb5865684")',
    );
  });
});
