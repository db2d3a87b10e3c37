/** The engine with `native.cgroupdriver=systemd` under a real systemd: each container is a scope, whatever happens to it. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { run } from "../../support/run.ts";
import { engineSuite } from "../../support/suite.ts";
import { until } from "../../support/until.ts";

const MIB = 1 << 20;
const FLAGS = ["--exec-opt", "native.cgroupdriver=systemd"];

async function property(unit: string, name: string): Promise<string> {
  return (await run(["systemctl", "show", "-P", name, unit])).stdout.trim();
}

async function scopes(): Promise<string> {
  const words = ["systemctl", "list-units", "--all", "--plain", "--no-legend", "gantry-*.scope"];
  const found = await run(words);
  expect(found.code).toBe(0);
  return found.stdout.trim();
}

engineSuite("scopes of systemd", { needs: ["systemd", "cgroup2"], flags: FLAGS }, (engine) => {
  const ok = (...args: string[]): Promise<string> => engine().ok(args);
  const start = (...args: string[]): Promise<string> => ok("run", "-d", "--network", "none", ...args);
  const unitOf = (id: string): string => `gantry-${id}.scope`;
  const file = (id: string, name: string, slice = "system.slice"): string =>
    readFileSync(`/sys/fs/cgroup/${slice}/${unitOf(id)}/${name}`, "utf8").trim();
  const inspect = (id: string, what: string): Promise<string> => ok("inspect", "-f", what, id);
  const gone = (): Promise<void> => until("every scope to be gone", async () => (await scopes()) === "");

  test("info says so, and a container and its execs are in the scope, their shim is not", async () => {
    expect(await ok("info", "--format", "{{.CgroupDriver}} {{.CgroupVersion}}")).toBe("systemd 2");
    const id = await start("busybox", "sleep", "1000");
    const pid = await inspect(id, "{{.State.Pid}}");
    expect(readFileSync(`/proc/${pid}/cgroup`, "utf8")).toBe(`0::/system.slice/${unitOf(id)}\n`);
    expect(file(id, "cgroup.procs")).toBe(pid);
    expect(await ok("exec", id, "cat", "/proc/self/cgroup")).toBe("0::/");
    await ok("exec", "-d", id, "sleep", "1001");
    await until("two processes", () => file(id, "cgroup.procs").split("\n").length === 2);
    expect(await ok("top", id)).toContain("sleep 1001");
    const [, shim = ""] = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    expect(readFileSync(`/proc/${shim}/cgroup`, "utf8")).toBe(readFileSync("/proc/self/cgroup", "utf8"));
    expect(await property(unitOf(id), "Description")).toBe(`container ${id}`);
  });

  test("limits are properties; what is updated stays when systemd reloads", async () => {
    const limits = "--memory 64m --pids-limit 50 --cpus 0.5 --cpu-shares 512 --cpuset-cpus 0".split(" ");
    const id = await start(...limits, "busybox", "sleep", "1000");
    const names = ["Slice", "Delegate", "MemoryMax", "TasksMax", "CPUQuotaPerSecUSec", "DevicePolicy"];
    const read = (): Promise<string[]> => Promise.all(names.map((name) => property(unitOf(id), name)));
    const files = (): string[] =>
      ["memory.max", "pids.max", "cpu.max", "cpuset.cpus"].map((name) => file(id, name));
    expect(await read()).toEqual(["system.slice", "yes", String(64 * MIB), "50", "500ms", "strict"]);
    expect(files()).toEqual([String(64 * MIB), "50", "50000 100000", "0"]);
    await ok("update", "--memory", "80m", "--memory-swap", "160m", "--pids-limit", "60", "--cpus", "0.2", id);
    expect(await read()).toEqual(["system.slice", "yes", String(80 * MIB), "60", "200ms", "strict"]);
    expect((await run(["systemctl", "daemon-reload"])).code).toBe(0);
    expect(files()).toEqual([String(80 * MIB), "60", "20000 100000", "0"]);
    // What cannot be changes nothing, here or there.
    const refused = await engine().gantry(["update", "--cpuset-cpus", "4000", "--pids-limit", "70", id]);
    expect(refused.code).not.toBe(0);
    expect(await property(unitOf(id), "TasksMax")).toBe("60");
    expect(files()).toEqual([String(80 * MIB), "60", "20000 100000", "0"]);
    const stats = await ok("stats", "--no-stream", "--format", "{{.MemUsage}} {{.PIDs}}", id);
    expect(stats).toMatch(/ \/ 80MiB 1$/);
  });

  test("it ends with the container, in every way", async () => {
    expect(await ok("run", "--rm", "--network", "none", "busybox", "echo", "x")).toBe("x");
    await gone();
    const id = await start("busybox", "sleep", "1000");
    await ok("pause", id);
    expect(file(id, "cgroup.events")).toContain("frozen 1");
    expect(await inspect(id, "{{.State.Status}}")).toBe("paused");
    await ok("unpause", id);
    await ok("restart", "-t", "0", id);
    expect(await property(unitOf(id), "ActiveState")).toBe("active");
    await ok("kill", id);
    await gone();
    await ok("start", id);
    await ok("pause", id);
    await ok("rm", "-f", id);
    expect(await scopes()).toBe("");
    expect(existsSync(`/sys/fs/cgroup/system.slice/${unitOf(id)}`)).toBe(false);
    const failed = await engine().gantry(["run", "--rm", "--network", "none", "busybox", "/nope"]);
    expect([failed.code, failed.stderr]).toEqual([127, expect.stringContaining("/nope")]);
    await gone();
  });

  test("a container that ends at once can be started again and again", async () => {
    const id = await ok("create", "--network", "none", "busybox", "true");
    for (let round = 0; round < 5; round++) expect(await ok("start", "-a", id)).toBe("");
    expect(await inspect(id, "{{.State.ExitCode}}")).toBe("0");
  });

  test("with the host's processes nobody is left behind, and a start that fails says why", async () => {
    const id = await start("--pid", "host", "busybox", "sh", "-c", "sleep 1002 & sleep 1003");
    await until("both to run", () => file(id, "cgroup.procs").split("\n").length === 2);
    await ok("kill", id);
    await gone();
    const args = ["--pid", "host", "--pids-limit", "1", "busybox", "true"];
    const failed = await engine().gantry(["run", "--rm", "--network", "none", ...args]);
    expect(failed.code).not.toBe(0);
    expect(failed.stderr).toContain("cannot clone the container's first process: errno EAGAIN");
  });

  test("memory that runs out is told, and ends nobody else", async () => {
    const eat = "x=$(yes 0123456789abcdef | head -c 100000000)";
    const id = await start(
      "-m",
      "24m",
      "--memory-swap",
      "24m",
      "busybox",
      "sh",
      "-c",
      `(${eat}); sleep 1000`,
    );
    const events = await ok("events", "--until", String(Math.ceil(Date.now() / 1000) + 20), "--since", "0");
    expect(events).toContain(`container oom ${id}`);
    expect(await inspect(id, "{{.State.Running}}")).toBe("true");
    expect(await property(unitOf(id), "ActiveState")).toBe("active");
  });

  test("devices are what was asked for, and a private cgroup may be written to", async () => {
    const mem = "mknod /m c 1 1 && cat /m | head -c 1 | wc -c";
    const closed = await engine().gantry(["run", "--rm", "--network", "none", "busybox", "sh", "-c", mem]);
    expect(closed.stderr).toContain("Operation not permitted");
    const given = ["--device", "/dev/kmsg", "busybox", "sh", "-c", "echo hello >/dev/kmsg && echo written"];
    expect(await ok("run", "--rm", "--network", "none", ...given)).toBe("written");
    const id = await start("--device", "/dev/kmsg", "busybox", "sleep", "1000");
    expect((await run(["systemctl", "daemon-reload"])).code).toBe(0);
    expect(await ok("exec", id, "sh", "-c", "echo hello >/dev/kmsg && echo written")).toBe("written");
    await ok("rm", "-f", id);
    const make =
      "mkdir /sys/fs/cgroup/own && echo $$ >/sys/fs/cgroup/own/cgroup.procs && cat /proc/self/cgroup";
    const writable = ["--security-opt", "writable-cgroups=true", "busybox", "sh", "-c", make];
    expect(await ok("run", "--rm", "--network", "none", ...writable)).toBe("0::/own");
    await gone();
  });

  test("a parent is a slice, with its levels", async () => {
    const slice = `gantrytest${process.pid}-sub.slice`;
    const id = await start("--cgroup-parent", slice, "busybox", "sleep", "1000");
    const within = `gantrytest${process.pid}.slice/${slice}`;
    expect(file(id, "cgroup.procs", within)).toBe(await inspect(id, "{{.State.Pid}}"));
    expect(await inspect(id, "{{.HostConfig.CgroupParent}}")).toBe(slice);
    await ok("rm", "-f", id);
    await run(["systemctl", "stop", slice, `gantrytest${process.pid}.slice`]);
    const refused = await engine().gantry(["create", "--cgroup-parent", "/teams", "busybox"]);
    expect(refused.stderr).toContain(
      'cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice"',
    );
  });

  test("they outlive a daemon that is killed, and the next one works with them", async () => {
    const id = await start("--memory", "64m", "busybox", "sleep", "1000");
    const pid = await inspect(id, "{{.State.Pid}}");
    await engine().kill9();
    await engine().launch();
    expect(await inspect(id, "{{.State.Pid}} {{.State.Status}}")).toBe(`${pid} running`);
    await ok("update", "--memory", "80m", "--memory-swap", "160m", id);
    expect(await property(unitOf(id), "MemoryMax")).toBe(String(80 * MIB));
    expect(await ok("exec", id, "cat", "/proc/self/cgroup")).toBe("0::/");
    await ok("pause", id);
    await engine().restart();
    expect(await inspect(id, "{{.State.Status}}")).toBe("paused");
    await ok("rm", "-f", id);
    expect(await scopes()).toBe("");
  });

  test("killed anywhere in a start, a daemon leaves no scope to the next one", async () => {
    const began = performance.now();
    await ok("run", "--rm", "--network", "none", "busybox", "true");
    const wholeMs = performance.now() - began;
    for (let part = 1; part <= 6; part++) {
      const name = `cut${part}`;
      await ok("create", "--name", name, "--network", "none", "busybox", "sleep", "1000");
      const starting = engine().gantry(["start", name]);
      await pause((wholeMs * part) / 7);
      await engine().kill9();
      await starting;
      await engine().launch();
      await ok("rm", "-f", name);
      await gone();
    }
  });

  test("a killed shim takes its container and the scope with it", async () => {
    const id = await start("busybox", "sleep", "1000");
    const pid = await inspect(id, "{{.State.Pid}}");
    const [, shim = ""] = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    process.kill(Number(shim), "SIGKILL");
    expect(await ok("wait", id)).toBe("137");
    await gone();
  });
});

engineSuite("privileged containers on cgroup v2", { needs: ["cgroup2"] }, (engine) => {
  test("have a cgroup namespace of their own, too, unless they ask for the host's", async () => {
    const start = ["run", "--rm", "--network", "none", "--privileged"];
    const cat = (...flags: string[]): Promise<string> =>
      engine().ok([...start, ...flags, "busybox", "cat", "/proc/self/cgroup"]);
    expect(await cat()).toBe("0::/");
    expect(await cat("--cgroupns", "host")).toMatch(/^0::\/gantry\/[0-9a-f]{64}$/);
    const id = await engine().ok(["create", "--privileged", "--network", "none", "busybox"]);
    expect(await engine().ok(["inspect", "-f", "{{.HostConfig.CgroupnsMode}}", id])).toBe("private");
  });
});
