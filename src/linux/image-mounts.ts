/**
 * Images mounted on the host. Which there are is not remembered anywhere: the kernel knows, under a source that names the
 * image.
 */
import { mkdirSync, readFileSync, readlinkSync, readdirSync, rmdirSync } from "node:fs";
import { errnoOf, fail } from "../base/errors.ts";
import { runProgram } from "../base/process.ts";
import { unescapeMountPath } from "./mounted-directories.ts";
import type { TreeView } from "./native.ts";

const LIMITS = { timeoutMs: 30_000, maxBytes: 64 << 10 };

/** Exit status when somebody is in the way, not when this host fails. */
const IN_THE_WAY = 1;

const SOURCE = "gantry-image:";

export interface ImageMount {
  /** "sha256:…" of the image. */
  readonly id: string;
  readonly directory: string;
}

/** What is mounted in this process's namespace, in the order in which it was. */
export function listImageMounts(
  mountinfo = readFileSync("/proc/self/mountinfo", "utf8"),
): readonly ImageMount[] {
  return mountinfo.split("\n").flatMap((line) => {
    const [front = "", back = ""] = line.split(" - ");
    const hex = new RegExp(`^overlay ${SOURCE}([0-9a-f]{64}) `).exec(back)?.[1];
    const directory = front.split(" ")[4];
    return hex === undefined || directory === undefined
      ? []
      : [{ id: `sha256:${hex}`, directory: unescapeMountPath(directory) }];
  });
}

export function mountNamespace(): string {
  return readlinkSync("/proc/self/ns/mnt");
}

/** Throws `conflict` with the kernel's reason when the directory is missing or none. */
export async function mountImageTree(
  shim: string,
  { id, directory }: ImageMount,
  view: TreeView,
): Promise<void> {
  const layers = view.kind === "plain" ? [view.directory] : view.layers;
  await runTree(shim, ["mount", id.replace(/^sha256:/, SOURCE), directory, ...layers]);
}

/** The same for a container; not in `listImageMounts()`. */
export async function showTree(
  shim: string,
  name: string,
  directory: string,
  layers: readonly string[],
): Promise<void> {
  await runTree(shim, ["mount", `gantry-tree:${name}`, directory, ...layers]);
}

/** Throws `conflict` while somebody uses it. */
export async function unmountImageTree(shim: string, directory: string): Promise<void> {
  await runTree(shim, ["unmount", directory]);
}

async function runTree(shim: string, words: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await runProgram(shim, ["tree", ...words], LIMITS);
  if (exitCode === 0) return;
  const said = stderr.trim().replace(/^tree: /, "");
  throw fail(
    exitCode === IN_THE_WAY ? "conflict" : "internal",
    said === "" ? `exit status ${exitCode}` : said,
  );
}

export function makeMountDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o755 });
}

/** Where nothing is mounted any more. One that is in use, or full, or gone is left alone. */
export function removeMountDirectory(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if (!["ENOENT", "EBUSY", "ENOTEMPTY"].includes(errnoOf(error) ?? "")) throw error;
  }
}

export function mountDirectoriesIn(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}
