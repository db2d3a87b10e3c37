import { describe, expect, test } from "bun:test";
import { type IpFamily, parseIp } from "../../base/ip-address.ts";
import { formatPrefix, parseCidr } from "../../base/ip-prefix.ts";
import { AddressRuns } from "./address-runs.ts";
import { Ipam, type SubnetsRequest } from "./ipam.ts";
import { DEFAULT_POOLS, uniqueLocalPool } from "./pools.ts";
import { ANY_SUBNET, type SubnetConfig } from "./subnet-config.ts";

const POOLS = [...DEFAULT_POOLS, uniqueLocalPool("a host")];

function subnet(text: string, more: Partial<SubnetConfig> = {}): SubnetConfig {
  return { ...ANY_SUBNET, subnet: text, ...more };
}

function request(id: string, ...ipv4: SubnetConfig[]): SubnetsRequest {
  return { id, ipv4, ipv6: [], routes: [], withoutGateway: [] };
}

function address(text: string): { family: IpFamily; value: bigint } {
  const found = parseIp(text);
  if (found === undefined) throw new Error(`no address: ${text}`);
  return found;
}

const next = (ipam: Ipam, id: string, wanted?: string, family: IpFamily = 4): string =>
  formatPrefix(
    ipam.allocate({ id, name: `net-${id}` }, family, wanted === undefined ? undefined : address(wanted)),
  );

const taken = (ipam: Ipam): string[] => ipam.subnets().map(formatPrefix);

describe("reserve()", () => {
  test("chooses a subnet and its first address as gateway", () => {
    const ipam = new Ipam(POOLS);
    expect(ipam.reserve(request("a", ANY_SUBNET)).ipv4).toEqual([
      subnet("172.17.0.0/16", { gateway: "172.17.0.1" }),
    ]);
    const second = ipam.reserve({
      ...request("b", ANY_SUBNET),
      routes: ["0.0.0.0/0", "172.18.0.0/24"].map(parseCidr),
    });
    expect(second.ipv4[0]?.subnet).toBe("172.19.0.0/16");
  });

  test("chooses an IPv6 subnet of the host's own prefix", () => {
    const { ipv6 } = new Ipam(POOLS).reserve({ ...request("a"), ipv6: [ANY_SUBNET] });
    expect(ipv6[0]?.subnet).toMatch(/^fd.*::\/64$/);
    expect(ipv6[0]?.gateway).toMatch(/^fd.*::1$/);
  });

  test("keeps what is said: gateway, range, auxiliary addresses", () => {
    const ipam = new Ipam(POOLS);
    const asked = subnet("10.66.0.0/24", {
      range: "10.66.0.128/25",
      gateway: "10.66.0.129",
      auxiliary: { a: "10.66.0.128", b: "10.66.0.5" },
    });
    expect(ipam.reserve(request("a", asked)).ipv4).toEqual([asked]);
    expect(next(ipam, "a")).toBe("10.66.0.130/24");
    expect(next(ipam, "a", "10.66.0.3")).toBe("10.66.0.3/24");
    for (const each of ["10.66.0.128", "10.66.0.129", "10.66.0.5", "10.66.0.0", "10.66.0.255", "10.66.0.3"])
      expect(() => next(ipam, "a", each)).toThrow("Address already in use");
  });

  test("gives no gateway where none is wanted, unless one is named", () => {
    const ipam = new Ipam(POOLS);
    expect(
      ipam.reserve({ ...request("a", subnet("10.0.0.0/24")), withoutGateway: [4] }).ipv4[0]?.gateway,
    ).toBe("");
    expect(next(ipam, "a")).toBe("10.0.0.1/24");
    const named = subnet("10.0.1.0/24", { gateway: "10.0.1.9" });
    expect(ipam.reserve({ ...request("b", named), withoutGateway: [4] }).ipv4).toEqual([named]);
  });

  for (const [other, isFree] of [
    ["10.0.0.0/24", false],
    ["10.0.0.128/25", false],
    ["10.0.0.0/8", false],
    ["10.0.1.0/24", true],
  ] as const)
    test(`${isFree ? "takes" : "refuses"} ${other} beside 10.0.0.0/24`, () => {
      const ipam = new Ipam(POOLS);
      ipam.reserve(request("a", subnet("10.0.0.0/24")));
      const outcome = (): unknown => ipam.reserve(request("b", subnet(other)));
      if (isFree) expect(outcome()).toBeDefined();
      else
        expect(outcome).toThrow("invalid pool request: Pool overlaps with other one on this address space");
    });

  test("lets networks share a subnet in ranges of their own, and gives no address twice", () => {
    const ipam = new Ipam(POOLS);
    const ranged = (range: string): SubnetConfig => subnet("10.0.0.0/29", { range });
    ipam.reserve({ ...request("a", ranged("10.0.0.0/30")), withoutGateway: [4] });
    ipam.reserve({ ...request("b", ranged("10.0.0.4/30")), withoutGateway: [4] });
    expect(next(ipam, "a")).toBe("10.0.0.1/29");
    expect(next(ipam, "b")).toBe("10.0.0.4/29");
    expect(() => next(ipam, "b", "10.0.0.1")).toThrow("Address already in use");
    for (const range of ["10.0.0.0/30", "10.0.0.2/31", ""])
      expect(() => ipam.reserve(request("c", ranged(range)))).toThrow("Pool overlaps");
    ipam.release("a");
    expect(taken(ipam)).toEqual(["10.0.0.0/29"]);
    ipam.release("b");
    expect(taken(ipam)).toEqual([]);
  });

  test("takes all or nothing", () => {
    const ipam = new Ipam(POOLS);
    ipam.reserve(request("a", subnet("10.0.1.0/24")));
    const twice = subnet("10.0.3.0/24", { auxiliary: { x: "10.0.3.1" } });
    expect(() => ipam.reserve(request("b", subnet("10.0.2.0/24"), subnet("10.0.1.0/25")))).toThrow(
      "overlaps",
    );
    expect(() => ipam.reserve(request("b", subnet("10.0.2.0/24"), twice))).toThrow(
      "failed to allocate secondary ip address (x:10.0.3.1): Address already in use",
    );
    expect(() => ipam.reserve(request("b", subnet("10.0.2.0/24", { gateway: "10.0.2.255" })))).toThrow(
      "failed to allocate gateway (10.0.2.255): Address already in use",
    );
    expect(taken(ipam)).toEqual(["10.0.1.0/24"]);
    expect(ipam.reserve(request("b", subnet("10.0.2.0/24"))).ipv4[0]?.gateway).toBe("10.0.2.1");
  });

  test("gives back what a failed sharer had", () => {
    const ipam = new Ipam(POOLS);
    ipam.reserve(request("a", subnet("10.0.0.0/29", { range: "10.0.0.0/30" })));
    const second = { range: "10.0.0.4/30", auxiliary: { x: "10.0.0.5", y: "10.0.0.1" } };
    expect(() => ipam.reserve(request("b", subnet("10.0.0.0/29", second)))).toThrow(
      "(y:10.0.0.1): Address already in use",
    );
    expect([next(ipam, "a", "10.0.0.4"), next(ipam, "a", "10.0.0.5")]).toEqual([
      "10.0.0.4/29",
      "10.0.0.5/29",
    ]);
  });

  test("says so when a range has no address for the gateway", () => {
    const none = subnet("10.0.0.0/24", { range: "10.0.0.0/32" });
    expect(() => new Ipam(POOLS).reserve(request("a", none))).toThrow(
      "failed to allocate gateway (): no available addresses on this pool",
    );
  });
});

describe("allocate()", () => {
  test("gives the lowest free address again and again", () => {
    const ipam = new Ipam(POOLS);
    ipam.reserve(request("a", subnet("10.71.0.0/29")));
    expect([next(ipam, "a"), next(ipam, "a"), next(ipam, "a")]).toEqual([
      "10.71.0.2/29",
      "10.71.0.3/29",
      "10.71.0.4/29",
    ]);
    ipam.releaseAddress("a", address("10.71.0.2"));
    ipam.releaseAddress("a", address("10.71.0.2"));
    expect([next(ipam, "a"), next(ipam, "a"), next(ipam, "a")]).toEqual([
      "10.71.0.2/29",
      "10.71.0.5/29",
      "10.71.0.6/29",
    ]);
    expect(() => next(ipam, "a")).toThrow(
      "no available IPv4 addresses on this network's address pools: net-a (a)",
    );
  });

  test("goes on in the next subnet", () => {
    const ipam = new Ipam(POOLS);
    ipam.reserve(request("a", subnet("10.0.0.0/30"), subnet("10.0.1.0/30")));
    expect([next(ipam, "a"), next(ipam, "a")]).toEqual(["10.0.0.2/30", "10.0.1.2/30"]);
    expect(() => next(ipam, "a", "10.0.2.1")).toThrow(
      "invalid address 10.0.2.1: It does not belong to any of this network's subnets",
    );
  });

  test("gives both addresses of a /31 and the one of a /32", () => {
    const ipam = new Ipam(POOLS);
    expect(ipam.reserve(request("a", subnet("10.0.0.0/31"))).ipv4[0]?.gateway).toBe("10.0.0.0");
    expect(next(ipam, "a")).toBe("10.0.0.1/31");
    expect(ipam.reserve(request("b", subnet("10.0.1.7/32"))).ipv4[0]?.gateway).toBe("10.0.1.7");
    expect(() => next(ipam, "b")).toThrow("no available IPv4 addresses");
  });

  test("knows nothing of networks that have no such family or do not exist", () => {
    const ipam = new Ipam(POOLS);
    ipam.reserve(request("a", subnet("10.0.0.0/24")));
    expect(() => next(ipam, "a", undefined, 6)).toThrow("no available IPv6 addresses");
    expect(() => next(ipam, "b")).toThrow("no available IPv4 addresses");
    ipam.releaseAddress("b", address("10.0.0.2"));
  });

  test("never takes a network's own addresses back", () => {
    const ipam = new Ipam(POOLS);
    ipam.reserve(request("a", subnet("10.0.0.0/30", { auxiliary: { x: "10.0.0.2" } })));
    for (const each of ["10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3"])
      ipam.releaseAddress("a", address(each));
    expect(() => next(ipam, "a")).toThrow("no available");
  });

  test("is as quick in a /8 with 20,000 addresses given, with and without gaps, as in a small one", () => {
    const ipam = new Ipam(POOLS);
    ipam.reserve(request("a", subnet("10.0.0.0/8")));
    const start = performance.now();
    for (let n = 0; n < 20_000; n++) next(ipam, "a");
    for (let n = 2n; n < 20_000n; n += 2n) ipam.releaseAddress("a", { family: 4, value: (10n << 24n) + n });
    for (let n = 2n; n < 20_000n; n += 2n) next(ipam, "a");
    expect(performance.now() - start).toBeLessThan(3000);
    expect(next(ipam, "a")).toBe("10.0.78.34/8");
  });
});

describe("restore()", () => {
  test("brings back subnets and addresses as they were", () => {
    const before = new Ipam(POOLS);
    const subnets = before.reserve(request("a", ANY_SUBNET));
    const first = next(before, "a");
    const after = new Ipam(POOLS);
    after.restore("a", subnets);
    expect(after.restoreAddress("a", address("172.17.0.2"))).toBe(true);
    expect(first).toBe("172.17.0.2/16");
    expect(next(after, "a")).toBe("172.17.0.3/16");
    expect(after.restoreAddress("a", address("172.17.0.3"))).toBe(false);
    expect(after.restoreAddress("a", address("10.0.0.1"))).toBe(false);
    expect(after.restoreAddress("b", address("172.17.0.9"))).toBe(false);
    expect(after.reserve(request("b", ANY_SUBNET)).ipv4[0]?.subnet).toBe("172.18.0.0/16");
  });
});

test("AddressRuns says the same as a set", () => {
  const runs = new AddressRuns();
  const set = new Set<bigint>();
  let state = Number(process.env["GANTRY_SEED"] ?? 1);
  const random = (below: number): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
  for (let step = 0; step < 20_000; step++) {
    const value = BigInt(random(64));
    if (random(2) === 0) {
      expect(runs.add(value)).toBe(!set.has(value));
      set.add(value);
    } else expect(runs.remove(value)).toBe(set.delete(value));
    const from = BigInt(random(64));
    let free: bigint | undefined;
    for (let n = from; n <= 63n && free === undefined; n++) if (!set.has(n)) free = n;
    expect(runs.firstFree(from, 63n)).toBe(free);
    expect(runs.has(from)).toBe(set.has(from));
  }
});
