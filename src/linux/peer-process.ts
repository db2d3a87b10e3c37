/** Another process of this host as the kernel shows it below /proc: what it was started with, and what it lives in. */
import { readlinkSync, statSync } from "node:fs";
import { errnoOf } from "../base/errors.ts";
import { readKernelFile } from "./kernel-file.ts";

export interface StartedWith {
  /** Behind its program's name. */
  readonly words: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  readonly umask: number;
}

const MAX_BYTES = 1 << 20;

/** Undefined when it is gone, was started with more than a megabyte, or its working directory has no path any more. */
export function readStartedWith(pid: number): StartedWith | undefined {
  try {
    const workingDirectory = readlinkSync(`/proc/${pid}/cwd`);
    const words = readStrings(`/proc/${pid}/cmdline`);
    const variables = readStrings(`/proc/${pid}/environ`);
    const mask = /^Umask:\t(\d+)$/m.exec(readKernelFile(`/proc/${pid}/status`, MAX_BYTES) ?? "")?.[1];
    if (words === undefined || variables === undefined || mask === undefined) return undefined;
    if (!isSameFile(workingDirectory, `/proc/${pid}/cwd`)) return undefined;
    return {
      words: words.slice(1),
      environment: Object.fromEntries(variables.map(variable)),
      workingDirectory,
      umask: Number.parseInt(mask, 8),
    };
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function variable(entry: string): [string, string] {
  const at = entry.indexOf("=");
  return at < 0 ? [entry, ""] : [entry.slice(0, at), entry.slice(at + 1)];
}

const NAMESPACES = [
  "cgroup",
  "ipc",
  "mnt",
  "net",
  "pid",
  "pid_for_children",
  "time",
  "time_for_children",
  "user",
  "uts",
];
/** Of /proc/PID/status: what the kernel lets it do, and where it may run. */
const RIGHTS = /^(Uid|Gid|Groups|NoNewPrivs|Seccomp|Cap\w+|Cpus_allowed|Mems_allowed):.*$/gm;

/**
 * All that decides what a process sees and may do, as text: two that have the same may act in each other's place. Undefined
 * when it is gone.
 */
export function readSurroundings(pid: number | "self"): string | undefined {
  try {
    const root = statSync(`/proc/${pid}/root`, { bigint: true });
    const status = readKernelFile(`/proc/${pid}/status`, MAX_BYTES);
    return status === undefined
      ? undefined
      : [
          `${root.dev}:${root.ino}`,
          ...NAMESPACES.map((name) => namespaceOf(pid, name)),
          ...(status.match(RIGHTS) ?? []),
          securityLabel(pid),
        ].join("\n");
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Kernels before 5.6 have no time namespaces. */
function namespaceOf(pid: number | "self", name: string): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/${name}`);
  } catch (error) {
    if (name.startsWith("time") && errnoOf(error) === "ENOENT") return "";
    throw error;
  }
}

/** Without a security module there is none. */
function securityLabel(pid: number | "self"): string {
  try {
    return readKernelFile(`/proc/${pid}/attr/current`, MAX_BYTES) ?? "";
  } catch (error) {
    if (errnoOf(error) === "EINVAL" || errnoOf(error) === "ENOENT") return "";
    throw error;
  }
}

/** Device and inode of a file, and when and how large it was last written: another file has another text. */
export function fileIdentity(path: string): string {
  const { dev, ino, size, mtimeNs } = statSync(path, { bigint: true });
  return `${dev}:${ino}:${size}:${mtimeNs}`;
}

/** Of its program; undefined when it is gone. */
export function programIdentity(pid: number): string | undefined {
  try {
    return fileIdentity(`/proc/${pid}/exe`);
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function isSameFile(a: string, b: string): boolean {
  const [first, second] = [statSync(a, { bigint: true }), statSync(b, { bigint: true })];
  return first.dev === second.dev && first.ino === second.ino;
}

/** EACCES: its user namespace is none of ours. */
function isGone(error: unknown): boolean {
  return ["ENOENT", "ESRCH", "EACCES"].includes(errnoOf(error) ?? "");
}

function readStrings(path: string): string[] | undefined {
  return readKernelFile(path, MAX_BYTES)?.split("\0").slice(0, -1);
}

/** Whether one of its descriptors is a terminal; false when it is gone. */
export function isTerminalOf(pid: number, descriptor: number): boolean {
  try {
    return /^\/dev\/(?:pts\/\d|tty|hvc|console$)/.test(readlinkSync(`/proc/${pid}/fd/${descriptor}`));
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}
