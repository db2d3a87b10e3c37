import { describe, expect, test } from "bun:test";
import { GantryError } from "../../base/errors.ts";
import type { IpamConfig, NetworkCreateRequest } from "../../specs/engine/network.ts";
import type { NetworkRecord } from "./network-record.ts";
import { checkIpv6Subnet, type NetworkPlan, planNetwork } from "./plan-network.ts";
import { ANY_SUBNET } from "./subnet-config.ts";
import { exampleNetwork, PLAIN_REQUEST } from "./testing/example-networks.ts";
import { vlanParent } from "./vlan-parent.ts";

const NETWORKS: Readonly<Record<string, NetworkRecord>> = {
  taken: exampleNetwork({ name: "taken" }),
  lender: exampleNetwork({
    name: "lender",
    driver: "null",
    isConfigOnly: true,
    hasIpv6: true,
    labels: { lent: "yes" },
    options: { "com.docker.network.driver.mtu": "1400" },
    ipam: { options: {}, ipv4: [{ ...ANY_SUBNET, subnet: "10.69.0.0/24" }], ipv6: [] },
    subnets: { ipv4: [], ipv6: [] },
  }),
};

function plan(more: Partial<NetworkCreateRequest>, defaults = {}): NetworkPlan {
  return planNetwork({ ...PLAIN_REQUEST, ...more }, (name) => NETWORKS[name], defaults);
}

function outcome(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return error instanceof GantryError ? `${error.category}: ${error.message}` : error;
  }
}

function ipam(...configs: Partial<IpamConfig>[]): NetworkCreateRequest["IPAM"] {
  const none: IpamConfig = { Subnet: "", IPRange: "", Gateway: "", AuxiliaryAddresses: {} };
  return { Driver: "default", Options: {}, Config: configs.map((each) => ({ ...none, ...each })) };
}

const bridge = (name: string): string => `com.docker.network.bridge.${name}`;

describe("planNetwork()", () => {
  test("makes a bridge with a subnet of its own of what says nothing", () => {
    const { network, settings, ipv4, ipv6, withoutGateway } = plan({});
    expect(network).toMatchObject({
      name: "n",
      driver: "bridge",
      hasIpv4: true,
      hasIpv6: false,
      options: {},
    });
    expect({ ipv4, ipv6, withoutGateway }).toEqual({ ipv4: [ANY_SUBNET], ipv6: [], withoutGateway: [] });
    expect(settings).toEqual({
      kind: "bridge",
      bridgeName: "",
      isDefaultBridge: false,
      allowsNeighbours: true,
      masquerades: true,
      ipv4Mode: "nat",
      ipv6Mode: "nat",
      hostBinding: undefined,
      hostIpv4: undefined,
      hostIpv6: undefined,
      trustedInterfaces: [],
      inhibitsIpv4: false,
      mtu: 0,
      interfacePrefix: "eth",
    });
  });

  test("reads every option of a bridge", () => {
    const { settings } = plan({
      Internal: true,
      Options: {
        [bridge("name")]: "br0",
        [bridge("enable_icc")]: "F",
        [bridge("enable_ip_masquerade")]: "0",
        [bridge("gateway_mode_ipv4")]: "isolated",
        [bridge("gateway_mode_ipv6")]: "nat-unprotected",
        [bridge("host_binding_ipv4")]: "127.0.0.1",
        [bridge("trusted_host_interfaces")]: "eth0::eth1",
        [bridge("inhibit_ipv4")]: "true",
        "com.docker.network.host_ipv4": "192.0.2.1",
        "com.docker.network.host_ipv6": "2001:db8::1",
        "com.docker.network.driver.mtu": "1400",
        "com.docker.network.container_iface_prefix": "net",
        "another.tool": "is passed over",
      },
    });
    expect(settings).toMatchObject({
      bridgeName: "br0",
      allowsNeighbours: false,
      masquerades: false,
      ipv4Mode: "isolated",
      ipv6Mode: "nat-unprotected",
      hostBinding: { family: 4, value: 0x7f00_0001n },
      trustedInterfaces: ["eth0", "eth1"],
      inhibitsIpv4: true,
      hostIpv4: { family: 4, value: 0xc000_0201n },
      mtu: 1400,
      interfacePrefix: "net",
    });
  });

  test("takes 0.0.0.0 as everywhere", () => {
    expect(plan({ Options: { [bridge("host_binding_ipv4")]: "0.0.0.0" } }).settings).toMatchObject({
      hostBinding: undefined,
    });
  });

  test("takes the families from options unless the request says more", () => {
    const options = { "com.docker.network.enable_ipv6": "true", "com.docker.network.enable_ipv4": "false" };
    expect(plan({ Options: options })).toMatchObject({ ipv4: [], ipv6: [ANY_SUBNET] });
    const both = plan({ Options: options, EnableIPv4: true, EnableIPv6: false });
    expect(both).toMatchObject({ ipv4: [ANY_SUBNET], ipv6: [], network: { options: {} } });
  });

  test("takes default options of its driver that the request does not name", () => {
    const defaults = { bridge: { "com.docker.network.driver.mtu": "1400", [bridge("enable_icc")]: "false" } };
    const options = { "com.docker.network.driver.mtu": "9000" };
    expect(plan({ Options: options }, defaults).settings).toMatchObject({
      mtu: 9000,
      allowsNeighbours: false,
    });
    expect(plan({ Driver: "macvlan" }, defaults).network.options).toEqual({});
  });

  test("keeps subnets of both families, and does not use those of a family that is off", () => {
    const configs = ipam({ Subnet: "10.0.0.0/24", Gateway: "10.0.0.9" }, { Subnet: "fd00::1/64" });
    const { network, ipv4, ipv6 } = plan({ IPAM: configs });
    expect(ipv4).toEqual([{ ...ANY_SUBNET, subnet: "10.0.0.0/24", gateway: "10.0.0.9" }]);
    expect(ipv6).toEqual([]);
    expect(network.ipam.ipv6).toEqual([{ ...ANY_SUBNET, subnet: "fd00::1/64" }]);
  });

  test("borrows a configuration", () => {
    const { network, settings, ipv4, ipv6 } = plan({ ConfigFrom: "lender", Internal: true });
    expect(network).toMatchObject({ configFrom: "lender", labels: { lent: "yes" }, isInternal: true });
    expect(settings).toMatchObject({ mtu: 1400 });
    expect(ipv4[0]?.subnet).toBe("10.69.0.0/24");
    expect(ipv6).toEqual([ANY_SUBNET]);
  });

  test("reserves nothing for a configuration to be lent", () => {
    const made = plan({ ConfigOnly: true, Driver: "macvlan", IPAM: ipam({ Subnet: "10.0.0.0/24" }) });
    expect(made).toMatchObject({ ipv4: [], ipv6: [], network: { driver: "null", isConfigOnly: true } });
    expect(made.network.ipam.ipv4[0]?.subnet).toBe("10.0.0.0/24");
  });

  test("knows macvlan and ipvlan", () => {
    expect(plan({ Driver: "macvlan", Options: { parent: "eth0.10" } })).toMatchObject({
      settings: { kind: "macvlan", parent: "eth0.10", mode: "bridge" },
      withoutGateway: [],
    });
    expect(plan({ Driver: "macvlan", Options: { macvlan_mode: "passthru" } })).toMatchObject({
      settings: { parent: "", mode: "passthru" },
      withoutGateway: [4, 6],
    });
    const l3 = { parent: "eth0", ipvlan_mode: "l3s", ipvlan_flag: "vepa" };
    expect(plan({ Driver: "ipvlan", Options: l3 })).toMatchObject({
      settings: { kind: "ipvlan", parent: "eth0", mode: "l3s", flag: "vepa" },
      withoutGateway: [4, 6],
    });
    for (const driver of ["macvlan", "ipvlan"]) {
      expect(plan({ Driver: driver, Options: { parent: "eth0" } }).withoutGateway).toEqual([]);
      expect(plan({ Driver: driver, Internal: true, Options: { parent: "eth0" } }).withoutGateway).toEqual([
        4, 6,
      ]);
      expect(plan({ Driver: driver }).withoutGateway).toEqual([4, 6]);
    }
    const many = ipam({ Subnet: "10.0.0.0/24" }, { Subnet: "10.0.1.0/24" });
    expect(plan({ Driver: "macvlan", IPAM: many }).ipv4.length).toBe(2);
  });

  test("gives an internal network no gateway where its mode has none", () => {
    const options = (more: object): NetworkPlan =>
      plan({ Internal: true, EnableIPv6: true, Options: { ...more } });
    expect(options({ [bridge("gateway_mode_ipv4")]: "isolated" }).withoutGateway).toEqual([4]);
    expect(options({ [bridge("gateway_mode_ipv6")]: "isolated" }).withoutGateway).toEqual([6]);
    expect(options({ [bridge("inhibit_ipv4")]: "1" }).withoutGateway).toEqual([4]);
    expect(options({}).withoutGateway).toEqual([]);
  });

  const refused: readonly (readonly [Partial<NetworkCreateRequest>, string])[] = [
    [{ Name: "bridge" }, "forbidden: operation is not permitted on predefined bridge network"],
    [{ Name: "default" }, "forbidden: operation is not permitted on predefined default network"],
    [{ Name: " " }, "invalid_argument: invalid name: name is empty"],
    [
      { Name: "a\u001b[2J" },
      'invalid_argument: invalid name: "a\\u001b[2J": a name has at most 255 characters, and no control characters',
    ],
    [{ Name: "taken" }, "conflict: network with name taken already exists"],
    [{ Driver: "foo" }, 'not_found: plugin "foo" not found'],
    [{ Driver: "host" }, 'forbidden: only one instance of "host" network is allowed'],
    [{ Driver: "null" }, 'forbidden: only one instance of "null" network is allowed'],
    [
      { Driver: "overlay" },
      'forbidden: This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
    ],
    [{ Ingress: true }, "forbidden: Ingress network can only be global scope network"],
    [{ Scope: "swarm" }, "forbidden: cannot create a swarm scoped network when swarm is not active"],
    [{ Scope: "foo" }, 'invalid_argument: invalid scope "foo": networks of this engine are local'],
    [{ ConfigFrom: "nope" }, 'not_found: configuration network "nope" does not exist'],
    [{ ConfigFrom: "taken" }, 'not_found: configuration network "taken" does not exist'],
    [
      { ConfigFrom: "lender", ConfigOnly: true },
      "forbidden: a configuration network cannot depend on another configuration network",
    ],
    [
      { ConfigFrom: "lender", EnableIPv6: true },
      "forbidden: user specified configurations are not supported if the network depends on a configuration network",
    ],
    [
      { ConfigFrom: "lender", Labels: { a: "b" } },
      "forbidden: user specified configurations are not supported if the network depends on a configuration network",
    ],
    [
      { ConfigFrom: "lender", Options: { a: "b" } },
      "forbidden: network driver options are not supported if the network depends on a configuration network",
    ],
    [
      { ConfigOnly: true, Internal: true },
      "forbidden: configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.",
    ],
    [
      { ConfigOnly: true, Attachable: true },
      "forbidden: configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.",
    ],
    [
      { ConfigOnly: true, Ingress: true },
      "forbidden: configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.",
    ],
    [
      { ConfigOnly: true, Scope: "local" },
      "forbidden: configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.",
    ],
    [{ EnableIPv4: false }, "invalid_argument: IPv4 or IPv6 must be enabled"],
    [{ IPAM: { Driver: "null", Options: null, Config: [] } }, "invalid_argument: ipv4 pool is empty"],
    [{ IPAM: { Driver: "foo", Options: null, Config: [] } }, 'invalid_argument: invalid ipam driver: "foo"'],
    [
      { IPAM: ipam({ Subnet: "10.0.0.0/24" }, { Subnet: "10.0.1.0/24" }) },
      "forbidden: bridge driver doesn't support multiple subnets",
    ],
    [
      { EnableIPv6: true, IPAM: ipam({ Subnet: "fe80::/80" }) },
      "invalid_argument: 'fe80::/80' clashes with the Link-Local prefix 'fe80::/64'",
    ],
    [
      { Options: { [bridge("enable_icc")]: "maybe" } },
      'invalid_argument: failed to parse com.docker.network.bridge.enable_icc value: maybe (strconv.ParseBool: parsing "maybe": invalid syntax)',
    ],
    [
      { Options: { "com.docker.network.enable_ipv6": "maybe" } },
      'invalid_argument: driver-opt "com.docker.network.enable_ipv6" is not a valid bool',
    ],
    [
      { Options: { "com.docker.network.driver.mtu": "x" } },
      'invalid_argument: failed to parse com.docker.network.driver.mtu value: x (strconv.Atoi: parsing "x": invalid syntax)',
    ],
    [
      { Options: { "com.docker.network.driver.mtu": "99999999999999999999" } },
      'invalid_argument: failed to parse com.docker.network.driver.mtu value: 99999999999999999999 (strconv.Atoi: parsing "99999999999999999999": value out of range)',
    ],
    [{ Options: { "com.docker.network.driver.mtu": "-5" } }, "invalid_argument: invalid MTU number: -5"],
    [
      { Options: { [bridge("host_binding_ipv4")]: "x" } },
      "invalid_argument: failed to parse com.docker.network.bridge.host_binding_ipv4 value: x (nil ip)",
    ],
    [
      { Options: { "com.docker.network.host_ipv4": "" } },
      "invalid_argument: failed to parse com.docker.network.host_ipv4 value:  (nil ip)",
    ],
    [
      { Options: { [bridge("gateway_mode_ipv4")]: "x" } },
      "invalid_argument: failed to parse com.docker.network.bridge.gateway_mode_ipv4 value: x (unknown gateway mode x)",
    ],
    [
      { Options: { [bridge("gateway_mode_ipv6")]: "isolated" } },
      "invalid_argument: gateway mode 'isolated' can only be used for an internal network",
    ],
    [
      { Driver: "macvlan", Options: { macvlan_mode: "foo" } },
      "invalid_argument: requested macvlan mode 'foo' is not valid, 'bridge' mode is the macvlan driver default",
    ],
    [
      { Driver: "macvlan", Options: { parent: "lo" } },
      "invalid_argument: loopback interface is not a valid macvlan parent link",
    ],
    [
      { Driver: "ipvlan", Options: { ipvlan_mode: "foo" } },
      "invalid_argument: requested ipvlan mode 'foo' is not valid, 'l2' mode is the ipvlan driver default",
    ],
    [
      { Driver: "ipvlan", Options: { ipvlan_flag: "foo" } },
      "invalid_argument: requested ipvlan flag 'foo' is not valid, 'bridge' is the ipvlan driver default",
    ],
    [
      { Driver: "ipvlan", Options: { parent: "lo" } },
      "invalid_argument: loopback interface is not a valid ipvlan parent link",
    ],
  ];
  for (const [request, message] of refused)
    test(`refuses ${JSON.stringify(request)}`, () => {
      expect(outcome(() => plan(request))).toBe(message);
    });

  for (const name of ["averyverylongbridgename", "a/b", "../x", "a b", "a:b", ".", "..", "\u00e4", "a\0"])
    test(`refuses ${JSON.stringify(name)} as an interface's name`, () => {
      for (const key of [bridge("name"), "com.docker.network.container_iface_prefix"])
        expect(() => plan({ Options: { [key]: name } })).toThrow("an interface's name has 1 to");
      expect(() => plan({ Driver: "macvlan", Options: { parent: name } })).toThrow(
        "an interface's name has 1 to",
      );
    });
});

describe("subnets of a request", () => {
  const message = (withIpv6: boolean, ...configs: Partial<IpamConfig>[]): unknown =>
    outcome(() => plan({ EnableIPv6: withIpv6, Driver: "macvlan", IPAM: ipam(...configs) }).ipv4.length);

  const cases: readonly (readonly [Partial<IpamConfig>, string])[] = [
    [{ Gateway: "10.80.0.3" }, "invalid subnet : invalid CIDR block notation"],
    [{ Subnet: "10.67.0.x/24" }, "invalid subnet 10.67.0.x/24: invalid CIDR block notation"],
    [{ Subnet: "10.67.0.1/24" }, "invalid subnet 10.67.0.1/24: it should be 10.67.0.0/24"],
    [
      { Subnet: "10.67.1.0/24", IPRange: "10.67.1.7/25" },
      "invalid ip-range 10.67.1.7/25: it should be 10.67.1.0/25",
    ],
    [
      { Subnet: "10.67.1.0/24", IPRange: "10.67.0.0/16" },
      "invalid ip-range 10.67.0.0/16: CIDR block is bigger than its parent subnet 10.67.1.0/24",
    ],
    [
      { Subnet: "10.67.1.0/24", IPRange: "10.68.0.0/24" },
      "invalid ip-range 10.68.0.0/24: parent subnet 10.67.1.0/24 doesn't contain ip-range",
    ],
    [
      { Subnet: "10.67.1.0/24", IPRange: "fd00::/64" },
      "invalid ip-range fd00::/64: parent subnet is an IPv4 block",
    ],
    [
      { Subnet: "10.67.1.0/24", Gateway: "10.68.0.1" },
      "invalid gateway 10.68.0.1: parent subnet 10.67.1.0/24 doesn't contain this address",
    ],
    [
      { Subnet: "10.67.1.0/24", Gateway: "fd00::1" },
      "invalid gateway fd00::1: parent subnet is an IPv4 block",
    ],
    [
      {
        Subnet: "10.80.0.0/24",
        Gateway: "10.80.0.300",
        IPRange: "x",
        AuxiliaryAddresses: { a: "10.81.0.1", b: "::1" },
      },
      "* invalid ip-range x: invalid CIDR block notation\n* invalid gateway 10.80.0.300: invalid address\n* invalid auxiliary address a: parent subnet 10.80.0.0/24 doesn't contain this address\n* invalid auxiliary address b: parent subnet is an IPv4 block",
    ],
  ];
  for (const [config, faults] of cases)
    test(JSON.stringify(config), () => {
      expect(message(false, config)).toBe(`invalid_argument: invalid network config:\n${faults}`);
    });

  test("of IPv6 are looked at where IPv6 is on", () => {
    expect(message(true, { Subnet: "fd00::1/64" })).toContain("it should be fd00::/64");
    expect(message(false, { Subnet: "fd00::1/64" })).toBe(1);
  });

  for (const [text, message] of [
    ["10.0.0.0/8", "is not a valid IPv6 subnet"],
    ["::ffff:10.0.0.0/104", "is not a valid IPv6 subnet"],
    ["ff02::/16", "multicast subnet 'ff02::/16' is not allowed"],
    ["fe80::/10", "clashes with the Link-Local prefix"],
  ] as const)
    test(`${text} is no subnet of a bridge`, () => {
      expect(() => checkIpv6Subnet(text)).toThrow(message);
    });

  test("fe80::/64 and a global one are", () => {
    checkIpv6Subnet("fe80::/64");
    checkIpv6Subnet("2001:db8::/48");
  });
});

describe("vlanParent()", () => {
  const parent = (name: string): unknown => outcome(() => vlanParent(name, (carrier) => carrier === "eth0"));

  test("takes an interface's name apart", () => {
    expect(parent("eth0.10")).toEqual({ carrier: "eth0", vlan: 10 });
  });

  for (const [name, message] of [
    ["nope", "invalid_argument: invalid subinterface vlan name nope, example formatting is eth0.10"],
    ["nope.1", "not_found: -o parent interface was not found on the host: nope"],
    ["lo.x", "invalid_argument: unable to parse a valid vlan id from: x (ex. eth0.10 for vlan 10)"],
    ["eth0.", "invalid_argument: unable to parse a valid vlan id from:  (ex. eth0.10 for vlan 10)"],
    ["eth0.0", "invalid_argument: vlan id must be between 1-4094, received: 0"],
    ["eth0.4095", "invalid_argument: vlan id must be between 1-4094, received: 4095"],
    [
      "eth0.1.2",
      "invalid_argument: required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received eth0.1.2",
    ],
  ] as const)
    test(`refuses ${name}`, () => {
      expect(parent(name)).toBe(message);
    });
});
