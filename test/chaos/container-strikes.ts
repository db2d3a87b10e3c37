/** Blows at an engine in the middle of something, and how it comes back. */
import type { Engine } from "../support/engine.ts";
import { SLOWNESS } from "../support/until.ts";
import { helpersOf, shimsOf } from "./container-facts.ts";
import type { Blow, Form } from "./container-violations.ts";
import { killedStart } from "./killed-start.ts";

export interface PlannedBlow {
  readonly form: Form;
  /** After the verb began. */
  readonly delayMs: number;
  /** Of "twice": into the next start. */
  readonly againMs: number;
  /** Of "pause". */
  readonly pauseMs: number;
}

export interface Struck {
  readonly blow: Blow;
  /** Whether the verb was answered without an error. */
  readonly isDone: boolean;
  /** From the start of a daemon to its first answer; undefined = it never ended. */
  readonly restartMs: number | undefined;
}

/** A daemon that takes longer to answer is a violation. */
const RESTART_MS = 5_000 * SLOWNESS;

export interface Deed {
  /** Rejects when it is not answered, or with an error. */
  readonly act: () => Promise<void>;
  /** Before another daemon is started. */
  readonly whileDead: () => Promise<void>;
  /** Whose shim is hit. */
  readonly victimId: () => string;
}

/** What cannot be hit (no shim is there, no helper came before the verb was through) leaves the daemon to be hit. */
export async function strike(engine: Engine, plan: PlannedBlow, deed: Deed): Promise<Struck> {
  let isOver = false;
  const client = deed
    .act()
    .then(
      () => true,
      () => false,
    )
    .finally(() => {
      isOver = true;
    });
  await sleep(plan.delayMs);
  if (plan.form === "pause") return paused(engine, plan.pauseMs, client);
  if (plan.form === "shim" || plan.form === "helper") {
    const find = (): readonly number[] =>
      plan.form === "helper" ? helpersOf(engine.pid) : shimsOf(deed.victimId());
    if (await hit(find, () => isOver)) {
      const atMs = Date.now();
      const isDone = await client;
      return { blow: { form: plan.form, atMs, backMs: atMs }, isDone, restartMs: undefined };
    }
  }
  const form = plan.form === "twice" ? "twice" : "daemon";
  await engine.kill9();
  const atMs = Date.now();
  await deed.whileDead();
  if (form === "twice") await killedStart(engine, plan.againMs);
  const start = performance.now();
  await engine.launch();
  const restartMs = performance.now() - start;
  const blow = { form, atMs, backMs: Date.now() } as const;
  if (restartMs > RESTART_MS) throw new Error(`the daemon answered after ${restartMs.toFixed(0)} ms only`);
  return { blow, isDone: await client, restartMs };
}

/** Whether one was found, and killed. */
async function hit(find: () => readonly number[], isOver: () => boolean): Promise<boolean> {
  for (;;) {
    const [pid] = find();
    if (pid !== undefined) {
      try {
        process.kill(pid, "SIGKILL");
        return true;
      } catch {
        // It has ended by itself.
      }
    }
    if (isOver()) return false;
    await sleep(0);
  }
}

async function paused(engine: Engine, pauseMs: number, client: Promise<boolean>): Promise<Struck> {
  const atMs = Date.now();
  process.kill(engine.pid, "SIGSTOP");
  await sleep(pauseMs);
  process.kill(engine.pid, "SIGCONT");
  const backMs = Date.now();
  return { blow: { form: "pause", atMs, backMs }, isDone: await client, restartMs: undefined };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
