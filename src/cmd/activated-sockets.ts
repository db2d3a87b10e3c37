/** Sockets that systemd listens on for us: LISTEN_FDS descriptors from 3 up, if they are meant for this process (LISTEN_PID). */
import { FIRST_ACTIVATED } from "../api/doors/address.ts";
import { fail } from "../base/errors.ts";
import { checkInherited } from "../linux/inherited-descriptors.ts";

const MAX_SOCKETS = 64;

/**
 * The descriptors; none without activation. Takes the variables out of the environment, so that no child mistakes them for its
 * own. Throws `invalid_argument` for what systemd would never say.
 */
export function takeActivated(environment: NodeJS.ProcessEnv, pid: number): readonly number[] {
  const { LISTEN_FDS: count = "", LISTEN_PID: meant = "" } = environment;
  for (const name of ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"]) delete environment[name];
  if (count === "" || meant !== String(pid)) return [];
  if (!/^\d{1,3}$/.test(count) || Number(count) > MAX_SOCKETS)
    throw fail("invalid_argument", `LISTEN_FDS is ${JSON.stringify(count.slice(0, 20))}`);
  const descriptors = Array.from({ length: Number(count) }, (_, index) => FIRST_ACTIVATED + index);
  checkInherited(descriptors);
  return descriptors;
}

/** Those that an address means. Throws `invalid_argument`, in dockerd's words, when they are not there. */
export function activatedFor(
  descriptor: number | undefined,
  activated: readonly number[],
): readonly number[] {
  if (activated.length === 0)
    throw fail(
      "invalid_argument",
      "no sockets found via socket activation: make sure the service was started by systemd",
    );
  if (descriptor === undefined) return activated;
  if (!activated.includes(descriptor))
    throw fail("invalid_argument", "too few socket activated files passed in by systemd");
  return [descriptor];
}
