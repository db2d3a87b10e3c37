import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findMissingLimits } from "./missing-limits.ts";
import { FACTS_V1, FACTS_V2 } from "./testing/facts.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "gantry-limits-"));
});
afterEach(() => rmSync(root, { recursive: true }));

function file(path: string): void {
  mkdirSync(join(root, "sys/fs/cgroup", path, ".."), { recursive: true });
  writeFileSync(join(root, "sys/fs/cgroup", path), "");
}

test("a kernel without their files has no such limits", () => {
  const all = ["cpu-realtime", "blkio-weight", "blkio-weight-device"];
  for (const { cgroup } of [FACTS_V1, FACTS_V2])
    expect([...findMissingLimits(cgroup, root)].map(String)).toEqual(all);
});

test("v1: at the root, or in any cgroup below it", () => {
  file("cpu/cpu.rt_runtime_us");
  file("blkio/some/blkio.bfq.weight");
  expect([...findMissingLimits(FACTS_V1.cgroup, root)]).toEqual(["blkio-weight-device"]);
});

test("v2 has weights of devices wherever it has weights, and never realtime", () => {
  file("system.slice/io.weight");
  file("system.slice/cpu.rt_runtime_us");
  expect([...findMissingLimits(FACTS_V2.cgroup, root)]).toEqual(["cpu-realtime"]);
});
