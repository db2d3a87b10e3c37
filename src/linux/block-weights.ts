/** Which block devices the kernel can weigh: each has a scheduler of its own, and few of them do. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../base/errors.ts";

const WEIGHING = /\[(?:bfq|cfq)\]/;

/**
 * Whether requests to this device have weights. True for what is no block device or not there: that is told where the device is
 * looked for. `root` is put before /sys, for tests.
 */
export function canWeigh(path: string, root = ""): boolean {
  const number = blockNumber(path);
  return number === undefined || weighs(number, root);
}

export function weighs({ major, minor }: BlockNumber, root = ""): boolean {
  const device = join(root, "/sys/dev/block", `${major}:${minor}`);
  // A partition has the queue of its disk.
  const scheduler = read(join(device, "queue/scheduler")) ?? read(`${device}/../queue/scheduler`);
  if (scheduler !== undefined && WEIGHING.test(scheduler)) return true;
  const costs = read(join(root, "/sys/fs/cgroup/io.cost.qos")) ?? "";
  return costs.split("\n").some((line) => line.startsWith(`${major}:${minor} `) && line.includes("enable=1"));
}

export interface BlockNumber {
  readonly major: number;
  readonly minor: number;
}

function blockNumber(path: string): BlockNumber | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined || !found.isBlockDevice()) return undefined;
  return { major: (found.rdev >> 8) & 0xfff, minor: (found.rdev & 0xff) | ((found.rdev >> 12) & 0xfff00) };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "")) return undefined;
    throw error;
  }
}
