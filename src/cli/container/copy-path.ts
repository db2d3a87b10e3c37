/**
 * What the paths of `cp` mean. Pure. A path that ends in "/" or "/." says that it is a directory, and the latter that its
 * content is meant; cleaning a path must not lose that.
 */
import { posix } from "node:path";

export interface CopyPlace {
  /** "" = here, not in a container. */
  readonly container: string;
  readonly path: string;
}

/** "CONTAINER:PATH", or a path of this host's: absolute ones, those that begin with a dot, and what has no colon. */
export function parsePlace(text: string): CopyPlace {
  const colon = text.indexOf(":");
  if (text.startsWith("/") || text.startsWith(".") || colon < 0) return { container: "", path: text };
  return { container: text.slice(0, colon), path: text.slice(colon + 1) };
}

export function meansContent(path: string): boolean {
  return /(^|\/)\.$/.test(path);
}

function saysDirectory(path: string): boolean {
  return path.endsWith("/") || meansContent(path);
}

/** Without a slash at its end, unless it is the root. */
export function clean(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith("/") ? normal.slice(0, -1) : normal;
}

/** `path`, which was made of `original`, ending as that did. */
export function endingAs(path: string, original: string): string {
  let result = path;
  if (!meansContent(result) && meansContent(original)) result += result.endsWith("/") ? "." : "/.";
  if (!result.endsWith("/") && original.endsWith("/")) result += "/";
  return result;
}

/** A container's path as the engine understands it: from the root, which nothing is above of. */
export function insideRoot(path: string): string {
  return endingAs(clean(`/${path}`), path);
}

/** The directory and the name in it; the name is "." where the content is meant. */
export function splitPath(path: string): { readonly directory: string; readonly name: string } {
  const cleaned = clean(path);
  if (meansContent(path)) return { directory: cleaned, name: "." };
  return { directory: posix.dirname(cleaned), name: cleaned === "/" ? "/" : posix.basename(cleaned) };
}

/** A link that was followed: the path it led to, ending as `path` did, and the name that the copy keeps if that is another. */
export function followed(path: string, target: string): { readonly path: string; readonly rename: string } {
  const resolved = endingAs(target, path);
  const name = splitPath(path).name;
  return { path: resolved, rename: name === splitPath(resolved).name ? "" : name };
}

export interface CopySource {
  readonly path: string;
  readonly isDirectory: boolean;
  /** The name that the copy has when it is not the path's own, "" for none. */
  readonly rename: string;
}

export interface CopyTarget {
  readonly path: string;
  /** What is there. */
  readonly kind: "nothing" | "directory" | "other";
}

export interface CopyPlan {
  /** An existing directory, in which the archive is unpacked. */
  readonly directory: string;
  /** The name of what is copied, in the archive. */
  readonly name: string;
}

/** Docker's rules of what a copy makes. Its words for what cannot be: undefined plan. */
export function planCopy(source: CopySource, target: CopyTarget): CopyPlan | { readonly refused: string } {
  if (target.kind === "directory")
    return { directory: target.path, name: source.rename || splitPath(source.path).name };
  const { directory, name } = splitPath(target.path);
  if (target.kind === "other" && source.isDirectory) return { refused: "cannot copy directory" };
  if (target.kind === "nothing" && !source.isDirectory && saysDirectory(target.path))
    return { refused: "no such directory" };
  return { directory, name };
}

/** Whether a name has anything in it that a pattern would be made of. */
export function isPattern(path: string): boolean {
  return /[*?[]/.test(path);
}

/** Two sources whose copies would have the same name in one directory. */
export function collision(sources: readonly string[]): readonly [string, string] | undefined {
  const seen = new Map<string, string>();
  for (const path of sources) {
    const { name } = splitPath(path);
    const other = seen.get(name);
    if (other !== undefined && name !== ".") return [other, path];
    seen.set(name, path);
  }
  return undefined;
}
