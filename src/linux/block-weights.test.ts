import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { canWeigh, weighs } from "./block-weights.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "gantry-weights-"));
});
afterEach(() => rmSync(root, { recursive: true }));

function file(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

test("a device has weights by its scheduler, a partition by its disk's, or by io.cost", () => {
  file("sys/devices/sda/queue/scheduler", "none mq-deadline [bfq]\n");
  file("sys/devices/sda/sda1/partition", "1\n");
  file("sys/devices/sdb/queue/scheduler", "[none] mq-deadline bfq\n");
  file("sys/fs/cgroup/io.cost.qos", "8:32 enable=1 ctrl=auto\n8:16 enable=0 ctrl=auto\n");
  mkdirSync(join(root, "sys/dev/block"), { recursive: true });
  symlinkSync("../../devices/sda", join(root, "sys/dev/block/8:0"));
  symlinkSync("../../devices/sda/sda1", join(root, "sys/dev/block/8:1"));
  symlinkSync("../../devices/sdb", join(root, "sys/dev/block/8:16"));
  const of = (minor: number) => weighs({ major: 8, minor }, root);
  expect([of(0), of(1), of(16), of(32), of(48)]).toEqual([true, true, false, true, false]);
});

test("what is no block device is told elsewhere", () => {
  expect([canWeigh("/dev/null", root), canWeigh("/dev/nosuch", root)]).toEqual([true, true]);
});
