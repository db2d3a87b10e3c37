/**
 * Reads trees with a `gantry-shim tree` child: whole ones as archives, and how they differ from others as layers or lists. The
 * child mounts what it reads in a mount namespace of its own and confines itself before it reads the first name.
 */
import { spawn } from "node:child_process";
import { collect } from "../base/collect.ts";
import { fail } from "../base/errors.ts";
import type { IdMapping, TreeChange, TreeDifference, TreeView } from "./native.ts";

const MAX_STDERR_BYTES = 64 * 1024;

/** Exit status when something in the tree cannot be said, not when this host fails. */
const TREE_AT_FAULT = 1;

/** A path is at most 4095 bytes; more in front of the next NUL is no answer of ours. */
const MAX_RECORD_BYTES = 8 * 1024;

function viewWords(view: TreeView): readonly string[] {
  if (view.kind === "plain") return ["plain", view.directory];
  return view.layers.length === 0 ? ["nothing"] : ["overlay", ...view.layers];
}

function idWords(ids: IdMapping | undefined): readonly string[] {
  return ids === undefined ? [] : ["--ids", fromDisk(ids.uid), fromDisk(ids.gid)];
}

/** "id in the image, id on disk, count" the other way round. */
function fromDisk(map: string): string {
  return map.replaceAll(/^(\d+) (\d+) (\d+)$/gm, "$2 $1 $3");
}

function differenceWords({ now, before, ids, mountpoints = [] }: TreeDifference): readonly string[] {
  return [
    ...idWords(ids),
    ...mountpoints.flatMap((path) => ["--mountpoint", path]),
    ...(now.kind === "upper" ? ["upper", now.directory] : viewWords(now)),
    "--",
    ...viewWords(before),
  ];
}

/** See `Native.packRoot`. */
export function packRoot(
  shim: string,
  tree: TreeView,
  ids: IdMapping | undefined,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  return run(shim, ["export", ...idWords(ids), ...viewWords(tree)], signal);
}

/** See `Native.packDiff`. */
export function packDiff(
  shim: string,
  difference: TreeDifference,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  return run(shim, ["layer", ...differenceWords(difference)], signal);
}

const KINDS: ReadonlyMap<string, TreeChange["kind"]> = new Map([
  ["A", "added"],
  ["C", "changed"],
  ["D", "deleted"],
]);

/** See `Native.treeChanges`. */
export async function* treeChanges(
  shim: string,
  difference: TreeDifference,
  signal: AbortSignal,
): AsyncGenerator<TreeChange> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const bytes of run(shim, ["changes", ...differenceWords(difference)], signal)) {
    const all = Buffer.concat([rest, bytes]);
    let at = 0;
    for (let end = all.indexOf(0); end >= 0; end = all.indexOf(0, at)) {
      yield decodeChange(all.subarray(at, end));
      at = end + 1;
    }
    rest = all.subarray(at);
    if (rest.length > MAX_RECORD_BYTES) throw fail("internal", "gantry-shim sent a record without end");
  }
  if (rest.length > 0) throw fail("internal", "gantry-shim sent half a record");
}

function decodeChange(record: Buffer): TreeChange {
  const kind = KINDS.get(record.toString("latin1", 0, 1));
  if (kind === undefined) throw fail("internal", "gantry-shim sent a change of an unknown kind");
  return { kind, path: record.toString("utf8", 1) };
}

interface Exit {
  readonly code: number | null;
  readonly killedBy: NodeJS.Signals | null;
  /** The child could not be started. */
  readonly error?: Error;
}

/** The child's output, at the pace of the reader. However the iteration ends, so has the child when it has. */
async function* run(shim: string, words: readonly string[], signal: AbortSignal): AsyncGenerator<Uint8Array> {
  signal.throwIfAborted();
  const child = spawn(shim, ["tree", ...words], { stdio: ["ignore", "pipe", "pipe"], env: {} });
  const said = collect(child.stderr, MAX_STDERR_BYTES);
  const { promise: closed, resolve } = Promise.withResolvers<Exit>();
  child.once("error", (error) => resolve({ code: null, killedBy: null, error }));
  child.once("close", (code, killedBy) => resolve({ code, killedBy }));
  const kill = (): void => void child.kill("SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  let isEnded = false;
  try {
    for await (const chunk of child.stdout) if (chunk instanceof Uint8Array) yield chunk;
    const exit = await closed;
    isEnded = true;
    signal.throwIfAborted();
    if (exit.code !== 0) throw failure(words[0] ?? "", exit, said());
  } finally {
    signal.removeEventListener("abort", kill);
    if (!isEnded) {
      kill();
      await closed;
    }
  }
}

const WHAT: ReadonlyMap<string, string> = new Map([
  ["export", "cannot pack the root filesystem"],
  ["layer", "cannot pack the changes"],
  ["changes", "cannot find the changes"],
]);

function failure(command: string, { code, killedBy, error }: Exit, stderr: string): Error {
  if (error !== undefined) return fail("internal", "cannot start gantry-shim to read a tree", error);
  const said = stderr.trim().replace(/^tree: /, "");
  const end = killedBy === null ? `exit status ${code}` : `killed by ${killedBy}`;
  const message = `${WHAT.get(command) ?? command}: ${said === "" ? end : said}`;
  return fail(code === TREE_AT_FAULT ? "invalid_argument" : "internal", message);
}
