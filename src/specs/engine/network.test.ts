import { describe, expect, test } from "bun:test";
import { isCategory } from "../../base/errors.ts";
import { Fields } from "./fields.decode.ts";
import {
  decodeNetworkConnect,
  decodeNetworkCreate,
  decodeNetworkDisconnect,
  decodeNetworkingConfig,
} from "./network.decode.ts";

describe("decodeNetworkCreate()", () => {
  test("fills in what is not said", () => {
    expect(decodeNetworkCreate({ Name: "n", IPAM: null, Options: null, CheckDuplicate: true })).toEqual({
      Name: "n",
      Driver: "",
      Scope: "",
      EnableIPv4: null,
      EnableIPv6: null,
      IPAM: null,
      Internal: false,
      Attachable: false,
      Ingress: false,
      ConfigOnly: false,
      ConfigFrom: "",
      Options: {},
      Labels: {},
    });
  });

  test("reads all of it", () => {
    const config = {
      Subnet: "10.0.0.0/24",
      IPRange: "10.0.0.0/25",
      Gateway: "10.0.0.1",
      AuxiliaryAddresses: { a: "10.0.0.2" },
    };
    const body = {
      Name: "n",
      Driver: "macvlan",
      Scope: "local",
      EnableIPv4: false,
      EnableIPv6: true,
      IPAM: { Driver: "default", Options: { k: "v" }, Config: [config, {}] },
      Internal: true,
      Attachable: true,
      Ingress: true,
      ConfigOnly: true,
      ConfigFrom: { Network: "other" },
      Options: { parent: "eth0" },
      Labels: { a: "b" },
    };
    const empty = { Subnet: "", IPRange: "", Gateway: "", AuxiliaryAddresses: {} };
    const ipam = { Driver: "default", Options: { k: "v" }, Config: [config, empty] };
    expect(decodeNetworkCreate(body)).toEqual({ ...body, IPAM: ipam, ConfigFrom: "other" });
  });

  for (const body of [
    null,
    undefined,
    [],
    "n",
    { Name: 7 },
    { Name: "n", name: "m" },
    { IPAM: [] },
    { IPAM: { Config: {} } },
    { IPAM: { Config: [null] } },
    { IPAM: { Config: [{ Subnet: 7 }] } },
    { IPAM: { Config: [{ AuxiliaryAddresses: { a: 7 } }] } },
    { Options: { a: 7 } },
    { Labels: ["a"] },
    { EnableIPv6: "yes" },
    { ConfigFrom: "other" },
  ])
    test(`refuses ${JSON.stringify(body)}`, () => {
      let caught: unknown;
      try {
        decodeNetworkCreate(body);
      } catch (error) {
        caught = error;
      }
      expect(isCategory(caught, "invalid_argument")).toBe(true);
    });
});

test("decodeNetworkingConfig() reads wishes by network, and none of a network that is only named", () => {
  const wish = {
    IPAMConfig: { IPv4Address: "10.0.0.9", LinkLocalIPs: ["169.254.1.1"] },
    Links: ["a:b"],
    Aliases: ["al"],
    MacAddress: "02:42:aa:bb:cc:dd",
    DriverOpts: { k: "v" },
    GwPriority: 7,
    EndpointID: "is passed over",
  };
  const decoded = decodeNetworkingConfig(new Fields({ EndpointsConfig: { n: wish, m: {}, o: null } }, ""));
  const { EndpointID: _, ...known } = wish;
  const ipam = { IPv4Address: "10.0.0.9", IPv6Address: "", LinkLocalIPs: ["169.254.1.1"] };
  expect({ ...decoded }).toEqual({
    n: { ...known, IPAMConfig: ipam },
    m: { IPAMConfig: null, Links: null, Aliases: null, MacAddress: "", DriverOpts: null, GwPriority: 0 },
    o: null,
  });
  expect({ ...decodeNetworkingConfig(null) }).toEqual({});
  expect(() => decodeNetworkingConfig(new Fields({ EndpointsConfig: { n: 7 } }, ""))).toThrow(
    'EndpointsConfig["n"]',
  );
});

test("connect and disconnect name a container", () => {
  expect(decodeNetworkConnect({ Container: "c" })).toEqual({ Container: "c", EndpointConfig: null });
  expect(
    decodeNetworkConnect({ Container: "c", EndpointConfig: { GwPriority: 1 } }).EndpointConfig?.GwPriority,
  ).toBe(1);
  expect(decodeNetworkDisconnect({ Container: "c", Force: true })).toEqual({ Container: "c", Force: true });
  expect(() => decodeNetworkConnect(undefined)).toThrow("got EOF while reading request body");
  expect(() => decodeNetworkDisconnect({ Force: "x" })).toThrow('field "Force" must be true or false');
});
