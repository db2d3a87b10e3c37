import { describe, expect, test } from "bun:test";
import { parseCidr } from "../../base/ip-prefix.ts";
import { DEFAULT_BRIDGE_CONFIG, type DefaultBridgeConfig, planDefaultBridge } from "./default-bridge.ts";
import type { NetworkPlan } from "./plan-network.ts";
import type { SubnetConfig } from "./subnet-config.ts";

function plan(more: Partial<DefaultBridgeConfig>, ...addresses: string[]): NetworkPlan {
  return planDefaultBridge({ ...DEFAULT_BRIDGE_CONFIG, ...more }, addresses.map(parseCidr));
}

function subnet(text: string, more: Partial<SubnetConfig> = {}): SubnetConfig {
  return { subnet: text, range: "", gateway: "", auxiliary: {}, ...more };
}

describe("planDefaultBridge()", () => {
  test("has a subnet chosen when nothing is said", () => {
    const { network, ipv4, ipv6, settings } = plan({});
    expect(ipv4).toEqual([subnet("")]);
    expect(ipv6).toEqual([]);
    expect(network.ipam).toEqual({ options: null, ipv4: [], ipv6: [] });
    expect(network.options).toEqual({
      "com.docker.network.bridge.default_bridge": "true",
      "com.docker.network.bridge.enable_icc": "true",
      "com.docker.network.bridge.enable_ip_masquerade": "true",
      "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",
      "com.docker.network.bridge.name": "gantry0",
      "com.docker.network.driver.mtu": "1500",
    });
    expect(settings).toMatchObject({ kind: "bridge", isDefaultBridge: true, mtu: 1500 });
  });

  const cases: readonly (readonly [Partial<DefaultBridgeConfig>, readonly string[], SubnetConfig])[] = [
    [{ bip: "192.168.5.5/24" }, ["172.17.0.1/16"], subnet("192.168.5.0/24", { gateway: "192.168.5.5" })],
    [{}, ["172.17.0.1/16"], subnet("172.17.0.0/16", { gateway: "172.17.0.1" })],
    [{ fixedCidr: "10.1.0.0/24" }, [], subnet("10.1.0.0/24", { range: "10.1.0.0/24" })],
    [
      { bip: "10.1.0.1/16", fixedCidr: "10.1.2.0/24" },
      [],
      subnet("10.1.0.0/16", { gateway: "10.1.0.1", range: "10.1.2.0/24" }),
    ],
    // wider than the subnet: all of it
    [
      { bip: "10.1.0.1/24", fixedCidr: "10.1.0.0/16" },
      [],
      subnet("10.1.0.0/24", { gateway: "10.1.0.1", range: "10.1.0.0/24" }),
    ],
    // our own bridge follows the range, or loses its address
    [
      { fixedCidr: "172.17.0.0/15" },
      ["172.17.0.1/16"],
      subnet("172.16.0.0/15", { gateway: "172.17.0.1", range: "172.16.0.0/15" }),
    ],
    [{ fixedCidr: "10.1.0.0/24" }, ["172.17.0.1/16"], subnet("10.1.0.0/24", { range: "10.1.0.0/24" })],
    // an administrator's bridge keeps its addresses: the one that holds the range, or lies in it
    [
      { bridge: "br0", fixedCidr: "10.2.3.0/24" },
      ["10.1.0.1/16", "10.2.0.1/16"],
      subnet("10.2.0.0/16", { gateway: "10.2.0.1", range: "10.2.3.0/24" }),
    ],
    [
      { bridge: "br0", fixedCidr: "10.2.0.0/15" },
      ["10.1.0.1/16", "10.3.0.1/16"],
      subnet("10.3.0.0/16", { gateway: "10.3.0.1", range: "10.3.0.0/16" }),
    ],
    [
      { bip: "10.1.0.1/16", defaultGateway: "10.1.0.254" },
      [],
      subnet("10.1.0.0/16", { gateway: "10.1.0.1", auxiliary: { DefaultGatewayIPv4: "10.1.0.254" } }),
    ],
  ];
  for (const [config, addresses, expected] of cases)
    test(`${JSON.stringify(config)} with ${addresses.join(" ") || "no address"}`, () => {
      expect(plan(config, ...addresses).ipv4).toEqual([expected]);
    });

  test("leaves the kernel's link-local addresses out, unless the range is there", () => {
    const addresses = ["fe80::42:1/64", "fd00::1/64"];
    expect(plan({ ipv6: true }, ...addresses).ipv6[0]?.gateway).toBe("fd00::1");
    expect(plan({ ipv6: true, fixedCidrV6: "fe80::/64" }, ...addresses).ipv6[0]?.gateway).toBe("fe80::42:1");
    expect(plan({ ipv6: true }, "fe80::42:1/64").ipv6).toEqual([subnet("")]);
    expect(plan({ ipv6: true, bip6: "fd01::1/64" }, ...addresses).ipv6[0]?.subnet).toBe("fd01::/64");
  });

  const refused: readonly (readonly [Partial<DefaultBridgeConfig>, string])[] = [
    [{ bip: "x" }, "parse bip failed: invalid CIDR address: x"],
    [{ bip: "10.0.0.1" }, "parse bip failed: invalid CIDR address: 10.0.0.1"],
    [{ bip: "fd00::1/64" }, "parse bip failed: invalid CIDR address: fd00::1/64"],
    [{ fixedCidr: "10.0.0.0/x" }, "parse fixed-cidr failed: invalid CIDR address: 10.0.0.0/x"],
    [{ ipv6: true, fixedCidrV6: "fe80::/80" }, "clashes with the Link-Local prefix"],
    [
      { bip: "10.1.0.1/24", fixedCidr: "10.2.0.0/24" },
      "fixed-cidr=10.2.0.0/24 is outside the default bridge's subnet 10.1.0.0/24",
    ],
    [{ bip: "10.1.0.1/24", defaultGateway: "10.2.0.1" }, "default gateway ip must be part of the network"],
    [{ defaultGateway: "::1" }, 'invalid default-gateway: "::1" is no IPv4 address'],
    [{ mtu: -1 }, "invalid MTU number: -1"],
    [{ ip: "x" }, "failed to parse com.docker.network.bridge.host_binding_ipv4 value: x (nil ip)"],
    [{ bridge: "../x" }, "an interface's name has 1 to 15"],
  ];
  for (const [config, message] of refused)
    test(`refuses ${JSON.stringify(config)}`, () => {
      expect(() => plan(config)).toThrow(message);
    });
});
