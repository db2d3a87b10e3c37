/** Paths that lead each process somewhere else: "/proc/self/fd/3", "/dev/stdin". */
import { realpathSync } from "node:fs";
import { errnoOf } from "../base/errors.ts";

const OWN = /\/proc\/(self|thread-self)(\/|$)|\/dev\/(fd|stdin|stdout|stderr|tty)(\/|$)/;

/** By its text alone. */
export function namesItsReader(path: string): boolean {
  return OWN.test(path);
}

/** Where its links lead, too; a missing one leads nowhere. */
export function leadsToItsReader(path: string): boolean {
  if (namesItsReader(path)) return true;
  try {
    return /^\/(proc|dev)\//.test(realpathSync(path));
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP", "EACCES"].includes(errnoOf(error) ?? "")) return false;
    throw error;
  }
}
