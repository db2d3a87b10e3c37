import { describe, expect, test } from "bun:test";
import { DEFAULT_BRIDGE_CONFIG } from "../core/network/default-bridge.ts";
import { poolDocuments } from "../core/network/pools.ts";
import { defaultBridgeConfig, NETWORK_READERS, type NetworkSettings } from "./network-settings.ts";

function read(document: Readonly<Record<string, unknown>>): NetworkSettings {
  return Object.entries(document).reduce<NetworkSettings>(
    (all, [key, value]) => ({ ...all, ...NETWORK_READERS[key]?.(value) }),
    {},
  );
}

describe("NETWORK_READERS", () => {
  test("read every key", () => {
    const settings = read({
      bip: "10.1.0.1/16",
      bip6: "fd00::1/64",
      "default-gateway": "10.1.0.254",
      "default-gateway-v6": "fd00::fe",
      "fixed-cidr": "10.1.2.0/24",
      "fixed-cidr-v6": "fd00::/80",
      ip: "127.0.0.1",
      icc: false,
      "ip-masq": false,
      ipv6: true,
      mtu: 1400,
      "default-address-pools": [{ base: "10.10.0.0/16", size: 24 }],
      "default-network-opts": { bridge: { "com.docker.network.driver.mtu": "1400" } },
    });
    expect(defaultBridgeConfig(settings)).toEqual({
      bip: "10.1.0.1/16",
      bip6: "fd00::1/64",
      defaultGateway: "10.1.0.254",
      defaultGatewayV6: "fd00::fe",
      fixedCidr: "10.1.2.0/24",
      fixedCidrV6: "fd00::/80",
      ip: "127.0.0.1",
      icc: false,
      ipMasq: false,
      ipv6: true,
      mtu: 1400,
      bridge: "",
    });
    expect(poolDocuments(settings.addressPools ?? [])).toEqual([{ Base: "10.10.0.0/16", Size: 24 }]);
    expect({ ...settings.networkOptions?.["bridge"] }).toEqual({ "com.docker.network.driver.mtu": "1400" });
  });

  test("leave Docker's defaults where nothing is said", () => {
    expect(defaultBridgeConfig({})).toEqual(DEFAULT_BRIDGE_CONFIG);
    expect(defaultBridgeConfig(read({ bridge: "br0" })).bridge).toBe("br0");
  });

  for (const [key, value] of [
    ["bip", 7],
    ["icc", "false"],
    ["ipv6", 1],
    ["mtu", "1500"],
    ["mtu", 1.5],
    ["default-address-pools", {}],
    ["default-network-opts", { bridge: { a: 7 } }],
    ["default-network-opts", []],
  ] as const)
    test(`refuse ${key}: ${JSON.stringify(value)}`, () => {
      expect(() => read({ [key]: value })).toThrow("must be");
    });

  test("let a bridge by name have no address beside its own", () => {
    expect(() => defaultBridgeConfig(read({ bridge: "br0", bip: "10.1.0.1/16" }))).toThrow(
      "mutually exclusive",
    );
  });
});
