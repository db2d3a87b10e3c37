/** Further processes in a running container: POST /containers/{id}/exec, and start, inspect and resize of /exec/{id}. */
import { randomBytes } from "node:crypto";
import { fail, messageOf } from "../../base/errors.ts";
import { type ExecProcess, TaskStartError } from "../../core/tasks/tasks.ts";
import type { ExecConfig, ExecInspect, ExecStartRequest } from "../../specs/engine/exec.ts";
import type { ContainerConfig, HostConfig } from "../../specs/engine/container.ts";
import type { Process } from "../../specs/oci-runtime/spec.ts";
import type { HostFacts } from "../../linux/host-facts.ts";
import { apparmorProfile } from "./apparmor-label.ts";
import { announce, type EventSink } from "./announce.ts";
import type { Container } from "./container.ts";
import { atStart, type ContainerDefaults } from "./container-defaults.ts";
import type { Exec } from "./exec-record.ts";
import { mergeEnvironment } from "./merge.ts";
import type { Size } from "./resize.ts";
import { notRunning } from "./signal-task.ts";
import { failedExec, runtimeExitCode } from "./start-failure.ts";
import type { ContainerStore } from "./store.ts";

export interface ExecDeps {
  readonly store: ContainerStore;
  readonly events: EventSink;
  readonly facts: HostFacts;
  readonly defaults: ContainerDefaults;
  readonly buildExecProcess: (config: ContainerConfig, host: HostConfig, facts: HostFacts) => Process;
}

/** An ended exec can be inspected for this long. */
const KEPT_AFTER_END_MS = 5 * 60_000;
/** The latest that have ended, per container: a script may make thousands in that time. */
const MOST_ENDED = 1000;
/** Execs that nobody started, per container. */
const MOST_UNSTARTED = 1000;

/** `processId`: of one whose process is to be found again when this daemon is dead. */
export function createExec(
  deps: ExecDeps,
  container: Container,
  config: ExecConfig,
  processId?: string,
): Exec {
  checkCanExec(container);
  const unstarted = [...container.execs.values()].filter(({ phase }) => phase === "created");
  const [oldest] = unstarted;
  if (oldest !== undefined && unstarted.length >= MOST_UNSTARTED) container.execs.delete(oldest.id);
  const id = randomBytes(32).toString("hex");
  const exec: Exec = {
    id,
    processId: processId ?? id,
    containerId: container.id,
    config,
    phase: "created",
    exitCode: null,
    pid: 0,
    consoleSize: config.ConsoleSize ?? [0, 0],
    expiry: undefined,
  };
  container.execs.set(exec.id, exec);
  announceExec(deps, container, exec, `exec_create: ${commandLine(config)}`);
  return exec;
}

function checkCanExec(container: Container): void {
  const { status } = container.state;
  if (status === "paused")
    throw fail("conflict", `Container ${container.name} is paused, unpause the container before exec`);
  if (status === "restarting")
    throw fail("conflict", `Container ${container.id} is restarting, wait until the container is running`);
  if (container.task === undefined) throw notRunning(container);
}

/** In the order of their creation: what runs or will, and with `all` also what has ended, as long as that is known. */
export function listExecs(container: Container, all: boolean): readonly ExecInspect[] {
  return [...container.execs.values()].filter(({ phase }) => all || phase !== "ended").map(inspectExec);
}

/** By the unique beginning of its id. Throws `not_found`, or `invalid_argument` for an ambiguous one. */
export function findExecByPrefix(store: ContainerStore, reference: string): ReturnType<typeof findExec> {
  const found = [...store.all()].flatMap((container) =>
    [...container.execs.values()]
      .filter(({ id }) => reference !== "" && id.startsWith(reference))
      .map((exec) => ({ container, exec })),
  );
  const [match] = found;
  if (found.length > 1)
    throw fail("invalid_argument", `multiple IDs found with provided prefix: ${reference.slice(0, 100)}`);
  return match ?? findExec(store, reference);
}

/** Throws `not_found`. */
export function findExec(
  store: ContainerStore,
  id: string,
): { readonly container: Container; readonly exec: Exec } {
  for (const container of store.all()) {
    const exec = container.execs.get(id);
    if (exec !== undefined) return { container, exec };
  }
  throw fail("not_found", `No such exec instance: ${id.slice(0, 100)}`);
}

/** What went wrong is to be told inside the stream, as Docker does: the client takes the exit code from inspect. */
export class ExecFailure extends Error {}

/**
 * Starts it; the stream is undefined when detached. Throws `conflict` when it has run already or the container does
 * not run, ExecFailure when its program cannot be executed.
 */
export async function startExec(
  deps: ExecDeps,
  container: Container,
  exec: Exec,
  request: ExecStartRequest,
): Promise<ExecProcess> {
  if (exec.phase === "ended") throw fail("conflict", `Error: Exec command ${exec.id} has already run`);
  if (exec.phase !== "created") throw fail("conflict", `Error: Exec command ${exec.id} is already running`);
  checkCanExec(container);
  const { task } = container;
  if (task === undefined) throw notRunning(container);
  exec.phase = "starting";
  if (request.ConsoleSize !== null) exec.consoleSize = request.ConsoleSize;
  const [rows, cols] = exec.consoleSize;
  announceExec(deps, container, exec, `exec_start: ${commandLine(exec.config)}`);
  let running: ExecProcess;
  try {
    running = await task.exec({
      execId: exec.processId,
      process: execProcess(deps, container, exec.config),
      stdin: exec.config.AttachStdin && !request.Detach,
      consoleSize: { rows, cols },
      stream: !request.Detach,
    });
  } catch (error) {
    end(container, exec, 126);
    throw execError(exec, error);
  }
  exec.phase = "running";
  exec.pid = running.pid;
  void follow(deps, container, exec, running);
  return running;
}

async function follow(deps: ExecDeps, container: Container, exec: Exec, running: ExecProcess): Promise<void> {
  const { exitCode } = await running.exited;
  end(container, exec, exitCode);
  announceExec(deps, container, exec, "exec_die", { exitCode: String(exitCode) });
}

function end(container: Container, exec: Exec, exitCode: number): void {
  exec.phase = "ended";
  exec.exitCode = exitCode;
  exec.expiry = setTimeout(() => container.execs.delete(exec.id), KEPT_AFTER_END_MS);
  exec.expiry.unref();
  if (container.execs.size <= MOST_ENDED) return;
  const ended = [...container.execs.values()].filter(({ phase }) => phase === "ended");
  for (const oldest of ended.slice(0, -MOST_ENDED)) forgetExec(container, oldest);
}

/** Of one whose maker has seen all of it. */
export function forgetExec(container: Container, exec: Exec): void {
  container.execs.delete(exec.id);
  clearTimeout(exec.expiry);
}

function execError(exec: Exec, error: unknown): unknown {
  if (!(error instanceof TaskStartError)) return error;
  if (error.stage === "runtime") {
    const code = runtimeExitCode(error.message);
    if (code !== undefined) exec.exitCode = code === "not a directory" ? 127 : code;
    return new ExecFailure(`OCI runtime exec failed: ${error.message}: unknown`, { cause: error });
  }
  const { exitCode, text } = failedExec(error, exec.config.Cmd[0] ?? "");
  if (error.stage === "exec") exec.exitCode = exitCode;
  if (/^unable to find /i.test(error.message)) return new ExecFailure(error.message, { cause: error });
  const what = error.stage === "exec" ? text : `${error.message}: unknown`;
  const message = `OCI runtime exec failed: exec failed: unable to start container process: ${what}`;
  return new ExecFailure(message, { cause: error });
}

/** The container's own process with another command. */
function execProcess(deps: ExecDeps, container: Container, config: ExecConfig): Process {
  const { config: own } = container;
  const host = atStart(container.host, deps.defaults);
  const process = deps.buildExecProcess(
    {
      ...own,
      Entrypoint: null,
      Cmd: config.Cmd,
      Tty: config.Tty,
      Env: mergeEnvironment(config.Env, own.Env),
      User: config.User === "" ? own.User : config.User,
      WorkingDir: config.WorkingDir === "" ? own.WorkingDir : config.WorkingDir,
    },
    config.Privileged ? { ...host, Privileged: true } : host,
    deps.facts,
  );
  // A privileged exec stays under the container's profile, as with Docker.
  const profile = apparmorProfile(host, deps.facts);
  return profile === undefined ? process : { ...process, apparmorProfile: profile };
}

export function inspectExec(exec: Exec): ExecInspect {
  const { config } = exec;
  const [entrypoint = "", ...args] = config.Cmd;
  return {
    ID: exec.id,
    Running: exec.phase === "running" || exec.phase === "starting",
    ExitCode: exec.exitCode,
    ProcessConfig: {
      tty: config.Tty,
      entrypoint,
      arguments: args,
      privileged: config.Privileged,
      ...(config.User === "" ? {} : { user: config.User }),
    },
    OpenStdin: config.AttachStdin,
    OpenStderr: config.AttachStderr,
    OpenStdout: config.AttachStdout,
    CanRemove: false,
    ContainerID: exec.containerId,
    DetachKeys: config.DetachKeys,
    Pid: exec.pid,
  };
}

/** Before the start it is remembered: clients send the size right after they have asked for the start. */
export async function resizeExec(container: Container, exec: Exec, size: Size): Promise<void> {
  if (exec.phase === "ended") throw fail("conflict", `exec process ${exec.id} is not running`);
  exec.consoleSize = [size.rows, size.cols];
  if (exec.phase !== "running" || !exec.config.Tty) return;
  try {
    await container.task?.resize(size.rows, size.cols, exec.processId);
  } catch (error) {
    throw fail("conflict", `cannot resize exec ${exec.id}: ${messageOf(error)}`, error);
  }
}

export function announceExecDetach(deps: ExecDeps, container: Container, exec: Exec): void {
  announceExec(deps, container, exec, "exec_detach");
}

function announceExec(
  deps: ExecDeps,
  container: Container,
  exec: Exec,
  action: string,
  attributes: Readonly<Record<string, string>> = {},
): void {
  announce(deps.events, container, action, { execID: exec.id, ...attributes });
}

/** As in Docker's events: the program, a blank, and the rest. */
function commandLine(config: ExecConfig): string {
  const [program = "", ...args] = config.Cmd;
  return `${program} ${args.join(" ")}`;
}
