/**
 * The daemon's process id, for other programs, in a file of the operator's choice.
 *
 * On crash: the file stays, and is the next daemon's when the process that it names is no daemon.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { errnoOf, fail } from "../base/errors.ts";

/** `isDaemon`: whether a process runs this program. Throws `conflict` when the file is another daemon's. */
export function writePidFile(path: string, pid: number, isDaemon: (pid: number) => boolean): void {
  const other = Number(/^(\d{1,9})\s*$/.exec(readIfThere(path))?.[1] ?? 0);
  if (other > 0 && other !== pid && isDaemon(other))
    throw fail(
      "conflict",
      `failed to start daemon, ensure gantryd is not running or delete ${path}: process with PID ${other} is still running`,
    );
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  const aside = `${path}.${pid}`;
  writeFileSync(aside, `${pid}\n`, { mode: 0o644 });
  renameSync(aside, path);
}

/** Only what is still ours. */
export function removePidFile(path: string, pid: number): void {
  if (readIfThere(path).trim() === String(pid)) rmSync(path, { force: true });
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8").slice(0, 32);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return "";
    throw error;
  }
}
