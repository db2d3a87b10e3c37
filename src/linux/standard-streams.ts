/** What a process's standard streams are when they are not the container's own: criu(8) has to be told of them by name. */
import { readFileSync, readlinkSync, statSync } from "node:fs";
import { errnoOf } from "../base/errors.ts";

const STREAMS = [0, 1, 2] as const;

/**
 * For each standard stream the name by which criu knows it when it comes from outside of the container, as its options
 * --external and --inherit-fd write it: "pipe:[INODE]", "tty[RDEV:DEV]", "file[MOUNT:INODE]" (the last two in hexadecimal).
 * "" for a closed one and for a file of the container.
 */
export function foreignStreams(pid: number): string[] {
  const mounts = mountIds(readFileSync(`/proc/${pid}/mountinfo`, "utf8"));
  return STREAMS.map((fd) => foreignStream(pid, fd, mounts));
}

function foreignStream(pid: number, fd: number, mounts: ReadonlySet<number>): string {
  const link = linkOf(`/proc/${pid}/fd/${fd}`);
  if (link === undefined) return "";
  if (/^pipe:\[\d+\]$/.test(link)) return link;
  const mount = mountOf(readFileSync(`/proc/${pid}/fdinfo/${fd}`, "latin1"));
  if (!link.startsWith("/") || mount === undefined || mounts.has(mount)) return "";
  const { ino, rdev, dev } = statSync(`/proc/${pid}/fd/${fd}`, { bigint: true });
  return isTerminal(rdev)
    ? `tty[${rdev.toString(16)}:${dev.toString(16)}]`
    : `file[${mount.toString(16)}:${ino.toString(16)}]`;
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Unix98 pseudo-terminals, which is what callers have: admin-guide/devices.txt, majors 136 to 143. */
function isTerminal(rdev: bigint): boolean {
  const major = Number((rdev >> 8n) & 0xfffn);
  return major >= 136 && major <= 143;
}

/** proc_pid_fdinfo(5) */
export function mountOf(fdinfo: string): number | undefined {
  const [, id] = /^mnt_id:\s*(\d+)$/m.exec(fdinfo) ?? [];
  return id === undefined ? undefined : Number(id);
}

/** proc_pid_mountinfo(5): the first field. */
export function mountIds(mountinfo: string): Set<number> {
  return new Set(
    mountinfo
      .split("\n")
      .filter(Boolean)
      .map((line) => Number.parseInt(line, 10)),
  );
}
