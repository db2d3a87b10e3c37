/** What SIGUSR1 writes: the state in which the daemon believes itself to be. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { KeyedLock } from "../base/keyed-lock.ts";
import { keptMemory } from "../base/bun-memory.ts";
import type { Leases } from "../core/metadata/leases.ts";
import type { ContainerStore } from "../engine/containers/store.ts";

export interface DumpedParts {
  readonly store: ContainerStore;
  readonly locks: KeyedLock;
  readonly leases: Leases;
  readonly subscribers: () => number;
}

/** Returns the file's path. */
export function writeStateDump(directory: string, parts: DumpedParts): string {
  const path = join(directory, `state-${new Date().toISOString().replaceAll(":", "")}.json`);
  const containers = [...parts.store.all()].map((container) => ({
    id: container.id,
    name: container.name,
    status: container.state.status,
    pid: container.state.pid,
    hasTask: container.task !== undefined,
    execs: container.execs.size,
    attaching: container.attaching.size,
    isSettling: container.settling !== undefined,
    restartIsDue: container.restartTimer !== undefined,
  }));
  const dump = {
    pid: process.pid,
    uptimeSeconds: Math.round(process.uptime()),
    memory: keptMemory(),
    locksHeld: parts.locks.held(),
    leases: parts.leases.active(),
    eventSubscribers: parts.subscribers(),
    containers,
  };
  writeFileSync(path, `${JSON.stringify(dump, null, 2)}\n`, { mode: 0o600 });
  return path;
}
