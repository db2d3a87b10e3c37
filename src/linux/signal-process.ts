import { errnoOf } from "../base/errors.ts";
import type { Pidfds } from "./process-identity.ts";

/**
 * Sends `signal` to the process if `isIt` still says so after its pidfd is open: from then on the number cannot be given to
 * somebody else unnoticed. True when it was sent; false when the process is gone.
 */
export function signalIf(pidfds: Pidfds, pid: number, signal: number, isIt: () => boolean): boolean {
  let pidfd: number;
  try {
    pidfd = pidfds.pidfdOpen(pid);
  } catch (error) {
    if (errnoOf(error) === "ESRCH") return false;
    throw error;
  }
  try {
    if (!isIt()) return false;
    pidfds.pidfdSignal(pidfd, signal);
    return true;
  } catch (error) {
    if (errnoOf(error) === "ESRCH") return false;
    throw error;
  } finally {
    pidfds.closeFd(pidfd);
  }
}
