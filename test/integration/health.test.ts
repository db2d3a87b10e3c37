/** Health checks and restart policies on real processes; what needs no kernel is in src/api/routes/health.test.ts. */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { engineSuite } from "../support/suite.ts";
import { until } from "../support/until.ts";

engineSuite("health checks", {}, (engine) => {
  const gantry = (...args: string[]) => engine().gantry(args);
  const ok = (...args: string[]) => engine().ok(args);
  const inspect = (id: string, format: string) => ok("inspect", "-f", format, id);
  const status = (id: string) => inspect(id, "{{.State.Health.Status}}");
  const becomes = (id: string, wanted: string) =>
    until(`${id} to be ${wanted}`, async () => (await status(id)) === wanted);
  const run = (flags: string, ...command: string[]) =>
    ok(...`run -d --network none ${flags}`.split(" "), "busybox", ...command);
  const checked = (check: string, flags = "") => {
    const words = `run -d --network none --health-interval 100ms ${flags}`.trim().split(" ");
    return ok(...words, "--health-cmd", check, "busybox", "sleep", "1000");
  };
  const processes = (id: string) => ok("top", id, "-eo", "pid,args");

  test("a container becomes healthy, unhealthy and healthy again", async () => {
    const since = (Date.now() / 1000 - 1).toFixed(3);
    const id = await checked("echo out; echo err >&2; test -e /ok", "--health-retries 2");
    await becomes(id, "unhealthy");
    expect(
      await inspect(id, "{{(index .State.Health.Log 0).ExitCode}} {{(index .State.Health.Log 0).Output}}"),
    ).toBe("1 out\nerr");
    expect(await ok("ps", "--filter", "health=unhealthy", "--format", "{{.Status}}")).toContain(
      "(unhealthy)",
    );
    await ok("exec", id, "touch", "/ok");
    await becomes(id, "healthy");
    expect(await inspect(id, "{{.State.Health.FailingStreak}}")).toBe("0");
    const events = await ok(
      "events",
      "--since",
      since,
      "--until",
      (Date.now() / 1000 + 0.1).toFixed(3),
      "--format",
      "{{.Action}}",
    );
    const told = events.split("\n").filter((action) => action.startsWith("health_status"));
    expect(told).toEqual(["health_status: unhealthy", "health_status: healthy"]);
  });

  test("the stock client's flags, lists and filters", async () => {
    const docker = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await engine().docker(args);
      if (code !== 0) throw new Error(stderr);
      return stdout.trim();
    };
    const flags =
      "--health-cmd true --health-interval 100ms --health-timeout 5s --health-start-period 1s --health-start-interval 50ms --health-retries 4";
    const id = await docker(...`run -d --network none ${flags} busybox sleep 1000`.split(" "));
    await becomes(id, "healthy");
    expect(await docker("ps", "-q", "--no-trunc", "--filter", "health=healthy")).toBe(id);
    expect(await docker("inspect", "-f", "{{json .Config.Healthcheck}}", id)).toBe(
      '{"Test":["CMD-SHELL","true"],"Interval":100000000,"Timeout":5000000000,"StartPeriod":1000000000,"StartInterval":50000000,"Retries":4}',
    );
  });

  test("an image's check runs in the container and nowhere else, as its user", async () => {
    const made = await ok("create", "--network", "none", "busybox", "sleep", "1000");
    await ok(
      "commit",
      "-c",
      "USER 7:8",
      "-c",
      "HEALTHCHECK --interval=100ms CMD id; readlink /proc/self/ns/mnt",
      made,
      "checked",
    );
    const id = await ok("run", "-d", "--network", "none", "checked");
    await becomes(id, "healthy");
    const output = await inspect(id, "{{(index .State.Health.Log 0).Output}}");
    expect(output).toBe(`uid=7 gid=8 groups=8\n${await ok("exec", id, "readlink", "/proc/1/ns/mnt")}`);
    const unchecked = await ok("run", "-d", "--network", "none", "--no-healthcheck", "checked");
    expect(await inspect(unchecked, "{{json .State.Health}}")).toBe("null");
    await ok("rm", "-f", id, unchecked);
    await ok("rmi", "checked");
  });

  test("a probe is killed when its time is up", async () => {
    const id = await checked("echo $$; exec sleep 77", "--health-timeout 300ms");
    await until("its result", async () => (await inspect(id, "{{len .State.Health.Log}}")) !== "0");
    const output = await inspect(
      id,
      "{{(index .State.Health.Log 0).ExitCode}} {{(index .State.Health.Log 0).Output}}",
    );
    const [, pid = ""] = /^-1 Health check exceeded timeout \(300ms\): (\d+)$/.exec(output) ?? [];
    expect((await gantry("exec", id, "kill", "-0", pid)).stderr).toContain("No such process");
  });

  test("a pause ends the probe that runs, and stop does not wait for it", async () => {
    const id = await checked("exec sleep 77");
    await until("the probe to run", async () => (await processes(id)).includes("sleep 77"));
    await ok("pause", id);
    expect(await status(id)).toBe("unhealthy");
    await ok("unpause", id);
    await until("the next probe to run", async () => (await processes(id)).includes("sleep 77"));
    await ok("stop", "-t", "0", id);
    expect(await inspect(id, "{{.State.Status}} {{.State.Health.Status}}")).toBe("exited unhealthy");
  });

  test("what was found outlives a daemon that is killed, and probes go on", async () => {
    const id = await checked("test -e /ok", "--health-retries 1");
    await ok("exec", id, "touch", "/ok");
    await becomes(id, "healthy");
    await engine().kill9();
    await engine().launch();
    expect(await status(id)).toBe("healthy");
    await ok("exec", id, "rm", "/ok");
    await becomes(id, "unhealthy");
  });

  test("a daemon that ends in order leaves no probe behind", async () => {
    const id = await checked("echo $$ >> /pids; exec sleep 77");
    await until("the probe to run", async () => (await processes(id)).includes("sleep 77"));
    await engine().restart();
    const [pid = ""] = (await ok("exec", id, "cat", "/pids")).split("\n");
    expect((await gantry("exec", id, "kill", "-0", pid)).stderr).toContain("No such process");
    await until("the next probe", async () => (await ok("exec", id, "wc", "-l", "/pids")).startsWith("2 "));
  });

  test("an unhealthy container is started again, with pauses between", async () => {
    const id = await checked(
      "test -e /ok",
      "--health-retries 1 --health-on-failure restart --stop-signal KILL",
    );
    await until("the third start", async () => Number(await inspect(id, "{{.RestartCount}}")) >= 2);
    await ok("stop", id);
    expect(await inspect(id, "{{.State.Status}}")).toBe("exited");
    await ok("start", id);
    await ok("exec", id, "touch", "/ok");
    await becomes(id, "healthy");
    expect(await inspect(id, "{{.RestartCount}}")).toBe("0");
  });

  test("a container that waits for its restart is killed, stopped and removed", async () => {
    const ends = [["kill"], ["kill", "-s", "USR1"], ["stop"], ["rm", "-f"]];
    for (const [verb = "", ...flags] of ends) {
      const id = await run("--restart always", "sh", "-c", "exit 3");
      const restarting = async (): Promise<boolean> =>
        (await inspect(id, "{{.State.Status}}")) === "restarting" &&
        Number(await inspect(id, "{{.RestartCount}}")) > 2;
      await until("a longer pause", restarting);
      expect(await inspect(id, "{{.State.Running}} {{.State.Pid}} {{.State.ExitCode}}")).toBe("true 0 3");
      await ok(verb, ...flags, id);
      if (verb === "rm") expect((await gantry("inspect", id)).code).toBe(1);
      else expect(await inspect(id, "{{.State.Status}} {{.State.ExitCode}}")).toBe("exited 3");
    }
  });

  test("a signal that is not the stop signal leaves always and on-failure in force, and not unless-stopped", async () => {
    const script = "trap 'exit 5' USR1; echo up; while :; do sleep 0.02; done";
    for (const [policy, restarts] of [
      ["always", true],
      ["on-failure", true],
      ["unless-stopped", false],
    ] as const) {
      const id = await run(`--restart ${policy} --stop-signal QUIT`, "sh", "-c", script);
      await until("the trap to be set", async () => (await gantry("logs", id)).stdout === "up\n");
      await ok("kill", "-s", "USR1", id);
      await until(
        "its effect",
        async () =>
          (await inspect(id, "{{.State.Status}} {{.RestartCount}}")) ===
          (restarts ? "running 1" : "exited 0"),
      );
    }
  });

  test("what ended while there was no daemon is started again as its policy says", async () => {
    const script = "test -e /up || { touch /up; exec sleep 1; }; exec sleep 1000";
    const ids = new Map<string, string>();
    for (const policy of ["no", "always", "unless-stopped", "on-failure"])
      ids.set(policy, await run(`--restart ${policy}`, "sh", "-c", script));
    for (const policy of ["always", "unless-stopped"]) {
      const id = await run(`--restart ${policy} --stop-signal KILL`, "sleep", "1000");
      await ok("stop", id);
      ids.set(`${policy}, stopped`, id);
    }
    const pids = await Promise.all([...ids.values()].map((id) => inspect(id, "{{.State.Pid}}")));
    await engine().kill9();
    await until("all to end", () => pids.every((pid) => pid === "0" || !existsSync(`/proc/${pid}`)));
    await engine().launch();
    const found = (name: string) => inspect(ids.get(name) ?? "", "{{.State.Status}} {{.State.ExitCode}}");
    for (const name of ["always", "unless-stopped", "always, stopped"])
      await until(name, async () => (await found(name)) === "running 0");
    expect(await found("no")).toBe("exited 0");
    expect(await found("on-failure")).toBe("exited 0");
    expect(await found("unless-stopped, stopped")).toBe("exited 137");
  });
});
