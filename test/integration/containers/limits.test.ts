import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { engineSuite } from "../../support/suite.ts";

engineSuite("limits", { needs: ["cgroup1"] }, (engine) => {
  const run = (...args: string[]) => engine().gantry(["run", "--rm", "--network", "none", ...args]);
  const file = async (name: string, ...flags: string[]): Promise<string> =>
    (await run(...flags, "busybox", "cat", `/sys/fs/cgroup/${name}`)).stdout.trim();

  test("-m sets the memory limit and twice as much with swap", async () => {
    expect(await file("memory/memory.limit_in_bytes", "-m", "64m")).toBe(String(64 << 20));
  });

  test("a container over its memory limit is killed and says so", async () => {
    const id = await engine().ok([
      "run",
      "-d",
      "--network",
      "none",
      "-m",
      "16m",
      "busybox",
      "sh",
      "-c",
      "x=$(yes 0123456789abcdef | head -c 100000000)",
    ]);
    expect(await engine().ok(["wait", id])).toBe("137");
    expect(await engine().ok(["inspect", "-f", "{{.State.OOMKilled}} {{.State.ExitCode}}", id])).toBe(
      "true 137",
    );
  });

  test("--pids-limit stops a fork bomb", async () => {
    expect(await file("pids/pids.max", "--pids-limit", "7")).toBe("7");
    const done = await run(
      "--pids-limit",
      "7",
      "busybox",
      "sh",
      "-c",
      "for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done; echo alive",
    );
    expect(done.stderr).toContain("can't fork");
  });

  test("--cpus sets quota and period", async () => {
    expect(await file("cpu/cpu.cfs_quota_us", "--cpus", "0.5")).toBe("50000");
    expect(await file("cpu/cpu.cfs_period_us", "--cpus", "0.5")).toBe("100000");
  });

  test("a process started by exec is under the same limits", async () => {
    const id = await engine().ok([
      "run",
      "-d",
      "--network",
      "none",
      "--pids-limit",
      "5",
      "busybox",
      "sleep",
      "100",
    ]);
    const done = await engine().gantry(["exec", id, "sh", "-c", "for i in 1 2 3 4 5 6; do sleep 1 & done"]);
    expect(done.stderr).toContain("can't fork");
  });

  test("devices that were not given cannot be opened, even with mknod", async () => {
    const done = await run(
      "busybox",
      "sh",
      "-c",
      "mknod /d b 254 0; dd if=/d of=/dev/null bs=512 count=1; mknod /k c 1 11; cat < /k; echo x > /dev/null && head -c 3 /dev/zero | wc -c",
    );
    expect(done.stderr.match(/Operation not permitted/g)?.length).toBe(2);
    expect(done.stdout).toBe("3\n");
  });

  test("the control groups cannot be written from inside", async () => {
    expect((await run("busybox", "sh", "-c", "mkdir /sys/fs/cgroup/memory/x")).stderr).toContain(
      "Read-only file system",
    );
  });

  test("--cpu-rt-period is set, or refused where the kernel has no such limit, and so is --storage-opt", async () => {
    const realtime = await run(
      "--cpu-rt-period",
      "500000",
      "busybox",
      "cat",
      "/sys/fs/cgroup/cpu/cpu.rt_period_us",
    );
    if (existsSync("/sys/fs/cgroup/cpu/cpu.rt_period_us")) expect(realtime.stdout).toBe("500000\n");
    else expect(realtime.stderr).toContain("kernel does not support CPU real-time scheduler");
    expect((await run("--storage-opt", "size=1G", "busybox", "true")).stderr).toContain(
      "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
    );
  });

  test("--security-opt writable-cgroups=true lets a container write to its cgroups", async () => {
    const mounts = async (...flags: string[]): Promise<string> =>
      (await run(...flags, "busybox", "grep", " /sys/fs/cgroup/pids ", "/proc/mounts")).stdout;
    expect(await mounts()).toContain(" ro,");
    expect(await mounts("--security-opt", "writable-cgroups=true")).toContain(" rw,");
  });
});
