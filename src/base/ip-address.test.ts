import { describe, expect, test } from "bun:test";
import { compareIp, formatIp, ipBytes, isIpAddress, isUnspecified, parseIp, unmapped } from "./ip-address.ts";
import {
  containsAddress,
  containsPrefix,
  comparePrefixes,
  formatPrefix,
  isMasked,
  lastAddress,
  masked,
  nthAddress,
  overlaps,
  parseCidr,
  parsePrefix,
  samePrefix,
} from "./ip-prefix.ts";

const shown = (text: string): string | undefined => {
  const address = parseIp(text);
  return address && formatIp(address);
};

describe("parseIp() and formatIp()", () => {
  for (const [text, canonical] of [
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    ["10.0.200.3", "10.0.200.3"],
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8::1:0:0:1", "2001:db8::1:0:0:1"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["::ffff:192.0.2.1", "::ffff:192.0.2.1"],
    ["1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"],
    ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ] as const)
    test(`${text} is ${canonical}`, () => {
      expect(shown(text)).toBe(canonical);
    });

  const refused = `|1|1.2.3|1.2.3.4.5|1.2.3.256|01.2.3.4|1.2.3.4 | 1.2.3.4|1.2.3.-4|0x1.2.3.4|:|:::|1::2::3|::1%eth0|
    12345::|g::|1:2:3:4:5:6:7|1:2:3:4:5:6:7:8:9|1:2:3:4:5:6:7:8::|::1.2.3|1.2.3.4::|::1.2.3.4:5|1:2:3:4:5:6:7:1.2.3.4|[::1]|
    1:2:3:4::5:6:7:8|:1:2:3:4:5:6:7|1:2:3:4:5:6:7:|localhost`;
  for (const text of refused.split("|").map((each) => each.replace(/^\n\s*/, "")))
    test(`${JSON.stringify(text)} is no address`, () => {
      expect(isIpAddress(text)).toBe(false);
    });

  test("agree for any address", () => {
    let state = 7n;
    for (let round = 0; round < 2000; round++) {
      let value = 0n;
      for (let at = 0; at < 8; at++) {
        state = (state * 6364136223846793005n + 1442695040888963407n) & ((1n << 64n) - 1n);
        value = (value << 16n) | (state >> 61n < 4n ? 0n : state >> 48n);
      }
      const address = { family: 6, value } as const;
      expect(parseIp(formatIp(address))).toEqual(address);
    }
  });
});

test("an IPv4 address in IPv6's clothes is taken out of them", () => {
  expect(unmapped({ family: 6, value: 0xffff_c000_0201n })).toEqual({ family: 4, value: 0xc000_0201n });
  expect(unmapped({ family: 6, value: 1n })).toEqual({ family: 6, value: 1n });
});

test("the unspecified address is all zeros", () => {
  expect(
    ["0.0.0.0", "::", "0.0.0.1", "::1"].map((text) =>
      isUnspecified(parseIp(text) ?? { family: 4, value: 7n }),
    ),
  ).toEqual([true, true, false, false]);
});

test("bytes come most significant first", () => {
  expect([...ipBytes({ family: 4, value: 0x0a00_0001n })]).toEqual([10, 0, 0, 1]);
  expect(ipBytes({ family: 6, value: 1n }).length).toBe(16);
});

test("IPv4 sorts before IPv6, numbers by size", () => {
  const addresses = ["::1", "9.0.0.1", "10.0.0.2", "9.255.0.1", "::", "fd00::"].flatMap(
    (text) => parseIp(text) ?? [],
  );
  expect(addresses.sort(compareIp).map(formatIp)).toEqual([
    "9.0.0.1",
    "9.255.0.1",
    "10.0.0.2",
    "::",
    "::1",
    "fd00::",
  ]);
});

describe("prefixes", () => {
  const p = parseCidr;

  for (const text of [
    "",
    "/",
    "10.0.0.0",
    "10.0.0.0/",
    "10.0.0.0/33",
    "::/129",
    "10.0.0/8",
    "10.0.0.0/08",
    "10.0.0.0/+8",
    "10.0.0.0/8/8",
    "10.0.0.0/255.0.0.0",
    "x/8",
  ])
    test(`${JSON.stringify(text)} is none`, () => {
      expect(parsePrefix(text)).toBeUndefined();
      expect(() => parseCidr(text)).toThrow(`invalid CIDR address: ${text}`);
    });

  test("keep what stands behind their length until they are masked", () => {
    const prefix = p("10.1.2.3/8");
    expect(formatPrefix(prefix)).toBe("10.1.2.3/8");
    expect(isMasked(prefix)).toBe(false);
    expect(formatPrefix(masked(prefix))).toBe("10.0.0.0/8");
    expect(isMasked(p("::/0"))).toBe(true);
  });

  test("contain what lies in them", () => {
    expect(containsAddress(p("10.1.2.3/8"), { family: 4, value: 0x0aff_ffffn })).toBe(true);
    expect(containsAddress(p("10.0.0.0/8"), { family: 4, value: 0x0b00_0000n })).toBe(false);
    expect(containsAddress(p("0.0.0.0/0"), { family: 6, value: 0n })).toBe(false);
    expect(containsPrefix(p("10.0.0.0/8"), p("10.2.0.0/16"))).toBe(true);
    expect(containsPrefix(p("10.2.0.0/16"), p("10.0.0.0/8"))).toBe(false);
  });

  test("overlap where one contains the other", () => {
    expect(overlaps(p("10.0.0.0/8"), p("10.2.0.0/16"))).toBe(true);
    expect(overlaps(p("10.2.0.0/16"), p("10.0.0.0/8"))).toBe(true);
    expect(overlaps(p("10.2.0.0/16"), p("10.3.0.0/16"))).toBe(false);
    expect(overlaps(p("::/0"), p("0.0.0.0/0"))).toBe(false);
    expect(overlaps(p("10.2.0.0/16"), p("10.2.3.4/16"))).toBe(true);
  });

  test("are the same when all of them is", () => {
    expect(samePrefix(p("10.0.0.0/8"), p("10.0.0.0/8"))).toBe(true);
    for (const other of ["10.0.0.0/9", "10.0.0.1/8", "::/8"])
      expect(samePrefix(p("10.0.0.0/8"), p(other))).toBe(false);
    expect(samePrefix(p("0.0.0.0/8"), p("::/8"))).toBe(false);
  });

  test("count their addresses from the first one", () => {
    expect(nthAddress(p("10.1.2.3/30"), 3n)).toEqual({ family: 4, value: 0x0a01_0203n });
    expect(nthAddress(p("10.1.2.3/30"), 4n)).toBeUndefined();
    expect(nthAddress(p("10.1.2.3/30"), -1n)).toBeUndefined();
    expect(formatIp(lastAddress(p("fd00::/64")))).toBe("fd00::ffff:ffff:ffff:ffff");
  });

  test("sort by first address, the larger one first", () => {
    const sorted = ["10.0.0.0/16", "10.0.0.0/8", "9.0.0.0/8"].map(p).sort(comparePrefixes);
    expect(sorted.map(formatPrefix)).toEqual(["9.0.0.0/8", "10.0.0.0/8", "10.0.0.0/16"]);
  });
});
