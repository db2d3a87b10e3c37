/** File systems on the host for volumes that are no directories of ours: mounted and taken off by a `gantry-shim tree` child. */
import { fail } from "../base/errors.ts";
import { runProgram } from "../base/process.ts";

/** A server that does not answer is given up. */
const LIMITS = { timeoutMs: 60_000, maxBytes: 64 << 10 };

/** Exit status when the mount cannot be had, not when this host fails. */
const REFUSED = 1;

export interface FileSystemMount {
  /** The kernel's name of the file system; "bind" and "rbind": what is at `source` already. */
  readonly type: string;
  readonly source: string;
  /** MOUNT_ATTR_*, see `mount-options.ts`. */
  readonly attrSet: bigint;
  readonly attrClr: bigint;
  /** MS_*; 0 = as it is. */
  readonly propagation: bigint;
  /** "key=value" or "key", of a new file system. */
  readonly options: readonly string[];
}

/** In this process's mount namespace. Throws `invalid_argument` with the kernel's reason. */
export async function attachFileSystem(
  shim: string,
  mount: FileSystemMount,
  directory: string,
): Promise<void> {
  const numbers = [mount.attrSet, mount.attrClr, mount.propagation].map(String);
  await run(shim, ["attach", mount.type, mount.source, directory, ...numbers, ...mount.options]);
}

/** Throws `invalid_argument` while somebody uses it. */
export async function detachFileSystem(shim: string, directory: string): Promise<void> {
  await run(shim, ["unmount", directory]);
}

async function run(shim: string, words: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await runProgram(shim, ["tree", ...words], LIMITS);
  if (exitCode === 0) return;
  const said = stderr.trim().replace(/^tree: /, "");
  throw fail(
    exitCode === REFUSED ? "invalid_argument" : "internal",
    said === "" ? `exit status ${exitCode}` : said,
  );
}
