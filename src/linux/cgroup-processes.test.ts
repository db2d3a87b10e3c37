import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { processesBelow } from "./cgroup-processes.ts";

describe("processesBelow()", () => {
  let dir = "";
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "cgroup-processes-"));
  });
  afterEach(() => {
    rmSync(dir, { recursive: true });
  });

  test("collects the whole tree, each process once, in order", async () => {
    mkdirSync(join(dir, "a/b"), { recursive: true });
    writeFileSync(join(dir, "cgroup.procs"), "30\n7\n");
    writeFileSync(join(dir, "a/cgroup.procs"), "");
    writeFileSync(join(dir, "a/b/cgroup.procs"), "8\n7\n0\n");
    expect(await processesBelow(dir)).toEqual([7, 8, 30]);
  });

  test("finds the processes of threads", async () => {
    writeFileSync(join(dir, "cgroup.threads"), `${process.pid}\n${2 ** 22 + 1}\n`);
    expect(await processesBelow(dir)).toEqual([process.pid]);
  });

  test("has nobody in a cgroup that is gone", async () => {
    expect(await processesBelow(join(dir, "missing"))).toEqual([]);
  });
});

/** Where version 2 is mounted: alone, or beside version 1. */
const UNIFIED = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find((dir) =>
  existsSync(join(dir, "cgroup.threads")),
);
const isPossible = process.getuid?.() === 0 && UNIFIED !== undefined;
if (!isPossible) console.log("skipped: processesBelow() of threaded cgroups: needs root and cgroup v2");

test.skipIf(!isPossible)(
  "processesBelow() sees a process in a threaded cgroup of the real kernel",
  async () => {
    const top = join(UNIFIED ?? "", `gantry-threads-test-${process.pid}`);
    const inner = join(top, "inner");
    let child: ChildProcess | undefined;
    mkdirSync(inner, { recursive: true });
    try {
      writeFileSync(join(inner, "cgroup.type"), "threaded");
      child = spawn("sleep", ["60"]);
      const pid = child.pid ?? 0;
      writeFileSync(join(top, "cgroup.procs"), String(pid));
      writeFileSync(join(inner, "cgroup.threads"), String(pid));
      expect(await processesBelow(top)).toEqual([pid]);
      expect(await processesBelow(inner)).toEqual([pid]);
    } finally {
      const ended = Promise.withResolvers<void>();
      child?.on("exit", () => ended.resolve());
      child?.kill("SIGKILL");
      if (child !== undefined) await ended.promise;
      rmdirSync(inner);
      rmdirSync(top);
    }
  },
);
