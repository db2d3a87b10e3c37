import { expect, test } from "bun:test";
import { sha256 } from "../../support/images.ts";
import { seeded } from "../../support/random.ts";
import { engineSuite } from "../../support/suite.ts";
import { SLOWNESS, until } from "../../support/until.ts";

engineSuite("live restore", {}, (engine) => {
  const ok = (...args: string[]) => engine().ok(args);
  const counter = "i=0; while :; do echo $i; i=$((i+1)); done";

  test("kill -9 of the daemon while 10 containers write: none dies, no line is lost or doubled", async () => {
    const random = seeded("restore test");
    // Long enough to be interrupted often; on a slow machine restarts take longer, too, so not shorter in proportion.
    const lines = Math.ceil(200_000 / Math.sqrt(SLOWNESS));
    const script = (n: number): string =>
      `i=0; while [ $i -lt ${lines} ]; do echo $i; i=$((i+1)); done; exit ${n}`;
    const ids = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        ok("run", "-d", "--network", "none", "--name", `writer${n}`, "busybox", "sh", "-c", script(n)),
      ),
    );
    let kills = 0;
    for (let running = 10; running > 0; kills++) {
      await new Promise((resolve) => setTimeout(resolve, random() * 200));
      await engine().kill9();
      await engine().launch();
      running = (await ok("ps", "-q")).split("\n").filter((id) => id !== "").length;
    }
    expect(kills).toBeGreaterThan(SLOWNESS === 1 ? 2 : 0); // else they were too quick to be interrupted
    expect((await ok("wait", ...ids)).split("\n")).toEqual(Array.from({ length: 10 }, (_, n) => String(n)));
    const expected = sha256(Buffer.from(Array.from({ length: lines }, (_, i) => `${i}\n`).join("")));
    for (const id of ids)
      expect(sha256(Buffer.from((await engine().gantry(["logs", id])).stdout))).toBe(expected);
  });

  test("a running container keeps its process, and everything works on it afterwards", async () => {
    const id = await ok("run", "-d", "-i", "--network", "none", "busybox", "cat");
    const pid = await ok("inspect", "-f", "{{.State.Pid}} {{.State.StartedAt}}", id);
    await engine().kill9();
    await engine().launch();
    expect(await ok("inspect", "-f", "{{.State.Pid}} {{.State.StartedAt}}", id)).toBe(pid);
    expect((await engine().gantry(["exec", id, "echo", "alive"])).stdout).toBe("alive\n");
    await ok("pause", id);
    await engine().restart();
    expect(await ok("inspect", "-f", "{{.State.Status}}", id)).toBe("paused");
    await ok("unpause", id);
    await ok("stop", "-t", "0", id);
  });

  test("exit codes of those that ended meanwhile are right, and --rm is honoured", async () => {
    const id = await ok(
      "run",
      "-d",
      "--network",
      "none",
      "busybox",
      "sh",
      "-c",
      "sleep 0.3; echo last words; exit 42",
    );
    await ok("run", "-d", "--rm", "--name", "fleeting", "--network", "none", "busybox", "sleep", "0.3");
    await engine().kill9();
    await new Promise((resolve) => setTimeout(resolve, 800)); // both end while nobody looks: that is the subject
    await engine().launch();
    expect(await ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", id)).toBe("exited 42");
    expect((await engine().gantry(["logs", id])).stdout).toBe("last words\n");
    await until("the removal", async () => (await engine().gantry(["inspect", "fleeting"])).code === 1);
  });

  test("a killed shim takes its container along, and the engine says so", async () => {
    const id = await ok("run", "-d", "--network", "none", "busybox", "sleep", "1000");
    const pid = Number(await ok("inspect", "-f", "{{.State.Pid}}", id));
    const { readFileSync, existsSync } = await import("node:fs");
    const parent = Number(/PPid:\t(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
    process.kill(parent, "SIGKILL");
    await until(
      "the state to follow",
      async () => (await ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", id)) === "exited 137",
    );
    await until("the process to be gone", () => !existsSync(`/proc/${pid}`));
  });

  test("a second daemon on the same root is refused by name", async () => {
    const { run } = await import("../../support/run.ts");
    const { GANTRY } = await import("../../support/engine.ts");
    const { join } = await import("node:path");
    const done = await run([
      GANTRY,
      "daemon",
      "--host",
      `unix://${engine().dir}/second`,
      "--data-root",
      join(engine().dir, "data"),
      "--exec-root",
      join(engine().dir, "run2"),
    ]);
    expect(done.code).not.toBe(0);
    expect(done.stderr).toContain(String(engine().pid));
  });

  test("an endless writer goes on through a restart of the daemon", async () => {
    const id = await ok(
      "run",
      "-d",
      "--network",
      "none",
      "--log-opt",
      "max-size=1m",
      "busybox",
      "sh",
      "-c",
      counter,
    );
    await engine().restart();
    const first = Number((await engine().gantry(["logs", "--tail", "1", id])).stdout);
    await until(
      "more lines",
      async () => Number((await engine().gantry(["logs", "--tail", "1", id])).stdout) > first,
    );
  });
});
