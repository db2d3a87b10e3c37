import { describe, expect, test } from "bun:test";
import { type SubnetFlags, subnetConfigs } from "./subnets.ts";

const NONE: SubnetFlags = { subnets: [], ranges: [], gateways: [], auxiliary: [] };

describe("subnetConfigs()", () => {
  test("gives ranges, gateways and auxiliary addresses to the subnets that they lie in", () => {
    const configs = subnetConfigs({
      subnets: ["10.1.0.0/24", "fd00::/64", "10.2.0.0/24"],
      ranges: ["10.2.0.128/25"],
      gateways: ["fd00::1", "10.1.0.1"],
      auxiliary: ["a=10.2.0.5", "b=10.2.0.6"],
    });
    expect(JSON.stringify(configs)).toBe(
      '[{"Subnet":"10.1.0.0/24","Gateway":"10.1.0.1"},{"Subnet":"fd00::/64","Gateway":"fd00::1"},{"Subnet":"10.2.0.0/24","IPRange":"10.2.0.128/25","AuxiliaryAddresses":{"a":"10.2.0.5","b":"10.2.0.6"}}]',
    );
    expect(subnetConfigs(NONE)).toEqual([]);
  });

  const one = ["10.67.1.0/24"];
  for (const [flags, message] of [
    [{ gateways: ["10.67.1.1"] }, "every ip-range or gateway must have a corresponding subnet"],
    [{ ranges: ["10.67.1.0/24"] }, "every ip-range or gateway must have a corresponding subnet"],
    [{ subnets: ["x"] }, "invalid subnet: invalid CIDR address: x"],
    [{ subnets: one, gateways: ["10.68.0.1"] }, "no matching subnet for gateway 10.68.0.1"],
    [{ subnets: one, gateways: ["x"] }, "no matching subnet for gateway x"],
    [{ subnets: one, ranges: ["10.68.0.0/24"] }, "no matching subnet for range 10.68.0.0/24"],
    [{ subnets: one, ranges: ["10.67.0.0/16"] }, "no matching subnet for range 10.67.0.0/16"],
    [{ subnets: one, ranges: ["x"] }, "invalid CIDR address: x"],
    [{ subnets: one, auxiliary: ["a=10.68.0.1"] }, "no matching subnet for aux-address 10.68.0.1"],
    [{ subnets: one, auxiliary: ["a=q"] }, "no matching subnet for aux-address q"],
    [{ subnets: one, auxiliary: ["a"] }, "no matching subnet for aux-address "],
    [
      { subnets: ["10.67.1.0/24", "10.67.1.0/25"] },
      "multiple overlapping subnet configuration is not supported",
    ],
    [
      { subnets: ["10.1.0.0/24", "10.2.0.0/24"], gateways: ["10.1.0.1", "10.1.0.2"] },
      "cannot configure multiple gateways (10.1.0.2, 10.1.0.1) for the same subnet (10.1.0.0/24)",
    ],
    [
      { subnets: ["10.1.0.0/24", "10.2.0.0/24"], ranges: ["10.1.0.0/25", "10.1.0.128/25"] },
      "cannot configure multiple ranges (10.1.0.128/25, 10.1.0.0/25) on the same subnet (10.1.0.0/24)",
    ],
  ] as const)
    test(`refuses ${JSON.stringify(flags)}`, () => {
      expect(() => subnetConfigs({ ...NONE, ...flags })).toThrow(message);
    });
});
