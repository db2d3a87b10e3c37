/** What a directory's file system is called in `info`, by Docker's names. */
import { statfsSync } from "node:fs";

/** By the kernel's magic numbers. */
const NAMES: ReadonlyMap<number, string> = new Map([
  [0xef_53, "extfs"],
  [0x58_46_53_42, "xfs"],
  [0x91_23_68_3e, "btrfs"],
  [0x01_02_19_94, "tmpfs"],
  [0x79_4c_76_30, "overlayfs"],
  [0x2f_c1_2f_c1, "zfs"],
  [0xf2_f5_20_10, "f2fs"],
]);

export function backingFilesystem(path: string): string {
  return NAMES.get(statfsSync(path).type) ?? "<unknown>";
}
