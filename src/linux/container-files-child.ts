/** `ContainerFiles` by children; the answer in front of an archive is drawn in native/src/tree_copy.c. */
import { errnoName } from "../base/errno.ts";
import { fail } from "../base/errors.ts";
import { PipedChild } from "../base/piped-child.ts";
import type {
  ContainerFiles,
  ContainerTree,
  HostBind,
  PathAnswer,
  PathFacts,
  PutOptions,
  Putting,
  Taken,
} from "./container-files.ts";
import type { IdMapping } from "./native.ts";

/** A line of numbers and a path. */
const MAX_ANSWER_BYTES = 8 * 1024;
/** As many paths of that length as a pattern can match are not kept: the child stops before (native/src/tree_match.c). */
const MAX_MATCH_BYTES = 64 << 20;

const ACCESS: ReadonlyMap<string, PathFacts["access"]> = new Map([
  ["rw", "writable"],
  ["ro", "read-only mount"],
  ["ro-root", "read-only root"],
]);

export function containerFiles(shim: string): ContainerFiles {
  return {
    look: (tree, path, signal) => look(shim, tree, path, signal),
    take: (tree, path, name, ids, signal) => take(shim, { tree, path, name, ids }, signal),
    match: (tree, pattern, signal) => match(shim, tree, pattern, signal),
    put: (tree, path, options, signal) => put(shim, { tree, path, options }, signal),
  };
}

function bindWords({ source, beneath, destination, readOnly }: HostBind): readonly string[] {
  const front = beneath === undefined ? ["--bind", source] : ["--bind-part", source, beneath];
  return [...front, destination, readOnly ? "ro" : "rw"];
}

/** Who only reads has the writable layer as the topmost of all. */
export function viewWords(tree: ContainerTree, writes: boolean): readonly string[] {
  if (tree.kind === "process") return ["process", String(tree.pid), "--"];
  const { root, binds, readOnly } = tree;
  const words = binds.flatMap(bindWords);
  if (readOnly) words.push("--read-only");
  if ("directory" in root) return [...words, "plain", root.directory, "--"];
  const { layers, upper, work } = root;
  return [...words, ...(writes ? ["writable", upper, work] : ["overlay", upper]), ...layers, "--"];
}

/** "id in the image, id on disk, count" the other way round. */
function fromDisk(map: string): string {
  return map.replaceAll(/^(\d+) (\d+) (\d+)$/gm, "$2 $1 $3");
}

async function look(
  shim: string,
  tree: ContainerTree,
  path: string,
  signal: AbortSignal,
): Promise<PathAnswer> {
  const words = ["tree", "look", ...viewWords(tree, false), path];
  await using child = new PipedChild(shim, words, `cannot look at "${path}"`, signal);
  const { answer } = await readAnswer(child);
  await child.end();
  return answer;
}

async function take(
  shim: string,
  what: { tree: ContainerTree; path: string; name: string; ids: IdMapping | undefined },
  signal: AbortSignal,
): Promise<Taken> {
  const { tree, path, name, ids } = what;
  const idWords = ids === undefined ? [] : ["--ids", fromDisk(ids.uid), fromDisk(ids.gid)];
  const words = ["tree", "take", ...idWords, ...viewWords(tree, false), path, name];
  const child = new PipedChild(shim, words, `cannot copy "${path}"`, signal);
  try {
    const { answer, rest } = await readAnswer(child);
    return { answer, archive: archiveOf(child, rest) };
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
}

async function* archiveOf(child: PipedChild, first: Buffer): AsyncGenerator<Uint8Array> {
  await using held = child;
  if (first.length > 0) yield first;
  for (let bytes = await held.read(); bytes !== undefined; bytes = await held.read()) yield bytes;
  await held.end();
}

async function match(
  shim: string,
  tree: ContainerTree,
  pattern: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const words = ["tree", "match", ...viewWords(tree, false), pattern];
  await using child = new PipedChild(shim, words, `cannot look for "${pattern}"`, signal);
  const pieces: Buffer[] = [];
  let bytes = 0;
  for (let piece = await child.read(); piece !== undefined; piece = await child.read()) {
    bytes += piece.length;
    if (bytes > MAX_MATCH_BYTES) throw fail("internal", "gantry-shim sent too many names");
    pieces.push(piece);
  }
  await child.end();
  const paths = Buffer.concat(pieces).toString().split("\0");
  return paths.slice(0, -1);
}

async function put(
  shim: string,
  what: { tree: ContainerTree; path: string; options: PutOptions },
  signal: AbortSignal,
): Promise<Putting> {
  const { tree, path, options } = what;
  const { ids, keepsKinds } = options;
  const words = [
    "tree",
    "put",
    ...(ids === undefined ? [] : ["--ids", ids.uid, ids.gid]),
    ...(keepsKinds ? ["--keep-kinds"] : []),
    ...viewWords(tree, true),
    path,
  ];
  const child = new PipedChild(shim, words, `cannot copy to "${path}"`, signal);
  try {
    const { answer } = await readAnswer(child);
    return {
      answer,
      unpack: async (tar) => {
        await child.feed(tar);
        await child.end();
      },
      [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
    };
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
}

/** What comes first, and the bytes behind it that came along. A child that ends before says why. */
async function readAnswer(child: PipedChild): Promise<{ answer: PathAnswer; rest: Buffer }> {
  let bytes = Buffer.alloc(0);
  for (;;) {
    const end = endOfAnswer(bytes);
    if (end !== undefined) return { answer: decodeAnswer(bytes.subarray(0, end)), rest: bytes.subarray(end) };
    if (bytes.length > MAX_ANSWER_BYTES) throw fail("internal", "gantry-shim sent an answer without end");
    const more = await child.read();
    if (more === undefined) {
      await child.end();
      throw fail("internal", "gantry-shim gave no answer");
    }
    bytes = Buffer.concat([bytes, more]);
  }
}

/** Behind the second NUL. */
function endOfAnswer(bytes: Buffer): number | undefined {
  const line = bytes.indexOf(0);
  const target = line < 0 ? -1 : bytes.indexOf(0, line + 1);
  return target < 0 ? undefined : target + 1;
}

export function decodeAnswer(bytes: Buffer): PathAnswer {
  const [line = "", linkTarget = ""] = bytes.toString().split("\0");
  const missing = /^missing (\d{1,4})$/.exec(line);
  if (missing !== null) return { errno: errnoName(Number(missing[1])) };
  const found = /^found ([0-7]{1,7}) (\d{1,16}) (-?\d{1,18}) (\d{1,9}) (-|rw|ro|ro-root)$/.exec(line);
  if (found === null) throw fail("internal", `gantry-shim answered ${JSON.stringify(line.slice(0, 100))}`);
  const [, mode = "", size = "", seconds = "", nanoseconds = "", access = ""] = found;
  return {
    mode: Number.parseInt(mode, 8),
    sizeBytes: Number(size),
    mtimeNs: BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds),
    linkTarget,
    access: ACCESS.get(access),
  };
}
