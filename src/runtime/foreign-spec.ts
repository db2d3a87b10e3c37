/** What another OCI runtime gets to read: our extensions resolved and gone, nothing left that only we understand. Pure. */
import type { Process, Spec, SpecMount, SpecUser } from "../specs/oci-runtime/spec.ts";
import { fail } from "../base/errors.ts";

/** A user as the image's own files know it. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly groups: readonly number[];
}

/** What an `identity` step with `report` prints. Throws `internal` for something else. */
export function decodeIdentity(text: string): Identity {
  const [ids = "", home = "", groups = "", end] = text.split("\n");
  const [uid, gid, ...more] = ids.split(" ").map(numberOf);
  if (uid === undefined || gid === undefined || more.length > 0 || home === "" || end !== "")
    throw fail("internal", "cannot read the user that was looked up");
  return { uid, gid, home, groups: groups === "" ? [] : groups.split(" ").map(numberOf) };
}

function numberOf(text: string): number {
  const number = Number(text);
  if (!/^\d{1,10}$/.test(text) || number > 0xffff_ffff)
    throw fail("internal", "cannot read the user that was looked up");
  return number;
}

/** The process as that user, whose home directory is HOME where the environment has none. */
export function foreignProcess(process: Process, identity: Identity): Process {
  const { env = [], user } = process;
  const hasHome = env.some((entry) => entry.startsWith("HOME=") && entry !== "HOME=");
  const others = hasHome ? env : env.filter((entry) => entry !== "HOME=");
  return {
    ...process,
    user: foreignUser(user, identity),
    env: hasHome ? others : [...others, `HOME=${identity.home}`],
  };
}

function foreignUser({ umask }: SpecUser, { uid, gid, groups }: Identity): SpecUser {
  return { uid, gid, ...(umask === undefined ? {} : { umask }), additionalGids: groups };
}

/** Older runtimes refuse a later version than they know, and none refuses an older one; what they read is the same. */
const OCI_VERSION = "1.0.2";

export function foreignSpec(spec: Spec, process: Process): Spec {
  return {
    ...spec,
    ociVersion: OCI_VERSION,
    process,
    ...(spec.mounts === undefined ? {} : { mounts: spec.mounts.map(plain) }),
  };
}

/** What a missing destination of a bind mount becomes, runtimes find out by themselves. */
function plain(mount: SpecMount): SpecMount {
  const { gantryFile: _, gantryBeneath, gantryElsewhere, ...others } = mount;
  if (gantryElsewhere !== undefined)
    throw fail(
      "not_implemented",
      `only the built-in runtime can share what another container has mounted on "${mount.destination}"`,
    );
  if (gantryBeneath !== undefined)
    throw fail(
      "not_implemented",
      `only the built-in runtime can mount a part of a volume: "${gantryBeneath}" on "${mount.destination}"`,
    );
  return others;
}
