/**
 * Files of this host's as archives, and archives as files. What comes out of a container is its author's, not the user's: the native
 * part unpacks it, with no more rights than it needs, below the one directory that the user named.
 */
import { lstat, readlink, realpath, stat } from "node:fs/promises";
import { posix } from "node:path";
import { errnoOf, fail } from "../../base/errors.ts";
import { PipedChild } from "../../base/piped-child.ts";
import { Exit } from "../exit.ts";
import { clean, type CopySource, type CopyTarget, endingAs, followed, splitPath } from "./copy-path.ts";

const MAX_LINKS = 10;
/** A line of numbers and a path, which comes before the archive. */
const MAX_ANSWER_BYTES = 8 * 1024;

export function absoluteHere(workingDirectory: string, path: string): string {
  return endingAs(clean(posix.resolve(workingDirectory, path)), path);
}

/** As Go says it. */
function said(call: string, path: string, error: unknown): Exit {
  const reason = errnoOf(error) ?? "";
  const words: Readonly<Record<string, string>> = {
    ENOENT: "no such file or directory",
    ENOTDIR: "not a directory",
    EACCES: "permission denied",
    ELOOP: "too many levels of symbolic links",
  };
  return new Exit(1, `${call} ${path}: ${words[reason] ?? reason}`);
}

/** Links on the way are followed, the one at the end only if that is wished. Throws Exit. */
export async function localSource(path: string, follows: boolean): Promise<CopySource> {
  const { directory, name } = splitPath(path);
  try {
    const target = follows ? await realpath(path) : posix.join(await realpath(directory), name);
    const resolved = follows ? followed(path, target) : { path: endingAs(target, path), rename: "" };
    return { ...resolved, isDirectory: (await lstat(resolved.path)).isDirectory() };
  } catch (error) {
    throw said("lstat", path, error);
  }
}

/** Where a copy goes: links followed, whether they lead anywhere or not. Throws Exit. */
export async function localTarget(path: string): Promise<CopyTarget> {
  let at = path;
  for (let links = 0; links <= MAX_LINKS; links++) {
    const found = await lstat(at).catch((error: unknown) => {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw said("lstat", at, error);
    });
    if (found === undefined) return await missingTarget(at);
    if (!found.isSymbolicLink()) return { path: at, kind: found.isDirectory() ? "directory" : "other" };
    at = posix.resolve(splitPath(at).directory, await readlink(clean(at)));
  }
  throw new Exit(1, `too many symlinks in ${path}`);
}

async function missingTarget(path: string): Promise<CopyTarget> {
  const { directory } = splitPath(path);
  const found = await stat(directory).catch((error: unknown) => {
    throw said("stat", directory, error);
  });
  if (!found.isDirectory()) throw new Exit(1, "not a directory");
  return { path, kind: "nothing" };
}

/** An archive of a file or directory, in which it is called `name`. */
export async function* packLocal(
  shim: string,
  path: string,
  name: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const what = `cannot read "${path}"`;
  await using child = new PipedChild(shim, ["tree", "send", path, name], what, signal);
  let answer = Buffer.alloc(0);
  let end = -1;
  while (end < 0) {
    const more = await child.read();
    if (more === undefined) break;
    answer = Buffer.concat([answer, more]);
    if (answer.length > MAX_ANSWER_BYTES + more.length)
      throw fail("internal", "gantry-shim sent an answer without end");
    const line = answer.indexOf(0);
    end = line < 0 ? -1 : answer.indexOf(0, line + 1);
  }
  if (answer.toString("latin1", 0, 8) === "missing ") throw new Exit(1, `${what}: it is not there any more`);
  if (end >= 0 && end + 1 < answer.length) yield answer.subarray(end + 1);
  for (let bytes = await child.read(); bytes !== undefined; bytes = await child.read()) yield bytes;
  await child.end();
}

export interface UnpackOptions {
  /** What is called `from` in the archive is to be called `to`. */
  readonly from: string;
  readonly to: string;
  /** Files keep the owners that they have in the archive. */
  readonly keepsOwners: boolean;
}

/** Makes of an archive files in a directory. A file is there when it is whole. */
export async function unpackLocal(
  shim: string,
  directory: string,
  tar: AsyncIterable<Uint8Array>,
  { from, to, keepsOwners }: UnpackOptions,
  signal: AbortSignal,
): Promise<void> {
  const words = ["tree", "receive", ...(keepsOwners ? ["--owners"] : []), clean(directory), from, to];
  await using child = new PipedChild(shim, words, `cannot copy to "${directory}"`, signal);
  await child.feed(tar);
  await child.end();
}
