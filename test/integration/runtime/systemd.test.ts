/** gantry-runc with `--systemd-cgroup` under a real systemd: scopes, their limits as properties, and what is left of them. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { run } from "../../support/run.ts";
import { describeWith } from "../../support/requires.ts";
import { Runtime } from "../../support/runtime.ts";
import { until } from "../../support/until.ts";

const MIB = 1 << 20;
const isV2 = existsSync("/sys/fs/cgroup/cgroup.controllers");

describeWith("gantry-runc --systemd-cgroup", ["root", "busybox", "native", "systemd"], () => {
  const runtime = new Runtime();
  const unitOf = (name: string): string => `${runtime.cgroup}-${name}.scope`;
  const bundle = (name: string, args: readonly string[], resources: object = {}): string =>
    runtime.bundle({ args, linux: { cgroupsPath: `system.slice:${runtime.cgroup}:${name}`, resources } });
  const sleeper = (name: string, resources: object = {}): string =>
    bundle(name, ["sleep", "1000"], resources);
  const start = (...words: string[]): Promise<number> => runtime.start("--systemd-cgroup", ...words);
  const call = (...words: string[]) => runtime.call(["--systemd-cgroup", ...words]);

  async function property(unit: string, name: string): Promise<string> {
    return (await run(["systemctl", "show", "-P", name, unit])).stdout.trim();
  }
  async function units(): Promise<string> {
    const found = await run([
      "systemctl",
      "list-units",
      "--all",
      "--plain",
      "--no-legend",
      `${runtime.cgroup}*`,
    ]);
    expect(found.code).toBe(0);
    return found.stdout.trim();
  }
  const cgroupOf = (pid: number): string => readFileSync(`/proc/${pid}/cgroup`, "utf8");
  /** In v1's other hierarchies systemd moves whom it likes while a scope begins. */
  const bySystemd = (pid: number): string | undefined =>
    cgroupOf(pid)
      .split("\n")
      .find((line) => /^\d+:(name=systemd)?:/.test(line));
  const pidOf = async (id: string): Promise<number> => Number((await runtime.state(id))["pid"]);
  const whenStopped = (id: string): Promise<void> =>
    until(`${id} to stop`, async () => (await runtime.state(id))["status"] === "stopped");

  beforeAll(() => runtime.open());
  afterEach(async () => {
    // What a failed test left shall not fail those after it.
    const left = (await runtime.ok("list", "-q")).split("\n").filter(Boolean);
    for (const id of left) await runtime.ok("delete", "--force", id);
    await until(`nothing to be left: ${runtime.remains().join(", ")}`, () => runtime.remains().length === 0);
    await until("every scope to be gone", async () => (await units()) === "");
    expect(left).toEqual([]);
  });
  afterAll(() => runtime.close());

  test("run: in the scope, and the same name again and again", async () => {
    const path = bundle("r", ["sh", "-c", "cat /proc/self/cgroup; exit 3"]);
    for (let round = 0; round < 3; round++) {
      const { code, stdout, stderr } = await call("run", "-b", path, "r");
      expect({ code, stderr }).toEqual({ code: 3, stderr: "" });
      expect(stdout).toContain(`/system.slice/${unitOf("r")}\n`);
    }
  });

  test("run: whoever waits for the container has gone home", async () => {
    const runner = runtime.spawn(["--systemd-cgroup", "run", "-b", sleeper("h"), "h"]);
    await until(
      "it to run",
      async () => (await units()) !== "" && existsSync(join(runtime.root, "h", "pid")),
    );
    await until("it to be alone", () => !cgroupOf(runner.pid ?? 0).includes(unitOf("h")));
    expect(bySystemd(runner.pid ?? 0)).toBe(bySystemd(process.pid));
    expect(cgroupOf(await pidOf("h"))).toContain(unitOf("h"));
    await runtime.ok("kill", "h", "KILL");
    await until("the runner to end", () => runner.exitCode !== null);
    expect(runner.exitCode).toBe(137);
  });

  test("create, start, exec, update, pause, delete; limits are properties, and stay when systemd reloads", async () => {
    const resources = {
      memory: { limit: 64 * MIB },
      pids: { limit: 50 },
      cpu: { quota: 50_000, period: 100_000, shares: 512 },
    };
    const unit = unitOf("c");
    const dirs = (): string[] =>
      JSON.parse(readFileSync(join(runtime.root, "c", "container.json"), "utf8")).cgroupDirs;
    const file = (name: string): string => {
      const dir = dirs().find((each) => existsSync(join(each, name)));
      return dir === undefined ? "missing" : readFileSync(join(dir, name), "utf8").trim();
    };
    expect(await start("create", "-b", sleeper("c", resources), "c")).toBe(0);
    const pid = await pidOf("c");
    expect(file("cgroup.procs")).toBe(String(pid));
    const names = ["Slice", "Delegate", isV2 ? "MemoryMax" : "MemoryLimit", "TasksMax"];
    const read = (): Promise<string[]> => Promise.all(names.map((name) => property(unit, name)));
    const limits = (): string[] =>
      isV2
        ? [file("memory.max"), file("pids.max"), file("cpu.max")]
        : [
            file("memory.limit_in_bytes"),
            file("pids.max"),
            `${file("cpu.cfs_quota_us")} ${file("cpu.cfs_period_us")}`,
          ];
    expect(await read()).toEqual(["system.slice", "yes", String(64 * MIB), "50"]);
    expect(await property(unit, "CPUQuotaPerSecUSec")).toBe("500ms");
    expect(await property(unit, "DevicePolicy")).toBe("strict");
    expect(limits()).toEqual([String(64 * MIB), "50", "50000 100000"]);
    expect(await start("start", "c")).toBe(0);
    expect(await runtime.ok("exec", "c", "cat", "/proc/self/cgroup")).toContain(unit);

    await runtime.ok("update", "--memory", String(80 * MIB), "--pids-limit", "60", "c");
    expect(await read()).toEqual(["system.slice", "yes", String(80 * MIB), "60"]);
    expect((await run(["systemctl", "daemon-reload"])).code).toBe(0);
    expect(limits()).toEqual([String(80 * MIB), "60", "50000 100000"]);

    await runtime.ok("pause", "c");
    expect(await runtime.state("c")).toMatchObject({ status: "paused", pid });
    await runtime.ok("resume", "c");
    expect(JSON.parse(await runtime.ok("ps", "-f", "json", "c"))).toEqual([pid]);
    expect(JSON.parse(await runtime.ok("events", "--stats", "c"))).toMatchObject({
      data: { pids: { current: 1, limit: 60 } },
    });
    await runtime.ok("kill", "c", "KILL");
    await whenStopped("c");
    await until("the scope to end by itself", async () => (await units()) === "");
    await runtime.ok("delete", "c");
  });

  test("delete --force ends what runs, a paused one, too", async () => {
    expect(await start("run", "-d", "-b", sleeper("d"), "d")).toBe(0);
    await runtime.ok("pause", "d");
    await runtime.ok("delete", "--force", "d");
    expect(await units()).toBe("");
    expect(await start("create", "-b", sleeper("d"), "d")).toBe(0);
    await runtime.ok("delete", "d");
    expect(await units()).toBe("");
  });

  test("a runner that is killed leaves a container for delete --force", async () => {
    const runner = runtime.spawn(["--systemd-cgroup", "run", "-b", sleeper("k"), "k"]);
    await until("it to run", async () => {
      const { code, stdout } = await runtime.call(["state", "k"]);
      return code === 0 && JSON.parse(stdout).status === "running";
    });
    runner.kill("SIGKILL");
    await until("the runner to end", () => runner.signalCode !== null);
    expect(await runtime.state("k")).toMatchObject({ status: "running" });
    await runtime.ok("delete", "--force", "k");
    expect(await units()).toBe("");
  });

  test("killed anywhere in its creation, delete --force finds everything", async () => {
    const path = sleeper("a");
    const left = new Set<string>();
    // A whole creation, measured, is the range of moments to kill at.
    const began = performance.now();
    expect(await start("create", "-b", path, "a")).toBe(0);
    const wholeMs = performance.now() - began;
    await runtime.ok("delete", "-f", "a");
    for (let part = 1; part <= 8; part++) {
      const creator = runtime.spawn(["--systemd-cgroup", "create", "-b", path, "a"]);
      await pause((wholeMs * part) / 8);
      creator.kill("SIGKILL");
      await until("it to end", () => creator.signalCode !== null || creator.exitCode !== null);
      left.add((await runtime.call(["state", "a"])).code === 0 ? "a container" : "nothing");
      await runtime.ok("delete", "--force", "a");
      await until("the scope to be gone", async () => (await units()) === "");
    }
    expect(left).toContain("a container");
  });

  test("limits hardly larger than one process leave room for its start", async () => {
    for (const resources of [{ pids: { limit: 2 } }, { memory: { limit: 6 * MIB } }]) {
      const { code, stderr } = await call("run", "-b", bundle("s", ["true"], resources), "s");
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    }
  });

  test("a slice of its own, with its levels", async () => {
    const slice = `gantrytest${process.pid}-sub.slice`;
    const path = runtime.bundle({
      args: ["cat", "/proc/self/cgroup"],
      linux: { cgroupsPath: `${slice}:${runtime.cgroup}:l` },
    });
    const { code, stdout, stderr } = await call("run", "-b", path, "l");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain(`/gantrytest${process.pid}.slice/${slice}/${unitOf("l")}\n`);
    await run(["systemctl", "stop", slice, `gantrytest${process.pid}.slice`]);
  });

  test("a failed start leaves neither scope nor container", async () => {
    const { code, stderr } = await call("run", "-b", bundle("f", ["/nope"]), "f");
    expect(code).toBe(1);
    expect(stderr).toContain("/nope");
    expect((await runtime.call(["state", "f"])).code).toBe(1);
  });

  test("a unit that lives is refused, and lives on", async () => {
    expect(await start("run", "-d", "-b", sleeper("u"), "u1")).toBe(0);
    const { code, stderr } = await call("run", "-b", sleeper("u"), "u2");
    expect([code, stderr]).toEqual([1, expect.stringContaining("cgroup is not empty")]);
    expect(await runtime.state("u1")).toMatchObject({ status: "running" });
    await runtime.ok("delete", "-f", "u1");
  });

  test("each driver refuses the other's notation", async () => {
    const path = runtime.bundle({ args: ["true"] });
    expect((await call("run", "-b", path, "n")).stderr).toContain('not of the form "slice:prefix:name"');
    expect((await runtime.call(["run", "-b", sleeper("n"), "n"])).stderr).toContain(
      "only the systemd driver",
    );
  });

  test("the only process of a scope is refused: that scope would be gone when it comes back", async () => {
    const words = ["systemd-run", "--scope", "--quiet"];
    const runc = [runtime.program, "--root", runtime.root, "--systemd-cgroup", "run", "-b"];
    const path = bundle("o", ["echo", "x"]);
    const alone = await run([...words, ...runc, path, "o"]);
    expect([alone.code, alone.stderr]).toEqual([
      1,
      expect.stringContaining("would end while its only process"),
    ]);
    const script = `${[...runc, path, "o"].join(" ")}; exit $?`;
    const { code, stdout, stderr } = await run([...words, "sh", "-c", script]);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "x\n", stderr: "" });
  });

  test("as the main process of a service it comes back to it", async () => {
    const unit = `${runtime.cgroup}-service.service`;
    const words = ["systemd-run", "--wait", "--quiet", "--service-type=exec"];
    const runc = [runtime.program, "--root", runtime.root, "--systemd-cgroup", "run", "-b"];
    const done = await run([...words, `--unit=${unit}`, ...runc, bundle("v", ["sh", "-c", "exit 4"]), "v"]);
    expect(done.code).toBe(4);
    await run(["systemctl", "reset-failed", unit]);
  });

  test("a scope whose container has ended is waited for, not taken for another's", async () => {
    const path = bundle("w", ["true"]);
    expect(await start("run", "-d", "--keep", "-b", path, "w1")).toBe(0);
    await whenStopped("w1");
    expect(await call("run", "-b", path, "w2")).toMatchObject({ code: 0, stderr: "" });
    await runtime.ok("delete", "w1");
  });
});
