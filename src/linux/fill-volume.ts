/** What an image has where a volume will be, copied into it by a `gantry-shim tree fill` child below descriptors. */
import { fail } from "../base/errors.ts";
import { runProgram } from "../base/process.ts";
import type { IdMapping, TreeView } from "./native.ts";

/** Many gigabytes of an image on a slow disk. */
const LIMITS = { timeoutMs: 30 * 60_000, maxBytes: 64 << 10 };

/** Exit status when the tree itself cannot be copied so. */
const TREE_AT_FAULT = 1;

export interface FillSource {
  readonly image: TreeView;
  /** Looked up as a process of the image would: links end inside. */
  readonly path: string;
  /** From the image's ids to those on the disk; undefined = as they are. */
  readonly ids: IdMapping | undefined;
}

export interface Filled {
  /**
   * "directory": copied, with its own owner and mode; "nothing": the image has nothing there; "other": something that is no
   * directory; "full": the volume is not empty. Only the first changes anything.
   */
  readonly found: "nothing" | "directory" | "other" | "full";
  readonly sizeBytes: number;
}

/** Into the directory `to` of the host, if that is empty. What a failure leaves there is half-done. */
export async function fillVolume(shim: string, source: FillSource, to: string): Promise<Filled> {
  const { image, path, ids } = source;
  const layers = image.kind === "plain" ? [image.directory] : image.layers;
  if (layers.length === 0) return { found: "nothing", sizeBytes: 0 };
  const tree = image.kind === "plain" ? ["plain", ...layers] : ["overlay", ...layers];
  const words = ["tree", "fill", ids?.uid ?? "", ids?.gid ?? "", path, to, ...tree];
  const { exitCode, stdout, stderr } = await runProgram(shim, words, LIMITS);
  const match =
    /^\{"found":"(nothing|directory|other|full)","sizeBytes":(\d{1,15}),"inodes":\d{1,15}\}\n$/.exec(stdout);
  if (exitCode === 0 && match !== null)
    return { found: foundOf(match[1] ?? ""), sizeBytes: Number(match[2]) };
  const said = stderr.trim().replace(/^tree: /, "");
  throw fail(
    exitCode === TREE_AT_FAULT ? "invalid_argument" : "internal",
    `cannot fill a volume from the image's "${path}": ${said === "" ? `exit status ${exitCode}` : said}`,
  );
}

function foundOf(word: string): Filled["found"] {
  return word === "directory" || word === "other" || word === "full" ? word : "nothing";
}
