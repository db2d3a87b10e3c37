/** Becoming the C program that performs a plan: docs/decisions/0005. */
import { resolve } from "node:path";
import type { ProcessIdentity } from "../linux/process-state.ts";
import type { Context } from "./context.ts";
import type { NotifySocket } from "./handed-down.ts";

/** `create`: waits for `start`. `detach`: goes on alone. `wait`: stays in the foreground to its end. */
export type Ending = "create" | "detach" | "wait";

export interface Performance {
  readonly verb: "create" | "run" | "start" | "exec" | "restore";
  /** The state directory; undefined for an exec. */
  readonly state?: string;
  /** Encoded. */
  readonly plan?: Uint8Array;
  readonly detach?: boolean;
  readonly keep?: boolean;
  readonly subreaper?: boolean;
  /** "" = none; relative to the working directory, as the next. */
  readonly pidFile?: string;
  readonly consoleSocket?: string;
  /** Descriptors from 3 up that go on to the process. */
  readonly preserved?: number;
  readonly notify?: NotifySocket | undefined;
  /** Of an exec or a start: the container's main process. */
  readonly join?: ProcessIdentity;
  /** Of a restore, absolute: the root, criu's log, and namespaces that are given by path; "" = none. */
  readonly rootfs?: string;
  readonly criuLog?: string;
  readonly network?: string;
  readonly pids?: string;
}

const FIRST_PRESERVED = 3;

/** As `Caller.become`. */
export function becomePerformer({ caller, ...context }: Context, wanted: Performance): number {
  const preserved = Array.from({ length: wanted.preserved ?? 0 }, (_, index) => FIRST_PRESERVED + index);
  caller.checkInherited(preserved);
  return caller.become({
    plan: wanted.plan,
    argv(planFd) {
      const argv = ["gantry-shim", "oci", wanted.verb, ...performerWords(context, wanted, planFd)];
      context.log.debug(`becoming ${argv.join(" ")}`);
      return argv;
    },
    preserved,
  });
}

function performerWords(
  { log, workingDirectory }: Pick<Context, "log" | "workingDirectory">,
  wanted: Performance,
  plan: number | undefined,
): string[] {
  const { state, detach, keep, subreaper, pidFile, consoleSocket, preserved, notify, join } = wanted;
  const option = (name: string, value: string | number | bigint | undefined): string[] =>
    value === undefined || value === "" || value === 0 ? [] : [`--${name}`, String(value)];
  const path = (name: string, value = ""): string[] =>
    value === "" ? [] : [`--${name}`, resolve(workingDirectory, value)];
  const flag = (name: string, on = false): string[] => (on ? [`--${name}`] : []);
  return [
    ...option("plan-fd", plan),
    ...option("state", state),
    ...flag("detach", detach),
    ...flag("keep", keep),
    ...flag("subreaper", subreaper),
    ...path("pid-file", pidFile),
    ...path("console-socket", consoleSocket),
    ...option("preserve-fds", preserved),
    ...option("join", join?.pid),
    ...option("start-ticks", join?.startTicks),
    ...option("notify-socket", notify?.host),
    ...option("notify-dir", notify?.directory),
    ...option("rootfs", wanted.rootfs),
    ...option("criu-log", wanted.criuLog),
    ...option("network", wanted.network),
    ...option("pids", wanted.pids),
    ...option("log", log.file),
    ...(log.file === "" ? [] : option("log-format", log.format)),
  ];
}
