import { describe, expect, test } from "bun:test";
import { formatPrefix, masked, overlaps, parseCidr } from "../../base/ip-prefix.ts";
import {
  chooseSubnet,
  decodeAddressPools,
  DEFAULT_POOLS,
  poolDocuments,
  poolsOf,
  uniqueLocalPool,
} from "./pools.ts";

const choose = (taken: string, pools = DEFAULT_POOLS, family: 4 | 6 = 4): string =>
  formatPrefix(chooseSubnet(pools, family, taken.split(" ").filter(Boolean).map(parseCidr)));

describe("chooseSubnet()", () => {
  for (const [taken, subnet] of [
    ["", "172.17.0.0/16"],
    ["172.17.0.0/16", "172.18.0.0/16"],
    ["172.18.0.0/16 172.17.0.0/16 172.19.0.0/16", "172.20.0.0/16"],
    // a host's route inside a subnet, or around the whole pool
    ["172.17.0.0/16 172.18.5.0/24", "172.19.0.0/16"],
    ["172.16.0.0/12", "192.168.0.0/20"],
    ["172.16.0.0/12 192.168.0.0/24", "192.168.16.0/20"],
    ["172.16.0.0/12 192.168.1.7/32 192.168.16.0/22 192.168.40.0/21", "192.168.48.0/20"],
    // the gap between two obstacles
    ["172.17.0.0/16 172.18.0.0/16 172.19.0.0/16 172.20.0.0/16 172.22.0.0/16", "172.21.0.0/16"],
    // the obstacle begins inside and ends behind the candidate's pool
    ["172.17.128.0/17 172.18.0.0/15", "172.20.0.0/16"],
    ["172.17.0.0/32", "172.18.0.0/16"],
    ["172.16.0.0/14 172.21.0.0/16 172.20.0.0/16", "172.22.0.0/16"],
    ["fd00::/8", "172.17.0.0/16"],
    // routes keep bits behind their length
    ["172.17.3.4/16", "172.18.0.0/16"],
  ] as const)
    test(`beside ${taken || "nothing"} is ${subnet}`, () => {
      expect(choose(taken)).toBe(subnet);
    });

  test("says so when nothing is left", () => {
    expect(() => choose("172.16.0.0/12 192.168.0.0/16")).toThrow(
      "all predefined address pools have been fully subnetted",
    );
    expect(() => choose("", DEFAULT_POOLS, 6)).toThrow(
      "all predefined address pools have been fully subnetted",
    );
    expect(() => choose("0.0.0.0/0")).toThrow("fully subnetted");
  });

  test("cuts the pools in the order of their addresses, each address once", () => {
    const pools = decodeAddressPools([
      { base: "10.20.0.0/16", size: 24 },
      { base: "10.10.0.0/23", size: 24 },
      { base: "10.10.1.0/24", size: 24 },
    ]);
    const taken: string[] = [];
    for (let n = 0; n < 4; n++) taken.push(choose(taken.join(" "), pools));
    expect(taken).toEqual(["10.10.0.0/24", "10.10.1.0/24", "10.20.0.0/24", "10.20.1.0/24"]);
  });

  test("finds what trying every subnet in turn finds", () => {
    let state = 11;
    const random = (below: number): number => {
      state = (state * 48_271) % 2_147_483_647;
      return state % below;
    };
    const pools = decodeAddressPools([{ base: "10.0.0.0/24", size: 28 }]);
    for (let round = 0; round < 3000; round++) {
      const taken = Array.from({ length: random(12) }, () =>
        masked({ family: 4, value: (10n << 24n) + BigInt(random(256)), bits: 26 + random(7) }),
      );
      const first = Array.from({ length: 16 }, (_, n) => parseCidr(`10.0.0.${n * 16}/28`)).find(
        (subnet) => !taken.some((other) => overlaps(subnet, other)),
      );
      const text = taken.map(formatPrefix).join(" ");
      if (first === undefined) expect(() => choose(text, pools)).toThrow("fully subnetted");
      else expect(`${text}: ${choose(text, pools)}`).toBe(`${text}: ${formatPrefix(first)}`);
    }
  });

  test("stays quick in a pool of 65,536 subnets of which half are taken", () => {
    const pools = decodeAddressPools([{ base: "10.0.0.0/8", size: 24 }]);
    const taken = Array.from({ length: 32_768 }, (_, n) => parseCidr(`10.${n >> 8}.${n & 255}.0/24`));
    const start = performance.now();
    expect(formatPrefix(chooseSubnet(pools, 4, taken))).toBe("10.128.0.0/24");
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

test("a host's own IPv6 prefix is a unique local /48 and always the same", () => {
  const pool = uniqueLocalPool("a host");
  expect(pool).toEqual(uniqueLocalPool("a host"));
  expect(pool).not.toEqual(uniqueLocalPool("another host"));
  expect(formatPrefix(pool.base)).toMatch(/^fd[0-9a-f:]+::\/48$/);
  expect(choose("", poolsOf([], "a host"), 6)).toBe(formatPrefix({ ...pool.base, bits: 64 }));
  expect(choose(formatPrefix({ ...pool.base, bits: 64 }), poolsOf([], "a host"), 6)).toMatch(/:1::\/64$/);
});

test("a configured IPv6 pool takes its place", () => {
  const pools = decodeAddressPools([{ base: "2001:db8::/56", size: 64 }]);
  expect(poolsOf(pools, "a host")).toBe(pools);
  expect(choose("2001:db8::/64", pools, 6)).toBe("2001:db8:0:1::/64");
  expect(poolDocuments(pools)).toEqual([{ Base: "2001:db8::/56", Size: 64 }]);
});

describe("decodeAddressPools()", () => {
  for (const [entry, message] of [
    [{ base: "10.0.0.0/8" }, "its size /0 is larger than the pool itself"],
    [{ base: "10.0.0.0/8", size: 7 }, "its size /7 is larger than the pool itself, which is a /8"],
    [{ base: "10.0.0.0/8", size: 33 }, "no size of a prefix: 33"],
    [{ base: "0.0.0.0/0", size: 0 }, "no size of a prefix: 0"],
    [{ base: "10.0.0.0", size: 24 }, 'invalid base pool "10.0.0.0"'],
    [{ size: 24 }, 'invalid base pool ""'],
    [{ base: 7, size: 24 }, 'field "default-address-pools[0].base" must be a string'],
    [{ base: "10.0.0.0/8", size: "24" }, 'field "default-address-pools[0].size" must be an integer'],
    ["10.0.0.0/8", 'field "default-address-pools[0]" must be an object'],
  ] as const)
    test(`refuses ${JSON.stringify(entry)}`, () => {
      expect(() => decodeAddressPools([entry])).toThrow(message);
    });

  test("refuses what is no list", () => {
    expect(() => decodeAddressPools({})).toThrow('"default-address-pools" must be a list');
  });
});
