import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeWith } from "../../../test/support/requires.ts";

/** The image's file is gone as soon as it is mounted, and the loop device goes with the mount namespace. */
const SCRIPT = `set -e
truncate -s 600M "$1/image"
mkfs.btrfs -q "$1/image"
mount -o loop "$1/image" /mnt
rm "$1/image"
exec "$2" test "$3"`;

describeWith("snapshots as subvolumes", ["root", "native", "btrfs"], () => {
  test("pass the suite and are deleted whole, on a btrfs of their own", () => {
    const work = mkdtempSync(join(tmpdir(), "btrfs-"));
    try {
      const inner = join(import.meta.dirname, "testing", "on-btrfs.ts");
      const args = ["-m", "sh", "-c", SCRIPT, "sh", work, process.execPath, inner];
      const { status, stderr } = spawnSync("unshare", args, { encoding: "utf8" });
      expect(status === 0 ? "" : stderr).toBe("");
      expect(stderr).toMatch(/^ \d{2} pass$/m);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }, 120_000);
});
