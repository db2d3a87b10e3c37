/**
 * The networks of a host, which is a network namespace, are one engine's. The firewall's table and the default bridge have the same
 * names for every engine, and each takes links that are not in its store for garbage of its own: two of them would cut off
 * each other's containers.
 *
 * On crash: the kernel lets go of the lock. What the file says stays, so that no other engine comes here while containers of the
 * dead one go on. The file is as volatile as the namespace is.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../../base/errors.ts";
import { readSmallFile } from "../../base/rewrite-file.ts";
import { ownNetworkNamespace } from "../../linux/namespace-path.ts";
import { isWorkedBelow } from "../../linux/working-directories.ts";
import { lockForLife } from "../../linux/life-lock.ts";
import type { Native } from "../../linux/native.ts";
import { Fields, parseJson } from "../../specs/engine/fields.decode.ts";

export interface HostClaim {
  /** The engine's id. */
  readonly engine: string;
  readonly pid: number;
  readonly dataRoot: string;
  readonly execRoot: string;
}

const DIRECTORY = "/run/gantry-networks";
const MAX_CLAIM_BYTES = 16_384;

/** Why the host is another engine's; undefined: it can be had. `hasTasks`: containers of the one before go on here. Pure. */
export function whyTaken(
  own: HostClaim,
  before: HostClaim | undefined,
  { isLocked, hasTasks }: { readonly isLocked: boolean; readonly hasTasks: boolean },
): string | undefined {
  const advice = "give this one a network namespace of its own (unshare --net)";
  const theirs =
    before === undefined ? "of another engine" : `of the engine with the data root "${before.dataRoot}"`;
  if (isLocked)
    return `the networks of this host are those ${theirs}, whose gantryd runs (process ${before?.pid ?? "unknown"}): ${advice}`;
  if (before === undefined || before.engine === own.engine || before.execRoot === own.execRoot || !hasTasks)
    return undefined;
  return `containers ${theirs} go on in this host's networks: stop them with its gantryd (--data-root "${before.dataRoot}" --exec-root "${before.execRoot}"), or ${advice}`;
}

/**
 * Takes the networks of this process's network namespace, for as long as the process lives. Throws `conflict` when they are
 * another engine's; nothing has been touched then.
 */
export async function claimHost(
  native: Pick<Native, "lockFile">,
  own: HostClaim,
  directory = DIRECTORY,
): Promise<void> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, `net-${ownNetworkNamespace()}`);
  const isLocked = !(await lockForLife(native, path, () => readClaim(path)?.pid));
  const before = readClaim(path);
  // Their shims: the number of a namespace that is gone is soon another one's.
  const hasTasks = before !== undefined && isWorkedBelow(join(before.execRoot, "tasks"));
  const reason = whyTaken(own, before, { isLocked, hasTasks });
  if (reason !== undefined) throw fail("conflict", reason);
  writeFileSync(path, JSON.stringify(own));
}

/** Undefined for a file that is new, or half-written. */
function readClaim(path: string): HostClaim | undefined {
  const text = readSmallFile(path, MAX_CLAIM_BYTES) ?? "";
  if (text === "") return undefined;
  try {
    const fields = new Fields(parseJson(text), "");
    return {
      engine: fields.str("engine"),
      pid: fields.int("pid"),
      dataRoot: fields.str("dataRoot"),
      execRoot: fields.str("execRoot"),
    };
  } catch {
    return undefined; // a kill in the middle of writing it: its engine had not begun
  }
}
