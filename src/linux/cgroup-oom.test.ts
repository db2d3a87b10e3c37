import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { oomKills } from "./cgroup-oom.ts";
import { controllerDir } from "./cgroup-paths.ts";
import { updateCgroup } from "./cgroup-update.ts";
import { readHostFacts } from "./host-facts.ts";

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "cgroup-oom-"));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const put = (file: string, text: string): void => writeFileSync(join(dir, file), text);
/** Does `act` with 1, 2, 3 ... until the promise has settled: nobody says when a watch stands. */
async function whileWaiting<T>(promise: Promise<T>, act: (round: number) => void): Promise<T> {
  const state = { isSettled: false };
  const settled = promise.finally(() => {
    state.isSettled = true;
  });
  for (let round = 1; !state.isSettled; round++) {
    act(round);
    await pause(5);
  }
  return settled;
}

test("oomKills() tells each growth on v1 until the cgroup is gone", async () => {
  put("cgroup.procs", "");
  put("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
  const kills = oomKills([dir], { signal: new AbortController().signal, pollMs: 5 });
  const first = await whileWaiting(kills.next(), (round) =>
    put("memory.oom_control", `oom_kill_disable 0\nunder_oom 0\noom_kill ${3 + round}\n`),
  );
  expect(first.value).toBeGreaterThan(3n);
  const next = kills.next();
  rmSync(join(dir, "memory.oom_control"));
  expect(await next).toEqual({ done: true, value: undefined });
});

test("oomKills() hears v2's announcement at once, and ends when nobody is left", async () => {
  put("cgroup.controllers", "memory\n");
  put("cgroup.events", "populated 1\nfrozen 0\n");
  put("memory.events", "oom 0\noom_kill 0\n");
  const kills = oomKills([dir], { signal: new AbortController().signal, pollMs: 60_000 });
  const first = await whileWaiting(kills.next(), (round) =>
    put("memory.events", `oom 1\noom_kill ${round}\n`),
  );
  expect(first.value).toBeGreaterThan(0n);
  const next = kills.next();
  put("cgroup.events", "populated 0\nfrozen 0\n");
  expect(await next).toEqual({ done: true, value: undefined });
});

test("oomKills() ends with its signal", async () => {
  put("memory.oom_control", "oom_kill 0\n");
  const stop = new AbortController();
  const kills = oomKills([dir], { signal: stop.signal, pollMs: 60_000 });
  const first = whileWaiting(kills.next(), () => stop.abort());
  expect(await first).toEqual({ done: true, value: undefined });
});

const isRoot = process.getuid?.() === 0;
const memory = isRoot
  ? controllerDir(readHostFacts().cgroup, `/gantry-oom-test-${process.pid}`, "memory")
  : undefined;
if (memory === undefined)
  console.log("skipped: oomKills() on the real kernel: needs root and a memory controller");

test.skipIf(memory === undefined)("oomKills() sees the kernel kill", async () => {
  const group = memory ?? "";
  mkdirSync(group);
  // Keeps one line of 64 MB, once it has been told to begin.
  const child = spawn("sh", ["-c", "read start; head -c 64000000 /dev/zero | tail -n 1 > /dev/null"], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  const ended = once(child, "exit");
  try {
    await updateCgroup([group], { memory: { limit: 8n << 20n, swap: 8n << 20n } });
    writeFileSync(join(group, "cgroup.procs"), String(child.pid));
    const kills = oomKills([group], { signal: AbortSignal.timeout(10_000), pollMs: 20 });
    const first = await whileWaiting(kills.next(), (round) => {
      if (round === 4) child.stdin.end("\n");
    });
    expect(first.value).toBeGreaterThan(0n);
    await kills.return();
  } finally {
    child.kill("SIGKILL");
    await ended;
    for (let tries = 0; tries < 200; tries++)
      try {
        rmdirSync(group);
        break;
      } catch {
        // Its last process is not reaped yet.
        await pause(10);
      }
  }
});
