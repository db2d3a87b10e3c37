/** Limits of an update: what may be asked for, and what a container has afterwards. Pure. */
import { fail } from "../../base/errors.ts";
import type { HostFacts } from "../../linux/host-facts.ts";
import type { HostConfig, Resources } from "../../specs/engine/container.ts";
import { checkLimits } from "./validate.ts";

/** Those that a container that runs can be given anew. */
export const LIMITS = [
  "BlkioWeight",
  "CpuPeriod",
  "CpuQuota",
  "CpuRealtimePeriod",
  "CpuRealtimeRuntime",
  "CpuShares",
  "CpusetCpus",
  "CpusetMems",
  "Memory",
  "MemoryReservation",
  "MemorySwap",
  "NanoCpus",
  "PidsLimit",
] as const;

export type Limits = Pick<Resources, (typeof LIMITS)[number]>;

/**
 * Clients send all resources, with zero for what is to stay. What an update does not change, devices among it, stays as it is,
 * as with Docker, which does not say so: returns a warning for each. Throws `invalid_argument` for values that are never right.
 */
export function checkResources(
  resources: Resources,
  facts: Pick<HostFacts, "cpuCount" | "memoryNodes" | "missingLimits">,
): readonly string[] {
  checkLimits(resources, facts);
  return Object.entries(resources)
    .filter(([name, value]) => isWish(name, value) && !LIMITS.some((limit) => limit === name))
    .map(([name]) => `"${name}" is not changed by an update. It stays as it is.`);
}

function isWish(name: string, value: Resources[keyof Resources]): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (name === "MemorySwappiness" && value === -1) return false;
  return value !== null && value !== 0 && value !== "" && value !== false;
}

/** What a container with `now` in force has with these wishes. Throws `conflict` for what does not go together, in Docker's words. */
export function withResources(now: HostConfig, wish: Resources): Limits {
  const refuse = (message: string): never => {
    throw fail("conflict", message);
  };
  if (wish.NanoCpus > 0 && now.CpuPeriod > 0)
    refuse("Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set");
  if (wish.NanoCpus > 0 && now.CpuQuota > 0)
    refuse("Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set");
  if (wish.CpuPeriod > 0 && now.NanoCpus > 0)
    refuse("Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set");
  if (wish.CpuQuota > 0 && now.NanoCpus > 0)
    refuse("Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set");
  if (wish.Memory !== 0 && wish.MemorySwap === 0 && wish.Memory > now.MemorySwap)
    refuse(
      "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
    );
  return {
    BlkioWeight: wish.BlkioWeight || now.BlkioWeight,
    CpuPeriod: wish.CpuPeriod || now.CpuPeriod,
    CpuQuota: wish.CpuQuota || now.CpuQuota,
    CpuRealtimePeriod: wish.CpuRealtimePeriod || now.CpuRealtimePeriod,
    CpuRealtimeRuntime: wish.CpuRealtimeRuntime || now.CpuRealtimeRuntime,
    CpuShares: wish.CpuShares || now.CpuShares,
    CpusetCpus: wish.CpusetCpus || now.CpusetCpus,
    CpusetMems: wish.CpusetMems || now.CpusetMems,
    Memory: wish.Memory || now.Memory,
    MemoryReservation: wish.MemoryReservation || now.MemoryReservation,
    MemorySwap: wish.MemorySwap || now.MemorySwap,
    NanoCpus: wish.NanoCpus || now.NanoCpus,
    PidsLimit: wish.PidsLimit || now.PidsLimit,
  };
}

export function changedLimits(before: Limits, after: Limits): ReadonlySet<keyof Limits> {
  return new Set(LIMITS.filter((name) => (before[name] ?? 0) !== (after[name] ?? 0)));
}
