/**
 * One run of a health check: a process in the container like any exec, with the container's user, variables and directory,
 * which is killed when its time is up. What is run is the image's word as often as the user's, and it is run nowhere else.
 */
import type { Alarms } from "../../base/alarms.ts";
import { formatDuration } from "../../base/duration.ts";
import { fail, isCategory, messageOf } from "../../base/errors.ts";
import type { Limiter } from "../../base/limiter.ts";
import type { Logger } from "../../base/log.ts";
import type { ExecProcess, Task } from "../../core/tasks/tasks.ts";
import type { Container } from "./container.ts";
import type { Exec } from "./exec-record.ts";
import { createExec, type ExecDeps, forgetExec, startExec } from "./exec.ts";
import type { HealthPlan, ProbeResult } from "./health.ts";
import { ProbeOutput } from "./probe-output.ts";
import { SIGKILL } from "./signals.ts";
import { nowNs } from "./timestamp.ts";

export interface ProbeDeps extends ExecDeps {
  readonly alarms: Alarms;
  /** So many are begun at a time: after a start of the daemon all are due at once. */
  readonly starts: Limiter;
  readonly log: Logger;
}

/** Not the check's own time: a busy host is not its fault. */
const START_MS = 30_000;
/** For a killed process to be gone, and for what it wrote to have come. */
const KILLED_MS = 10_000;
const LAST_WORDS_MS = 2_000;

/** Of a container there is never more than one, and a daemon that comes later knows it by that. */
const PROCESS_ID = "health-check";
const KILLED_POLL_MS = 20;

const NO_OPTIONS = {
  User: "",
  Privileged: false,
  Tty: false,
  ConsoleSize: null,
  AttachStdin: false,
  AttachStdout: true,
  AttachStderr: true,
  DetachKeys: "",
  Env: null,
  WorkingDir: "",
};

/** Never rejects. When `signal` is aborted the process is killed and what it came to is nobody's business any more. */
export async function probe(
  deps: ProbeDeps,
  container: Container,
  plan: HealthPlan,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const startNs = nowNs();
  let outcome: Pick<ProbeResult, "exitCode" | "output">;
  try {
    outcome = await run(deps, container, plan, signal);
  } catch (error) {
    outcome = { exitCode: -1, output: messageOf(error) };
  }
  return { startNs, endNs: nowNs(), ...outcome };
}

async function run(
  deps: ProbeDeps,
  container: Container,
  plan: HealthPlan,
  signal: AbortSignal,
): Promise<Pick<ProbeResult, "exitCode" | "output">> {
  const { task } = container;
  if (plan.command.length === 0 || task === undefined)
    throw fail("invalid_argument", `healthcheck for container ${container.id} has no command`);
  const exec = createExec(deps, container, { ...NO_OPTIONS, Cmd: plan.command }, PROCESS_ID);
  try {
    const running = await begin(deps, { container, task, exec, signal });
    return await finish(deps, { container, task, exec, signal, running }, plan);
  } finally {
    forgetExec(container, exec);
  }
}

interface Probe {
  readonly container: Container;
  readonly task: Task;
  readonly exec: Exec;
  readonly signal: AbortSignal;
}

async function begin(deps: ProbeDeps, probe: Probe): Promise<ExecProcess> {
  const { container, exec, signal } = probe;
  const request = { Detach: false, Tty: false, ConsoleSize: null };
  const starting = deps.starts.run(() => startExec(deps, container, exec, request), signal);
  const running = await deps.alarms.within(START_MS, starting);
  if (running !== undefined && !signal.aborted) return running;
  void killLate(deps, probe, starting);
  throw fail("unavailable", `timed out starting health check for container ${container.id}`);
}

/** Nobody waits for it any more, but it may come to life yet. */
async function killLate(deps: ProbeDeps, probe: Probe, starting: Promise<ExecProcess>): Promise<void> {
  try {
    (await starting).stream?.destroy();
    kill(deps, probe);
  } catch (error) {
    deps.log.debug("a late health check did not start", { id: probe.container.id, error: messageOf(error) });
  }
}

async function finish(
  deps: ProbeDeps,
  probe: Probe & { readonly running: ExecProcess },
  plan: HealthPlan,
): Promise<Pick<ProbeResult, "exitCode" | "output">> {
  const { alarms } = deps;
  const { exited, stream } = probe.running;
  if (stream === undefined) throw fail("internal", "a health check has no output");
  const output = new ProbeOutput(stream);
  try {
    const exit = await alarms.within(plan.timeoutNs / 1e6, Promise.race([exited, aborted(probe.signal)]));
    if (exit === undefined) {
      kill(deps, probe);
      // One that stands still dies when it goes on; dying ones must not pile up meanwhile.
      if (!probe.signal.aborted) await alarms.within(KILLED_MS, exited);
    } else await alarms.within(LAST_WORDS_MS, output.ended);
    const { text } = output;
    if (exit !== undefined) return { exitCode: exit.exitCode, output: text };
    const late = `Health check exceeded timeout (${formatDuration(plan.timeoutNs)})`;
    return { exitCode: -1, output: text === "" ? late : `${late}: ${text}` };
  } finally {
    output.close();
  }
}

function aborted(signal: AbortSignal): Promise<undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  if (signal.aborted) resolve(undefined);
  else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  return promise;
}

function kill({ log }: ProbeDeps, { container, task }: Probe): void {
  task.signal(SIGKILL, PROCESS_ID).catch((error: unknown) => {
    if (!isCategory(error, "not_found"))
      log.warn("cannot kill a health check", { id: container.id, error: messageOf(error) });
  });
}

/**
 * Ends the probe that a daemon which was killed has left behind, or one that stood still with its container. Never rejects: as
 * long as it is there, the next one fails.
 */
export async function endLastProbe(
  { alarms, log }: Pick<ProbeDeps, "alarms" | "log">,
  container: Container,
  task: Task,
): Promise<void> {
  const end = alarms.now() + KILLED_MS;
  try {
    for (let waited = false; alarms.now() < end; waited = true) {
      if (waited) await new Promise<void>((resolve) => alarms.in(KILLED_POLL_MS, resolve));
      await task.signal(SIGKILL, PROCESS_ID);
    }
    log.warn("a killed health check is still there", { id: container.id });
  } catch (error) {
    if (!isCategory(error, "not_found"))
      log.warn("cannot kill the last health check", { id: container.id, error: messageOf(error) });
  }
}
