/** One container measured: its cgroup, the links of the network it is in, and the processors' time beside them. */
import { isCategory } from "../../base/errors.ts";
import type { Sample, Subject } from "../../core/stats/stats.ts";
import type { LinkCounters } from "../../linux/netlink/link-counters.ts";
import type { SystemCpu } from "../../linux/system-cpu.ts";
import type { NetworkParts } from "../networks/network-parts.ts";
import type { Container } from "./container.ts";
import type { ContainerStore } from "./store.ts";
import { nowNs } from "./timestamp.ts";

export interface MeasureDeps {
  readonly store: Pick<ContainerStore, "get">;
  readonly network: Pick<NetworkParts, "networks">;
  readonly readSystemCpu: () => SystemCpu;
  /** Of a process's network namespace, by name; undefined when the process is gone. */
  readonly readLinks: (pid: number) => Promise<ReadonlyMap<string, LinkCounters> | undefined>;
}

export function subjectOf(deps: MeasureDeps, container: Container): Subject {
  return {
    id: container.id,
    get run() {
      return container.task;
    },
    measure: () => measure(deps, container),
  };
}

async function measure(deps: MeasureDeps, container: Container): Promise<Sample | undefined> {
  const { task } = container;
  if (task === undefined) return undefined;
  try {
    const names = linksOf(deps, container);
    const counted = names.size === 0 ? undefined : await deps.readLinks(task.pid);
    // Last of all, and close to each other: rates come from these two.
    const use = await task.use();
    const system = deps.readSystemCpu();
    const links = new Map([...(counted ?? [])].filter(([name]) => names.has(name)));
    return { takenNs: nowNs(), use, system, links };
  } catch (error) {
    if (isCategory(error, "conflict")) return undefined; // it has ended meanwhile
    throw error;
  }
}

/** Those that its networks gave it, or the one whose network it shares: not the loopback, and none that it made itself. */
function linksOf({ store, network }: MeasureDeps, container: Container): ReadonlySet<string> {
  const [, shared] = /^container:(.+)$/.exec(container.host.NetworkMode) ?? [];
  const owner = shared === undefined ? container : store.get(shared);
  const endpoints = owner === undefined ? [] : network.networks.endpointsIn(owner.id);
  return new Set(endpoints.map(({ interfaceName }) => interfaceName).filter((name) => name !== ""));
}
