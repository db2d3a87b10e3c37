/** Who works where. */
import { readdirSync, readlinkSync, realpathSync } from "node:fs";
import { errnoOf } from "../base/errors.ts";
import { ownNetworkNamespace } from "./namespace-path.ts";

/** Whether a process of this process's network namespace has its working directory below that one. Looks at every process. */
export function isWorkedBelow(directory: string): boolean {
  const own = `net:[${ownNetworkNamespace()}]`;
  const real = realPathOf(directory);
  if (real === undefined) return false;
  return readdirSync("/proc").some((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return (
        readlinkSync(`/proc/${pid}/cwd`).startsWith(`${real}/`) && readlinkSync(`/proc/${pid}/ns/net`) === own
      );
    } catch {
      return false; // it has ended
    }
  });
}

function realPathOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
