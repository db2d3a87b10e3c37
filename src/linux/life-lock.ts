/** Locks that make a daemon the only one of its kind on something: the kernel lets go of them when it ends, however it ends. */
import { setTimeout as pause } from "node:timers/promises";
import type { Native } from "./native.ts";
import { readProcessStat } from "./process-state.ts";

/** For a child of a dead daemon to become another program. */
const RELEASE_MS = 5000;
const LOOK_AGAIN_MS = 5;

/**
 * Takes the lock on `path` for as long as this process lives; false when another process has it, which `holder` names.
 *
 * A daemon that is killed while it starts a program leaves a copy of itself that has not become that program yet, and with it,
 * for a moment, the lock: it is waited for when the holder itself has ended.
 */
export async function lockForLife(
  native: Pick<Native, "lockFile">,
  path: string,
  holder: () => number | undefined,
): Promise<boolean> {
  const givesUpAt = performance.now() + RELEASE_MS;
  for (;;) {
    if (native.lockFile(path) !== undefined) return true;
    const pid = holder();
    if (pid === undefined || isAlive(pid) || performance.now() > givesUpAt) return false;
    await pause(LOOK_AGAIN_MS);
  }
}

function isAlive(pid: number): boolean {
  const state = readProcessStat(pid)?.state;
  return state !== undefined && state !== "Z" && state !== "X";
}

/** The process whose number a lock's file holds. */
export function pidIn(text: string | undefined): number | undefined {
  const match = /^([1-9]\d{0,9})\n?$/.exec(text ?? "");
  return match === null ? undefined : Number(match[1]);
}
