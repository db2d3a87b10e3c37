/**
 * The start of a task:
 *
 *     daemon                                     shim                        container
 *     run directory, spawn ────────────────────▶ waits on descriptor 3
 *     config.json
 *     its scope, of systemd's ─────────────────▶ is in it
 *     ATTACH, on connections of their own ─────▶ served first
 *     CREATE with RUN ─────────────────────────▶ clone3, and back ─────────▶ set-up … execve
 *                     ◀──────────────────────── answer
 *
 * With something to do before the process begins, CREATE comes without RUN: the process waits, set up, until START.
 *
 * The scope is made where the container's cgroup is systemd's; else the plan makes it. config.json is complete before CREATE is sent: so whoever finds a
 * task of a dead daemon can find its cgroups, too. When anything fails nothing is left: see `undo`.
 */
import type { Duplex } from "node:stream";
import { messageOf } from "../../base/errors.ts";
import { withDeadline } from "../../base/deadline.ts";
import { ShimConnection, ShimRefusal } from "../../shim/client.ts";
import { type CreateRequest, decodeProcess } from "../../shim/protocol.ts";
import { type LeftoverDeps, killLeftover } from "./leftovers.ts";
import type { EncodedPlan } from "./planner.ts";
import { START_TIMEOUT_MS, ShimTask, startError } from "./shim-task.ts";
import type { ShimProcess, SpawnShim } from "./spawn-shim.ts";
import type { EarlyAttach, RunOptions, RuntimeProgram } from "./tasks.ts";

export interface StartDeps extends LeftoverDeps {
  readonly spawnShim: SpawnShim;
}

const SYSTEMD = "--systemd-cgroup";
const SHIM_END_TIMEOUT_MS = 5_000;

/** Throws TaskStartError when a step of the plan fails. The id's run directory must not exist. */
export async function startTask(
  deps: StartDeps,
  options: RunOptions,
  signal: AbortSignal,
): Promise<ShimTask> {
  signal.throwIfAborted();
  const { id, spec, runtime, rootfs } = options;
  const { path, staging } = deps.directories.create(id);
  let task: ShimTask | undefined;
  let shim: ShimProcess | undefined;
  let plan: EncodedPlan | undefined;
  try {
    const unit = deps.planner.scope(id, spec);
    const foreign =
      runtime === undefined
        ? undefined
        : await deps.foreign.make(id, withDriver(runtime, unit !== undefined), rootfs);
    task = new ShimTask(deps, id, spec, foreign);
    // First of all, so that it gets ready while the plan is made here.
    shim = deps.spawnShim(id, path, options.attach.length);
    const control = task.adopt(shim.control);
    for (const [index, socket] of shim.others.entries()) {
      const early = options.attach[index];
      if (early !== undefined) void attachEarly(deps, id, socket, early);
    }
    const prepared =
      foreign === undefined
        ? { plan: deps.planner.run(options, staging), spec }
        : await foreign.prepare(options);
    plan = prepared.plan;
    deps.directories.writeConfig(id, deps.planner.encodeSpec(prepared.spec));
    // Another runtime makes its own.
    const pid = unit === undefined || foreign !== undefined ? undefined : shim.pid;
    await abortable(signal, bringToLife(deps, task, { control, pid, options, plan }));
    return task;
  } catch (error) {
    if (shim === undefined) for (const { deliver } of options.attach) deliver(undefined);
    const isRefused = error instanceof ShimRefusal;
    const words = isRefused ? await lastWords(deps, task) : undefined;
    await undo(deps, id, { task, shim, isRefused });
    throw isRefused && plan !== undefined ? startError(error, plan, words) : error;
  }
}

/** What runc, crun and runsc call it. */
function withDriver({ path, args }: RuntimeProgram, isSystemd: boolean): RuntimeProgram {
  return isSystemd && !args.includes(SYSTEMD) ? { path, args: [...args, SYSTEMD] } : { path, args };
}

/** Never throws: what cannot be read has not been said. */
async function lastWords(deps: StartDeps, task: ShimTask | undefined): Promise<string | undefined> {
  try {
    return await task?.foreign?.words();
  } catch (error) {
    deps.log.warn("cannot read what a runtime has said", { id: task?.id, error: messageOf(error) });
    return undefined;
  }
}

interface Birth {
  readonly control: ShimConnection;
  /** Who is to begin the scope; undefined: the plan makes the cgroup. */
  readonly pid: number | undefined;
  readonly options: RunOptions;
  readonly plan: EncodedPlan;
}

async function bringToLife(
  { scopes }: StartDeps,
  task: ShimTask,
  { control, pid, options, plan }: Birth,
): Promise<void> {
  if (pid !== undefined) await scopes.start(task.id, options.spec, pid);
  const create = createRequest(options, plan);
  task.setProcess(decodeProcess(await control.request(create, START_TIMEOUT_MS)));
  if (options.beforeStart === undefined) return;
  await options.beforeStart(task);
  await control.request({ kind: "start" }, START_TIMEOUT_MS);
}

/** A client whose stream cannot be had does not stop the start. Never throws. */
async function attachEarly(deps: StartDeps, id: string, socket: Duplex, early: EarlyAttach): Promise<void> {
  const { stdin, stdout, stderr } = early.options;
  try {
    const connection = new ShimConnection(socket);
    const { stream } = await connection.openStream(
      { kind: "attach", stdin, stdout, stderr },
      START_TIMEOUT_MS,
    );
    early.deliver(stream);
  } catch (error) {
    deps.log.debug("no stream for a waiting client", { id, error: messageOf(error) });
    early.deliver(undefined);
  }
}

function createRequest(options: RunOptions, plan: EncodedPlan): CreateRequest {
  return {
    kind: "create",
    run: options.beforeStart === undefined,
    terminal: options.spec.process?.terminal ?? false,
    stdin: options.stdin,
    stdinOnce: options.stdinOnce,
    window: options.consoleSize,
    log: options.log,
    plan: plan.bytes,
  };
}

/** Waits for `work` unless the signal comes first; the work's own failure is not reported then. */
async function abortable(signal: AbortSignal, work: Promise<void>): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
    work.catch(() => {});
  }
}

interface FailedStart {
  readonly task: ShimTask | undefined;
  readonly shim: ShimProcess | undefined;
  readonly isRefused: boolean;
}

/**
 * A shim that has refused leaves nothing and ends by itself; in every other case it is killed, and whatever it had
 * made is cleared away as for a task whose shim has died. What another runtime leaves nobody knows, and a scope is not the
 * shim's to end: those are always looked after. Never throws: the start's own failure is what counts.
 */
async function undo(deps: StartDeps, id: string, failed: FailedStart): Promise<void> {
  const { task, shim, isRefused } = failed;
  try {
    if (shim !== undefined && task !== undefined && !(isRefused && (await hasEnded(task)))) {
      deps.directories.markGivenUp(id);
      shim.kill();
      task.control.close();
      await killLeftover(deps, id);
    } else if (task !== undefined && (task.foreign !== undefined || task.hasScope))
      await killLeftover(deps, id);
    await deps.directories.remove(id);
  } catch (error) {
    deps.log.error("cannot undo a failed start", { id, error: messageOf(error) });
  }
}

/** Whether the shim closes its connection in time. */
async function hasEnded(task: ShimTask): Promise<boolean> {
  try {
    await withDeadline(`end of the shim of "${task.id}"`, SHIM_END_TIMEOUT_MS, task.control.closed);
    return true;
  } catch {
    return false;
  }
}
