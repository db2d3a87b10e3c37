/**
 * Limits of a container, changed while it runs.
 *
 * On crash: that limits are being changed is written with what is wanted, and taken back when the kernel has it. The next start has
 * the kernel do what is written for whom that still stands (`mendLimits`).
 */
import { fail, messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Task } from "../../core/tasks/tasks.ts";
import type { LinuxResources } from "../../specs/oci-runtime/resources.ts";
import type { Container } from "./container.ts";
import type { LiveChange } from "./live-change.ts";
import { cpuLimits } from "./spec-resources.ts";
import type { ContainerStore } from "./store.ts";
import { changedLimits, type Limits, LIMITS } from "./update-resources.ts";

type Store = Pick<ContainerStore, "setState">;

export function changeLimits(
  store: Store,
  container: Container,
  wanted: Pick<Container, "host">,
  task: Task,
): readonly LiveChange[] {
  const names = changedLimits(container.host, wanted.host);
  if (names.size === 0) return [];
  return [
    {
      write: () => store.setState(container, { limitsChanging: true }),
      enforce: () => enforceLimits(store, container, names, task),
      settle: () => {},
      undo: () => Promise.resolve(),
    },
  ];
}

async function enforceLimits(
  store: Store,
  container: Container,
  names: ReadonlySet<keyof Limits>,
  task: Task,
): Promise<void> {
  try {
    await task.limit(limitsOf(container.host, names));
  } catch (error) {
    // Every value was checked: what is refused now is refused by this kernel, at this moment.
    throw fail("internal", messageOf(error), error);
  }
  if (container.task === task) store.setState(container, { limitsChanging: false });
}

/** For a container that a starting daemon finds. Never throws: it runs on with what it has. */
export async function mendLimits(
  { store, log }: { readonly store: Store; readonly log: Logger },
  container: Container,
  task: Task,
): Promise<void> {
  if (!container.state.limitsChanging) return;
  try {
    await enforceLimits(store, container, new Set(LIMITS), task);
    log.info("limits are as written again", { id: container.id });
  } catch (error) {
    log.error("cannot mend a container's limits", { id: container.id, error: messageOf(error) });
  }
}

/**
 * These limits of a container as the kernel takes them. What has none gets the value of a new cgroup, but for shares of block I/O,
 * processors and memory nodes, whose usual value is up to the kernel or the cgroup above.
 */
export function limitsOf(host: Limits, names: ReadonlySet<keyof Limits>): LinuxResources {
  const has = (...some: readonly (keyof Limits)[]): boolean => some.some((name) => names.has(name));
  const memory = {
    // Both together: what the one may be is up to the other.
    ...(has("Memory", "MemorySwap") ? { limit: orNone(host.Memory), swap: orNone(host.MemorySwap) } : {}),
    ...(has("MemoryReservation") ? { reservation: orNone(host.MemoryReservation) } : {}),
  };
  const { shares = 1024, quota = -1n, period = 100_000, cpus, mems, ...realtime } = cpuLimits(host);
  const cpu = {
    ...(has("CpuShares") ? { shares } : {}),
    ...(has("NanoCpus", "CpuQuota", "CpuPeriod") ? { quota, period } : {}),
    ...(has("CpuRealtimePeriod", "CpuRealtimeRuntime") ? realtime : {}),
    ...(has("CpusetCpus") && cpus !== undefined ? { cpus } : {}),
    ...(has("CpusetMems") && mems !== undefined ? { mems } : {}),
  };
  return {
    memory,
    cpu,
    ...(has("PidsLimit") ? { pids: { limit: orNone(host.PidsLimit ?? 0) } } : {}),
    ...(has("BlkioWeight") && host.BlkioWeight !== 0 ? { blockIO: { weight: host.BlkioWeight } } : {}),
  };
}

function orNone(limit: number): bigint {
  return limit > 0 ? BigInt(limit) : -1n;
}
