/**
 * Mount options as text (fstab, mount(8), the OCI specification) to what the mount API takes: attributes of one mount
 * (mount_setattr(2)), propagation, and the file system's own parameters (fsconfig(2)).
 */
import { fail } from "../base/errors.ts";
import type { SpecMount } from "../specs/oci-runtime/spec.ts";

/** mount_setattr(2) */
export const MOUNT_ATTR = {
  rdonly: 0x1n,
  nosuid: 0x2n,
  nodev: 0x4n,
  noexec: 0x8n,
  /** The access-time mode is a number of three bits, not flags; relatime is 0. */
  atimeMask: 0x70n,
  relatime: 0x0n,
  noatime: 0x10n,
  strictatime: 0x20n,
  nodiratime: 0x80n,
  nosymfollow: 0x200000n,
} as const;

/** mount(2). `rec` is part of every recursive form. */
export const PROPAGATION = {
  rec: 1n << 14n,
  unbindable: 1n << 17n,
  private: 1n << 18n,
  slave: 1n << 19n,
  shared: 1n << 20n,
} as const;

export interface AttrChange {
  readonly set: bigint;
  readonly clr: bigint;
}

export interface MountOptions {
  readonly bind: "no" | "bind" | "rbind";
  /** Of this mount alone. */
  readonly attrs: AttrChange;
  /** Of this mount and all below it: "rro", "rnosuid" ... */
  readonly recursiveAttrs: AttrChange;
  /** MS_* with MS_REC; 0 = leave. */
  readonly propagation: bigint;
  /** "idmap": of this mount alone; "ridmap": of it and all below. */
  readonly idmap: "no" | "idmap" | "ridmap";
  readonly copyUp: boolean;
  /** Of an existing mount, which keeps what is not named. */
  readonly remount: boolean;
  /** Settings that every new file system takes and no bind mount can have: "sync", "lazytime" ... */
  readonly superblock: readonly string[];
  /** What is left for the file system alone: "size=64m" ... */
  readonly data: readonly string[];
}

/** For each option: bits to clear, then bits to set. */
const ATTRS: ReadonlyMap<string, AttrChange> = new Map([
  ["ro", { set: MOUNT_ATTR.rdonly, clr: 0n }],
  ["rw", { set: 0n, clr: MOUNT_ATTR.rdonly }],
  ["nosuid", { set: MOUNT_ATTR.nosuid, clr: 0n }],
  ["suid", { set: 0n, clr: MOUNT_ATTR.nosuid }],
  ["nodev", { set: MOUNT_ATTR.nodev, clr: 0n }],
  ["dev", { set: 0n, clr: MOUNT_ATTR.nodev }],
  ["noexec", { set: MOUNT_ATTR.noexec, clr: 0n }],
  ["exec", { set: 0n, clr: MOUNT_ATTR.noexec }],
  ["nodiratime", { set: MOUNT_ATTR.nodiratime, clr: 0n }],
  ["diratime", { set: 0n, clr: MOUNT_ATTR.nodiratime }],
  ["nosymfollow", { set: MOUNT_ATTR.nosymfollow, clr: 0n }],
  ["symfollow", { set: 0n, clr: MOUNT_ATTR.nosymfollow }],
  ["relatime", { set: MOUNT_ATTR.relatime, clr: MOUNT_ATTR.atimeMask }],
  ["noatime", { set: MOUNT_ATTR.noatime, clr: MOUNT_ATTR.atimeMask }],
  ["strictatime", { set: MOUNT_ATTR.strictatime, clr: MOUNT_ATTR.atimeMask }],
  // The negations mean the kernel's default, which has been relatime since 2.6.30.
  ["atime", { set: MOUNT_ATTR.relatime, clr: MOUNT_ATTR.atimeMask }],
  ["norelatime", { set: MOUNT_ATTR.relatime, clr: MOUNT_ATTR.atimeMask }],
  ["nostrictatime", { set: MOUNT_ATTR.relatime, clr: MOUNT_ATTR.atimeMask }],
]);

const PROPAGATIONS: ReadonlyMap<string, bigint> = new Map([
  ["private", PROPAGATION.private],
  ["slave", PROPAGATION.slave],
  ["shared", PROPAGATION.shared],
  ["unbindable", PROPAGATION.unbindable],
  ["rprivate", PROPAGATION.private | PROPAGATION.rec],
  ["rslave", PROPAGATION.slave | PROPAGATION.rec],
  ["rshared", PROPAGATION.shared | PROPAGATION.rec],
  ["runbindable", PROPAGATION.unbindable | PROPAGATION.rec],
]);

/**
 * What the kernel itself understands for any new file system (vfs_parse_sb_flag), and the opposites. A bind mount shares
 * its file system with others: mount(2) ignores them there.
 */
const SUPERBLOCK: ReadonlyMap<string, string> = new Map([
  ["sync", "async"],
  ["async", "sync"],
  ["dirsync", ""],
  ["lazytime", "nolazytime"],
  ["nolazytime", "lazytime"],
  ["mand", "nomand"],
  ["nomand", "mand"],
]);

/**
 * Options of mount(8) and /etc/fstab that never reach the kernel, and those that it no longer heeds: whether changes of
 * a file are counted (iversion) is up to each file system since 4.16.
 */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  "defaults",
  "silent",
  "loud",
  "auto",
  "noauto",
  "nofail",
  "iversion",
  "noiversion",
]);

/** Known to other runtimes, but neither to the specification nor to this one. */
const NOT_IMPLEMENTED: ReadonlySet<string> = new Set(["copy-symlink", "src-nofollow", "dest-nofollow"]);

/** A mount is a bind mount by its type, as many write it, or by its options, as the specification says. */
export function isBindMount({ type, options = [] }: SpecMount): boolean {
  return type === "bind" || options.includes("bind") || options.includes("rbind");
}

/** The later option wins. Throws `not_implemented` for options that only other runtimes have. */
export function parseMountOptions(options: readonly string[]): MountOptions {
  let bind: MountOptions["bind"] = "no";
  let attrs: AttrChange = { set: 0n, clr: 0n };
  let recursiveAttrs: AttrChange = { set: 0n, clr: 0n };
  let propagation = 0n;
  let idmap: MountOptions["idmap"] = "no";
  let superblock: string[] = [];
  const data: string[] = [];
  for (const option of options) {
    const attr = ATTRS.get(option);
    const recursive = option.startsWith("r") ? ATTRS.get(option.slice(1)) : undefined;
    const newPropagation = PROPAGATIONS.get(option);
    const opposite = SUPERBLOCK.get(option);
    if (option === "bind" || option === "rbind") bind = option;
    else if (attr !== undefined) attrs = changed(attrs, attr);
    else if (recursive !== undefined) recursiveAttrs = changed(recursiveAttrs, recursive);
    else if (newPropagation !== undefined) propagation = newPropagation;
    else if (option === "idmap" || option === "ridmap") idmap = option;
    else if (opposite !== undefined)
      superblock = [...superblock.filter((other) => other !== opposite && other !== option), option];
    else if (isForeign(option)) throw fail("not_implemented", `mount option "${option}" is not supported`);
    else if (!isSpecial(option)) data.push(option);
  }
  const copyUp = options.includes("tmpcopyup");
  const remount = options.includes("remount");
  return { bind, attrs, recursiveAttrs, propagation, idmap, copyUp, remount, superblock, data };
}

function isForeign(option: string): boolean {
  return NOT_IMPLEMENTED.has(option) || option.startsWith("idmap=") || option.startsWith("ridmap=");
}

function isSpecial(option: string): boolean {
  return option === "" || option === "tmpcopyup" || option === "remount" || WITHOUT_EFFECT.has(option);
}

/** What `before` and then `by` make of a mount. */
export function changed(before: AttrChange, by: AttrChange): AttrChange {
  return { set: (before.set & ~by.clr) | by.set, clr: (before.clr & ~by.set) | by.clr };
}
