import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { engineSuite } from "../../support/suite.ts";
import { until } from "../../support/until.ts";

engineSuite("limits of cgroup v2", { needs: ["cgroup2"] }, (engine) => {
  const run = (...args: string[]) => engine().gantry(["run", "--rm", "--network", "none", ...args]);
  const file = async (name: string, ...flags: string[]): Promise<string> =>
    (await run(...flags, "busybox", "cat", `/sys/fs/cgroup/${name}`)).stdout.trim();
  const start = (...args: string[]) => engine().ok(["run", "-d", "--network", "none", ...args]);

  test("a container sees its own cgroup as the root, and only that", async () => {
    expect((await run("busybox", "cat", "/proc/self/cgroup")).stdout).toBe("0::/\n");
    expect((await run("busybox", "ls", "/sys/fs/cgroup")).stdout).not.toContain("slice");
  });

  test("-m sets the memory limit and as much swap", async () => {
    expect(await file("memory.max", "-m", "64m")).toBe(String(64 << 20));
    expect(await file("memory.swap.max", "-m", "64m")).toBe(String(64 << 20));
  });

  test("a container over its memory limit is killed and says so", async () => {
    const id = await start(
      "-m",
      "16m",
      "busybox",
      "sh",
      "-c",
      "x=$(yes 0123456789abcdef | head -c 100000000)",
    );
    expect(await engine().ok(["wait", id])).toBe("137");
    const state = await engine().ok(["inspect", "-f", "{{.State.OOMKilled}} {{.State.ExitCode}}", id]);
    expect(state).toBe("true 137");
  });

  test("--pids-limit stops a fork bomb", async () => {
    expect(await file("pids.max", "--pids-limit", "7")).toBe("7");
    const bomb = "for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done; echo alive";
    expect((await run("--pids-limit", "7", "busybox", "sh", "-c", bomb)).stderr).toContain("can't fork");
  });

  test("--cpus and --cpu-shares set quota and weight", async () => {
    expect(await file("cpu.max", "--cpus", "0.5")).toBe("50000 100000");
    expect(await file("cpu.weight", "--cpu-shares", "1024")).toBe("100");
  });

  test("a process started by exec is in the container's cgroup", async () => {
    const id = await start("--pids-limit", "5", "busybox", "sleep", "100");
    expect(await engine().ok(["exec", id, "cat", "/proc/self/cgroup"])).toBe("0::/");
    expect(await engine().ok(["exec", id, "cat", "/sys/fs/cgroup/pids.max"])).toBe("5");
  });

  test("devices that were not given cannot be opened, even with mknod", async () => {
    const done = await run(
      "busybox",
      "sh",
      "-c",
      "mknod /d b 254 0 && cat /d; mknod /k c 1 1 && cat /k; cat /dev/null",
    );
    expect(done.stdout).toBe("");
    expect(done.stderr.match(/Operation not permitted/g)?.length).toBe(2);
  });

  test("pause freezes and unpause goes on", async () => {
    const id = await start("busybox", "sh", "-c", "i=0; while :; do i=$((i+1)); echo $i >/n; done");
    await engine().ok(["pause", id]);
    expect(await engine().ok(["inspect", "-f", "{{.State.Status}}", id])).toBe("paused");
    expect(readFileSync(`/sys/fs/cgroup/gantry/${id}/cgroup.events`, "utf8")).toContain("frozen 1");
    await engine().ok(["unpause", id]);
    const count = async (): Promise<number> => Number(await engine().ok(["exec", id, "cat", "/n"]));
    const before = await count();
    await until("the counter to go on", async () => (await count()) > before);
  });

  test("the control groups cannot be written from inside", async () => {
    const done = await run(
      "busybox",
      "sh",
      "-c",
      "echo max >/sys/fs/cgroup/pids.max; mkdir /sys/fs/cgroup/x",
    );
    expect(done.stderr.match(/Read-only file system/g)?.length).toBe(2);
  });
});
