import { afterEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCgroupUse } from "./cgroup-use.ts";

let root = "";

afterEach(() => {
  if (root !== "") rmSync(root, { recursive: true });
  root = "";
});

function group(name: string, files: Readonly<Record<string, string>>): string {
  root ||= mkdtempSync(join(tmpdir(), "cgroup-use-"));
  const dir = join(root, name, "c1");
  mkdirSync(dir, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(dir, file), text);
  return dir;
}

test("readCgroupUse() reads each file of v1 in the hierarchy of its controller", async () => {
  const dirs = [
    group("freezer", { "cgroup.procs": "7\n" }),
    group("cpu,cpuacct", {
      "cgroup.procs": "7\n",
      "cpuacct.usage": "41\n",
      "cpuacct.usage_percpu": "40 1 \n",
      "cpuacct.stat": "user 2\nsystem 3\n",
      "cpu.stat": "nr_periods 4\nnr_throttled 5\nthrottled_time 6\n",
      "memory.usage_in_bytes": "999\n",
    }),
    group("memory", {
      "cgroup.procs": "7\n",
      "memory.usage_in_bytes": "50\n",
      "memory.limit_in_bytes": "100\n",
      "memory.max_usage_in_bytes": "60\n",
      "memory.failcnt": "1\n",
      "memory.stat": "cache 8\ntotal_inactive_file 9\n",
    }),
    group("pids", { "cgroup.procs": "7\n", "pids.current": "3\n", "pids.max": "max\n" }),
    group("blkio", {
      "cgroup.procs": "7\n",
      "blkio.throttle.io_service_bytes_recursive": "8:0 Read 4096\nTotal 4096\n",
    }),
  ];
  expect(await readCgroupUse(dirs)).toMatchObject({
    version: 1,
    cpu: { usage: { total: 41n, percpu: [40n, 1n], user: 20_000_000n, kernel: 30_000_000n } },
    memory: { usage: { usage: 50n, limit: 100n, max: 60n, failcnt: 1n }, raw: { total_inactive_file: 9n } },
    pids: { current: 3n, limit: 0n },
    blkio: { ioServiceBytesRecursive: [{ major: 8, minor: 0, op: "Read", value: 4096n }] },
  });
});

test("readCgroupUse() does not take a parent of that name for a hierarchy", async () => {
  const dirs = ["memory", "pids", "freezer", "cpu"].map((name) =>
    group(`${name}/pids`, { "cgroup.procs": "7\n", "pids.current": name === "pids" ? "3\n" : "99\n" }),
  );
  expect((await readCgroupUse(dirs))?.pids.current).toBe(3n);
});

test("readCgroupUse() knows v2 by its files, and how often memory ran out", async () => {
  const dir = group("unified", {
    "cgroup.controllers": "cpu memory\n",
    "cgroup.procs": "7\n",
    "cpu.stat": "usage_usec 5\nuser_usec 3\nsystem_usec 2\n",
    "memory.current": "50\n",
    "memory.max": "max\n",
    "memory.stat": "inactive_file 9\n",
    "memory.events": "low 0\nmax 4\noom 2\noom_kill 1\n",
    "pids.current": "3\n",
    "pids.max": "10\n",
    "io.stat": "8:0 rbytes=1 wbytes=2 rios=3 wios=4\n",
  });
  expect(await readCgroupUse([dir])).toMatchObject({
    version: 2,
    outOfMemory: 2n,
    cpu: { usage: { total: 5000n } },
    memory: { usage: { usage: 50n }, raw: { inactive_file: 9n } },
    pids: { current: 3n, limit: 10n },
  });
});

test("readCgroupUse() has nothing to say of a cgroup that is gone", async () => {
  const missing = join(group("memory", {}), "gone");
  expect(await readCgroupUse([missing])).toBeUndefined();
  expect(await readCgroupUse([missing, missing.replace("memory", "cpu")])).toBeUndefined();
  expect(await readCgroupUse([])).toBeUndefined();
});
