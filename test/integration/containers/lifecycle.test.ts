import { expect, test } from "bun:test";
import { engineSuite } from "../../support/suite.ts";
import { until } from "../../support/until.ts";

engineSuite("life cycle", {}, (engine) => {
  const gantry = (...args: string[]) => engine().gantry(args);
  const ok = (...args: string[]) => engine().ok(args);
  const state = (id: string) => ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", id);
  const sleeper = () => ok("run", "-d", "--network", "none", "busybox", "sleep", "1000");

  test("create, start, stop, start again, rm", async () => {
    const id = await ok(
      "create",
      "--network",
      "none",
      "busybox",
      "sh",
      "-c",
      "trap 'exit 5' TERM; echo up; while :; do sleep 0.05; done",
    );
    expect(await state(id)).toBe("created 0");
    expect(await ok("start", id)).toBe(id);
    await until("the trap to be set", async () => (await gantry("logs", id)).stdout === "up\n");
    expect(await ok("stop", id)).toBe(id);
    expect(await state(id)).toBe("exited 5");
    await ok("start", id);
    expect(await state(id)).toBe("running 0");
    expect((await gantry("rm", id)).stderr).toContain("container is running");
    await ok("rm", "-f", id);
    expect((await gantry("inspect", id)).code).toBe(1);
  });

  test("stop kills what ignores SIGTERM after the time-out", async () => {
    const id = await sleeper(); // PID 1 without a handler ignores TERM
    const start = performance.now();
    await ok("stop", "-t", "1", id);
    expect(performance.now() - start).toBeGreaterThan(900);
    expect(await state(id)).toBe("exited 137");
  });

  test("kill sends the signal that was asked for", async () => {
    const id = await ok(
      "run",
      "-d",
      "--network",
      "none",
      "busybox",
      "sh",
      "-c",
      "trap 'echo got; exit 9' USR1; echo up; while :; do sleep 0.05; done",
    );
    await until("the trap to be set", async () => (await gantry("logs", id)).stdout === "up\n");
    await ok("kill", "-s", "USR1", id);
    expect(await ok("wait", id)).toBe("9");
    expect((await gantry("kill", id)).stderr).toContain("is not running");
  });

  test("restart makes a new process in the same root", async () => {
    const id = await ok(
      "run",
      "-d",
      "--network",
      "none",
      "busybox",
      "sh",
      "-c",
      "echo start >> /count; exec sleep 1000",
    );
    const first = await ok("inspect", "-f", "{{.State.Pid}}", id);
    await ok("restart", "-t", "0", id);
    expect(await ok("inspect", "-f", "{{.State.Pid}}", id)).not.toBe(first);
    await until("the second line", async () => (await ok("exec", id, "cat", "/count")) === "start\nstart");
  });

  test("wait prints the exit codes of several containers", async () => {
    const a = await ok("run", "-d", "--network", "none", "busybox", "sh", "-c", "sleep 0.2; exit 3");
    const b = await ok("run", "-d", "--network", "none", "busybox", "sh", "-c", "exit 4");
    expect(await ok("wait", a, b)).toBe("3\n4");
  });

  test("pause freezes and unpause thaws", async () => {
    const id = await sleeper();
    await ok("pause", id);
    expect(await state(id)).toBe("paused 0");
    expect((await gantry("exec", id, "true")).stderr).toContain("is paused");
    await ok("unpause", id);
    expect(await state(id)).toBe("running 0");
  });

  test("ps shows running ones, ps -a all, with name, command and status", async () => {
    await ok("run", "-d", "--network", "none", "--name", "alive", "busybox", "sleep", "1000");
    await ok("run", "--network", "none", "--name", "done", "busybox", "sh", "-c", "exit 0");
    expect(await ok("ps", "--format", "{{.Names}}")).toBe("alive");
    expect(
      (await ok("ps", "-a", "--format", "{{.Names}} {{.Command}} {{.State}}")).split("\n").sort(),
    ).toEqual(['alive "sleep 1000" running', `done "sh -c 'exit 0'" exited`]);
    expect(await ok("ps", "-aq", "--filter", "status=exited", "--filter", "name=done")).toMatch(
      /^[0-9a-f]{12}$/,
    );
  });

  test("ids are accepted by unique prefix", async () => {
    const id = await sleeper();
    expect(await ok("inspect", "-f", "{{.Id}}", id.slice(0, 6))).toBe(id);
  });

  test("--restart on-failure runs again, as often as allowed", async () => {
    const id = await ok(
      "run",
      "-d",
      "--network",
      "none",
      "--restart",
      "on-failure:2",
      "busybox",
      "sh",
      "-c",
      "echo try; exit 1",
    );
    await until(
      "the last try",
      async () =>
        (await state(id)) === "exited 1" && (await ok("inspect", "-f", "{{.RestartCount}}", id)) === "2",
    );
    expect((await gantry("logs", id)).stdout).toBe("try\ntry\ntry\n");
  });

  test("events tell the story in Docker's order", async () => {
    const since = String(Date.now() / 1000);
    await ok("run", "--rm", "--network", "none", "--name", "teller", "busybox", "true");
    const until_ = String(Date.now() / 1000 + 0.01);
    const actions = await ok(
      "events",
      "--since",
      since,
      "--until",
      until_,
      "--filter",
      "container=teller",
      "--format",
      "{{.Action}}",
    );
    const story = actions.split("\n");
    for (const action of ["create", "attach", "start", "die", "destroy"]) expect(story).toContain(action);
    expect(story.indexOf("create")).toBeLessThan(story.indexOf("start"));
    expect(story.indexOf("start")).toBeLessThan(story.indexOf("die"));
    expect(story.indexOf("die")).toBeLessThan(story.indexOf("destroy"));
  });

  test("40 containers started at once all run and all go", async () => {
    const ids = await Promise.all(Array.from({ length: 40 }, () => sleeper()));
    expect((await ok("ps", "-q")).split("\n").length).toBe(40);
    await ok("rm", "-f", ...ids);
    expect(await ok("ps", "-aq")).toBe("");
  });
});
