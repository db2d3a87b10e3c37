/** What a container is doing: derived each time from the kernel, never stored. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { isFrozenNow } from "../linux/cgroup-now.ts";
import { isAlive } from "../linux/process-state.ts";
import { type Container, mainProcess } from "./container.ts";

export type Status = "creating" | "created" | "running" | "paused" | "stopped";

export interface Condition {
  readonly status: Status;
  /** 0 unless the main process lives. */
  readonly pid: number;
}

export interface Observations {
  /** Undefined: there is no record of a main process. */
  readonly mainIsAlive: boolean | undefined;
  readonly creatorIsAlive: boolean;
  /** Looked at only where it matters. */
  readonly waitsForStart: () => boolean;
  readonly isFrozen: () => boolean;
}

/** A container whose creator died before there was a main process is stopped: `delete` may have what is left. */
export function deriveStatus(seen: Observations): Status {
  if (seen.mainIsAlive === undefined) return seen.creatorIsAlive ? "creating" : "stopped";
  if (!seen.mainIsAlive) return "stopped";
  if (seen.isFrozen()) return "paused";
  return seen.waitsForStart() ? "created" : "running";
}

export function conditionOf(container: Container): Condition {
  const main = mainProcess(container);
  const mainIsAlive = main === undefined ? undefined : isAlive(main);
  const status = deriveStatus({
    mainIsAlive,
    creatorIsAlive: mainIsAlive === undefined && isAlive(container.record.creator),
    waitsForStart: () =>
      statSync(join(container.directory, "start.sock"), { throwIfNoEntry: false }) !== undefined,
    isFrozen: () => isFrozenNow(container.record.cgroupDirs),
  });
  return { status, pid: mainIsAlive === true ? (main?.pid ?? 0) : 0 };
}
