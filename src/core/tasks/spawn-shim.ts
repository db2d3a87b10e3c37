/** Starting a shim: a process of its own session that outlives the daemon. */
import { type ChildProcess, spawn } from "node:child_process";
import { Duplex } from "node:stream";
import { fail } from "../../base/errors.ts";

/** The descriptor of the control connection, which others follow. */
const FIRST_CONNECTION = 3;

/** A shim that this process has started. */
export interface ShimProcess {
  readonly pid: number;
  /** The daemon's end of the shim's descriptor 3. */
  readonly control: Duplex;
  /** Of descriptors 4 and up: connections that the shim serves before `control`. */
  readonly others: readonly Duplex[];
  /** SIGKILL. Safe at any time: the number of a child is not given away before the child was reaped, here. */
  kill(): void;
}

/** Throws `unavailable` when the program cannot be started. */
export type SpawnShim = (id: string, directory: string, others: number) => ShimProcess;

/** The arguments that a shim shows in /proc/PID/cmdline. */
export function shimArguments(id: string): readonly [string, ...string[]] {
  return ["gantry-shim", "shim", id];
}

/** `log`: a descriptor that gets what shims print, or "ignore". */
export function shimSpawner(executable: string, log: number | "ignore"): SpawnShim {
  return (id, directory, others) => {
    const [argv0, ...args] = shimArguments(id);
    const child = start(executable, args, { argv0, directory, log, connections: 1 + others });
    // What goes wrong shows as the end of the connection, with more to say than the event.
    child.on("error", () => {});
    const [control, ...rest] = child.stdio.slice(FIRST_CONNECTION).filter((end) => end instanceof Duplex);
    if (control === undefined || rest.length !== others || child.pid === undefined)
      throw fail("unavailable", `cannot start "${executable}"`);
    child.unref();
    return {
      pid: child.pid,
      control,
      others: rest,
      kill: () => {
        child.kill("SIGKILL");
      },
    };
  };
}

interface StartOptions {
  readonly argv0: string;
  readonly directory: string;
  readonly log: number | "ignore";
  readonly connections: number;
}

function start(executable: string, args: readonly string[], options: StartOptions): ChildProcess {
  try {
    return spawn(executable, args, {
      argv0: options.argv0,
      cwd: options.directory,
      detached: true,
      // Nothing of the daemon's environment may get near a container.
      env: {},
      stdio: ["ignore", "ignore", options.log, ...Array<"pipe">(options.connections).fill("pipe")],
    });
  } catch (cause) {
    throw fail("unavailable", `cannot start "${executable}"`, cause);
  }
}
