/** Options of tmpfs mounts, of `--tmpfs` and of Mounts entries. Pure. */
import type { GantryError } from "../../base/errors.ts";

export const DEFAULT_TMPFS_OPTIONS = ["noexec", "nosuid", "nodev"];

const FLAG_PAIRS: readonly (readonly [string, string])[] = [
  ["rw", "ro"],
  ["exec", "noexec"],
  ["suid", "nosuid"],
  ["dev", "nodev"],
  ["async", "sync"],
  ["atime", "noatime"],
  ["diratime", "nodiratime"],
  ["relatime", "norelatime"],
  ["strictatime", "nostrictatime"],
];

/** Adds one option; it replaces its opposite, or an earlier value of its own. */
export function addTmpfsOption(options: string[], option: string, invalid: () => GantryError): void {
  const pair = FLAG_PAIRS.find(([on, off]) => on === option || off === option);
  const key = /^(size|mode|uid|gid|nr_inodes|nr_blocks|mpol)=[^\0]+$/.exec(option)?.[1];
  if (pair === undefined && key === undefined) throw invalid();
  const isOther = (present: string): boolean =>
    pair === undefined ? present.startsWith(`${key}=`) : pair[0] === present || pair[1] === present;
  const at = options.findIndex(isOther);
  if (at >= 0) options.splice(at, 1);
  options.push(option);
}
