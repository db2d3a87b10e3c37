/**
 * One container that is stuck, in every way there is: whoever asks something of it gets an answer or an error in time, and nobody
 * else notices. "Quick" is measured against the same commands on the same engine before anything was stuck.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { pids, read } from "../../support/leak-check.ts";
import { program } from "../../support/programs.ts";
import type { Finished } from "../../support/run.ts";
import { engineSuite } from "../../support/suite.ts";
import { SLOWNESS, until } from "../../support/until.ts";

/** What a stuck container's own requests may take: several deadlines of the engine's, one after the other. */
const BOUND_MS = 60_000 * SLOWNESS;
/** Twenty times what it takes alone is a busy machine, not somebody who waits: that would be seconds. */
const FACTOR = 20;
const SAMPLES = 7;

engineSuite("a stuck container", { needs: ["cc"] }, (engine) => {
  const ok = (...args: string[]): Promise<string> => engine().ok(args, { timeoutMs: BOUND_MS });

  /** A command on what is stuck: whether it succeeds does not matter, that it ends does. */
  async function ends(...args: string[]): Promise<Finished> {
    return await engine().gantry(args, { timeoutMs: BOUND_MS });
  }

  const others: readonly (readonly string[])[] = [
    ["run", "--rm", "--network", "none", "busybox", "true"],
    ["ps", "-a"],
    ["inspect", "neighbour"],
    ["version"],
    ["exec", "neighbour", "true"],
  ];

  async function timeOf(args: readonly string[]): Promise<number> {
    const began = performance.now();
    await engine().ok(args, { timeoutMs: BOUND_MS });
    return performance.now() - began;
  }

  async function median(args: readonly string[]): Promise<number> {
    const times: number[] = [];
    for (let n = 0; n < SAMPLES; n++) times.push(await timeOf(args));
    return times.toSorted((a, b) => a - b)[Math.floor(SAMPLES / 2)] ?? 0;
  }

  /** Does `work` while others use the engine, and compares what they wait with what they waited before. */
  async function unnoticed(stuck: () => Promise<void>, work: () => Promise<unknown>): Promise<void> {
    await ok("run", "-d", "--name", "neighbour", "--network", "none", "busybox", "sleep", "1000");
    const alone: number[] = [];
    for (const args of others) alone.push(await median(args));
    await stuck();
    const outcomes: unknown[] = [];
    const end = (outcome: unknown): void => void outcomes.push(outcome);
    void work().then(() => end("done"), end);
    const slow: string[] = [];
    do {
      for (const [n, args] of others.entries()) {
        const ms = await timeOf(args);
        const limit = (alone[n] ?? 0) * FACTOR;
        if (ms > limit) slow.push(`${args.join(" ")}: ${ms.toFixed(0)} ms, alone ${alone[n]?.toFixed(0)} ms`);
      }
    } while (outcomes.length === 0);
    expect(outcomes).toEqual(["done"]);
    expect(slow).toEqual([]);
  }

  const run = (name: string, ...words: string[]): Promise<string> =>
    ok("run", "-d", "--name", name, "--network", "none", ...words);

  async function hostPid(name: string): Promise<number> {
    return Number(await ok("inspect", "-f", "{{.State.Pid}}", name));
  }

  test("that is paused", async () => {
    await unnoticed(
      async () => {
        await run("stuck", "busybox", "sleep", "1000");
        await ok("pause", "stuck");
      },
      async () => {
        await Promise.all([
          ends("exec", "stuck", "true"),
          ends("attach", "stuck"),
          ends("stats", "--no-stream", "stuck"),
          ends("top", "stuck"),
          ends("inspect", "-s", "stuck"),
          ends("cp", "stuck:/etc/passwd", "-"),
          ends("logs", "stuck"),
        ]);
        expect((await ends("stop", "-t", "1", "stuck")).code).toBe(0);
        expect((await ends("rm", "-f", "stuck")).code).toBe(0);
      },
    );
  }, 180_000);

  test("whose output nobody reads", async () => {
    let client: Socket | undefined;
    await unnoticed(
      async () => {
        const id = await run(
          "stuck",
          "busybox",
          "sh",
          "-c",
          "trap '' TERM; sleep 1; while :; do cat /bin/busybox; done",
        );
        client = connect({ path: engine().socket });
        client.on("error", () => {});
        client.write(
          `POST /containers/${id}/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`,
        );
        client.pause();
        const log = await ok("inspect", "-f", "{{.LogPath}}", "stuck");
        let size = -1;
        await until(
          "its output to stand still",
          async () => {
            await new Promise((resolve) => setTimeout(resolve, 500));
            const before = size;
            size = read(log).length;
            return size > 0 && size === before;
          },
          BOUND_MS,
        );
      },
      async () => {
        await Promise.all([
          ends("exec", "stuck", "true"),
          ends("stats", "--no-stream", "stuck"),
          ends("top", "stuck"),
          ends("inspect", "-s", "stuck"),
          ends("cp", "stuck:/etc/passwd", "-"),
          ends("logs", "--tail", "1", "stuck"),
        ]);
        expect((await ends("stop", "-t", "2", "stuck")).code).toBe(0);
        expect((await ends("rm", "-f", "stuck")).code).toBe(0);
      },
    );
    client?.destroy();
  }, 180_000);

  test("that the kernel does not let go of", async () => {
    const deaf = await DeafFileSystem.mount(await engine().inHost([await program("deaf-fs")]));
    try {
      await unnoticed(
        async () => {
          await run("old", "-v", `${deaf.path}:/deaf`, "busybox", "true");
          await ok("wait", "old");
          await run("stuck", "-v", `${deaf.path}:/deaf`, "busybox", "cat", "/deaf/file");
          const pid = await hostPid("stuck");
          await until(
            "it to wait for what never comes",
            () =>
              / [DS] /.test(read(`/proc/${pid}/stat`)) && read(`/proc/${pid}/wchan`).startsWith("request"),
          );
        },
        async () => {
          await Promise.all([
            ends("exec", "stuck", "true"),
            ends("stats", "--no-stream", "stuck"),
            ends("top", "stuck"),
            ends("inspect", "-s", "stuck"),
            ends("ps", "-s"),
            ends("logs", "--tail", "1", "stuck"),
            ends("cp", "stuck:/deaf/file", "-"),
            ends("cp", "/etc/hostname", "stuck:/deaf/"),
            ends("cp", "/etc/hostname", "stuck:/tmp/"),
            ends("cp", "old:/deaf/file", "-"),
            ends("cp", "/etc/hostname", "old:/deaf/"),
            ends("stop", "-t", "3", "stuck"),
            ends("rm", "-f", "stuck"),
            ends("pause", "stuck"),
            ends("start", "old"),
            ...Array.from({ length: 8 }, () =>
              ends(
                "create",
                "--mount",
                `type=bind,source=${deaf.path}/other,target=/x`,
                "--network",
                "none",
                "busybox",
                "true",
              ),
            ),
            ...Array.from({ length: 8 }, () =>
              ends("run", "-d", "-v", `${deaf.path}/other:/x`, "--network", "none", "busybox", "true"),
            ),
          ]);
          await ends("rm", "-f", "old");
        },
      );
    } finally {
      await deaf.end();
    }
    await ends("rm", "-f", "stuck");
  }, 300_000);

  test("whose shim stands still", async () => {
    let shim = 0;
    await unnoticed(
      async () => {
        const id = await run("stuck", "busybox", "sleep", "1000");
        shim = shimOf(id);
        process.kill(shim, "SIGSTOP");
      },
      async () => {
        await Promise.all([
          ends("exec", "stuck", "true"),
          ends("attach", "stuck"),
          ends("stats", "--no-stream", "stuck"),
          ends("top", "stuck"),
          ends("inspect", "-s", "stuck"),
          ends("logs", "stuck"),
          ends("cp", "stuck:/etc/passwd", "-"),
          ends("kill", "-s", "USR1", "stuck"),
          ends("stop", "-t", "2", "stuck"),
          ends("rm", "-f", "stuck"),
        ]);
      },
    ).finally(() => process.kill(shim, "SIGCONT"));
    await until("it to end", async () => (await ok("ps", "-q", "--filter", "name=stuck")) === "");
  }, 300_000);

  test("with a thousand children that nobody has buried", async () => {
    const unburied = await program("unburied");
    await unnoticed(
      async () => {
        await run("stuck", "-v", `${unburied}:/unburied:ro`, "busybox", "/unburied", "1000");
        const pid = await hostPid("stuck");
        await until(
          "a thousand zombies",
          () => pids().filter((child) => read(`/proc/${child}/stat`).includes(` Z ${pid} `)).length >= 1000,
          BOUND_MS,
        );
      },
      async () => {
        await Promise.all([
          ends("exec", "stuck", "true"),
          ends("top", "stuck"),
          ends("stats", "--no-stream", "stuck"),
        ]);
        const began = performance.now();
        expect((await ends("stop", "-t", "2", "stuck")).code).toBe(0);
        expect(performance.now() - began).toBeLessThan(12_000 * SLOWNESS);
      },
    );
  }, 180_000);

  function shimOf(id: string): number {
    for (const pid of pids())
      if (
        read(`/proc/${pid}/cmdline`).split("\0").includes(id) &&
        read(`/proc/${pid}/comm`) === "gantry-shim\n"
      )
        return Number(pid);
    throw new Error("the container has no shim");
  }
});

/** Its file is answered by nobody, once somebody has begun to read it. */
class DeafFileSystem {
  readonly path: string;
  readonly #server: ChildProcess;

  private constructor(path: string, server: ChildProcess) {
    this.path = path;
    this.#server = server;
  }

  static async mount(command: readonly string[]): Promise<DeafFileSystem> {
    const path = mkdtempSync(join(tmpdir(), "deaf-"));
    const server = spawn(command[0] ?? "", [...command.slice(1), path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    server.stdout?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    await until("the file system", () => said.includes("mounted"));
    return new DeafFileSystem(path, server);
  }

  /** Who waits for an answer gets an error. */
  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.#server.once("exit", resolve));
    this.#server.kill("SIGKILL");
    await ended;
    rmSync(this.path, { recursive: true, force: true });
  }
}
