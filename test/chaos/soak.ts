/**
 * The same again and again: containers that run and go, and processes in one that stays. What an engine keeps of each, however
 * little, shows after thousands: in the inventory (leak-check.ts) and in the daemon's memory.
 */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Engine } from "../support/engine.ts";
import { busyboxArchive } from "../support/images.ts";
import { expectNoLeaks, inventory } from "../support/leak-check.ts";
import { until } from "../support/until.ts";

export interface SoakOptions {
  /** Containers, as `run --rm` makes them. */
  readonly runs: number;
  readonly execs: number;
  readonly tell: (line: string) => void;
}

export interface SoakReport {
  /** What the daemon keeps more at the end than when it was warm: in its heap, and of the kernel's pages. */
  readonly heapBytes: number;
  readonly residentBytes: number;
}

/** At a time. */
const CLIENTS = 4;
/** Of all; until then a daemon fills what it keeps: compiled code, caches with a limit, a heap that has found its size. */
const WARM_SHARE = 0.2;
/** What is left after garbage has been cleared away differs by this, in which nothing was kept: counters, caches that fill. */
const HEAP_GROWTH_BYTES = 8 << 20;
/** An allocator gives pages back when it likes; what runs ten times as long must not need more. */
const RESIDENT_GROWTH_BYTES = 96 << 20;

/** Throws what is left behind, or that the daemon has grown. */
export async function soak({ runs, execs, tell }: SoakOptions): Promise<SoakReport> {
  const engine = await Engine.start(["--log-level", "warn"]);
  try {
    await engine.ok(["load", "-q", "-i", await busyboxArchive()]);
    await engine.ok(["run", "-d", "--name", "host", "--network", "none", "busybox", "sleep", "1000000"]);
    await both(engine, Math.ceil(runs * WARM_SHARE), Math.ceil(execs * WARM_SHARE));
    const before = inventory(engine);
    const warm = await keptBy(engine);
    await both(engine, Math.floor(runs * (1 - WARM_SHARE)), Math.floor(execs * (1 - WARM_SHARE)));
    await expectNoLeaks(engine, before);
    const end = await keptBy(engine);
    const heapBytes = end.heapUsed - warm.heapUsed;
    const residentBytes = end.rss - warm.rss;
    const grown = `its heap has grown by ${mebibytes(heapBytes)} from ${mebibytes(warm.heapUsed)}, its resident pages by ${mebibytes(residentBytes)} from ${mebibytes(warm.rss)}`;
    tell(`${runs} containers, ${execs} processes: ${grown}`);
    if (heapBytes > HEAP_GROWTH_BYTES || residentBytes > RESIDENT_GROWTH_BYTES)
      throw new Error(`the daemon keeps something: ${grown}`);
    return { heapBytes, residentBytes };
  } finally {
    await engine.close();
  }
}

async function both(engine: Engine, runs: number, execs: number): Promise<void> {
  await times(runs, () => runOnce(engine));
  await times(execs, () => execOnce(engine));
}

async function times(count: number, work: () => Promise<void>): Promise<void> {
  let begun = 0;
  const client = async (): Promise<void> => {
    while (begun++ < count) await work();
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
}

async function runOnce(engine: Engine): Promise<void> {
  const made = await engine.json("POST", "/containers/create", {
    Image: "busybox",
    Cmd: ["true"],
    HostConfig: { AutoRemove: true, NetworkMode: "bridge" },
  });
  const id = textOf(made, "Id");
  const { code } = await engine.waits(id, "removed");
  await engine.json("POST", `/containers/${id}/start`);
  if ((await code) !== 0) throw new Error(`${id} ended with ${await code}`);
}

async function execOnce(engine: Engine): Promise<void> {
  const id = textOf(
    await engine.json("POST", "/containers/host/exec", { Cmd: ["true"], AttachStdout: true }),
    "Id",
  );
  const { status } = await engine.api("POST", `/exec/${id}/start`, { Detach: false });
  if (status !== 200) throw new Error(`the process was not started: ${status}`);
  expectZero(await engine.json("GET", `/exec/${id}/json`), "ExitCode");
}

function textOf(answer: unknown, name: string): string {
  const value = fieldOf(answer, name);
  if (typeof value !== "string") throw new Error(`an answer without ${name}: ${JSON.stringify(answer)}`);
  return value;
}

function expectZero(answer: unknown, name: string): void {
  if (fieldOf(answer, name) !== 0) throw new Error(`ended otherwise: ${JSON.stringify(answer)}`);
}

function fieldOf(answer: unknown, name: string): unknown {
  return new Map(Object.entries(answer ?? {})).get(name);
}

/** As its state dump says, for which it clears garbage away. */
async function keptBy(engine: Engine): Promise<{ readonly heapUsed: number; readonly rss: number }> {
  const dumps = (): readonly string[] =>
    readdirSync(engine.runDir).filter((name) => /^state-.*\.json$/.test(name));
  process.kill(engine.pid, "SIGUSR1");
  let memory: unknown;
  await until("the state dump", () => {
    const [name] = dumps();
    if (name === undefined) return false;
    const path = join(engine.runDir, name);
    const text = readFileSync(path, "utf8");
    if (!text.endsWith("\n")) return false;
    memory = fieldOf(JSON.parse(text), "memory");
    rmSync(path);
    return true;
  });
  return { heapUsed: Number(fieldOf(memory, "heapUsed")), rss: Number(fieldOf(memory, "rss")) };
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
