/** Paths and modes of the archive endpoints as Docker has them. Pure. */
import { posix } from "node:path";
import type { PathFacts } from "../../linux/container-files.ts";
import { formatTime } from "./timestamp.ts";

/** From the root, clean, but still saying by "/" or "/." at its end that it is a directory. */
export function absolutePath(path: string): string {
  const clean = cleanPath(path);
  const slash = clean.endsWith("/") ? "" : "/";
  if (/(^|\/)\.$/.test(path)) return `${clean}${slash}.`;
  return path.endsWith("/") ? `${clean}${slash}` : clean;
}

/** The same without saying it. */
export function cleanPath(path: string): string {
  const clean = posix.normalize(`/${path}`);
  return clean.length > 1 && clean.endsWith("/") ? clean.slice(0, -1) : clean;
}

/** What Go calls the base of a path: "a" of "/a/", "." of "/a/.", "/" of the root. */
export function baseName(path: string): string {
  const clean = path.replace(/\/+$/, "");
  return clean === "" ? "/" : clean.slice(clean.lastIndexOf("/") + 1);
}

/** st_mode's kinds and Go's bits for them. */
const KINDS: ReadonlyMap<number, number> = new Map([
  [0o040000, 2 ** 31],
  [0o120000, 2 ** 27],
  [0o060000, 2 ** 26],
  [0o010000, 2 ** 25],
  [0o140000, 2 ** 24],
  [0o020000, 2 ** 26 + 2 ** 21],
]);

/** st_mode as Go's os.FileMode, which is what Docker's clients read. */
export function goMode(mode: number): number {
  const bits = [
    [0o4000, 2 ** 23],
    [0o2000, 2 ** 22],
    [0o1000, 2 ** 20],
  ] as const;
  let result = (mode & 0o777) + (KINDS.get(mode & 0o170000) ?? 0);
  for (const [bit, goBit] of bits) if ((mode & bit) !== 0) result += goBit;
  return result;
}

export function isDirectory({ mode }: PathFacts): boolean {
  return (mode & 0o170000) === 0o040000;
}

/** The document of X-Docker-Container-Path-Stat. */
export interface ContainerPathStat {
  readonly name: string;
  readonly size: number;
  readonly mode: number;
  readonly mtime: string;
  readonly linkTarget: string;
}

export function pathStat(path: string, facts: PathFacts): ContainerPathStat {
  const { sizeBytes, mode, mtimeNs, linkTarget } = facts;
  return {
    name: baseName(path),
    size: sizeBytes,
    mode: goMode(mode),
    mtime: formatTime(mtimeNs),
    linkTarget,
  };
}
