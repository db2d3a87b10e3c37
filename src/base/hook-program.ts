/** Running a program that is told something on its standard input and says nothing unless it fails. */
import { spawn } from "node:child_process";
import { fail } from "./errors.ts";
import { timerMs } from "./timer-limit.ts";

export interface HookProgram {
  /** Absolute. */
  readonly path: string;
  readonly argv: readonly string[];
  /** "NAME=value": all of its environment. */
  readonly env: readonly string[];
  /** 0 = none of its own. */
  readonly timeoutS: number;
  readonly cwd: string;
  readonly input: string;
}

const MAX_OUTPUT_BYTES = 64 << 10;

/** Throws `unavailable` with the last words of a program that fails, or does not end in time: its process group is killed. */
export function runHook(hook: HookProgram): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const child = spawn(hook.path, hook.argv.slice(1), {
    argv0: hook.argv[0] ?? hook.path,
    cwd: hook.cwd,
    env: Object.fromEntries(hook.env.map((each) => [nameOf(each), each.slice(nameOf(each).length + 1)])),
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  let output = "";
  const keep = (chunk: Buffer): void => {
    output = `${output}${chunk.toString()}`.slice(-MAX_OUTPUT_BYTES);
  };
  const timer = hook.timeoutS === 0 ? undefined : setTimeout(() => stop(), timerMs(hook.timeoutS * 1000));
  const stop = (): void => {
    reject(fail("unavailable", `"${hook.path}" did not end within ${hook.timeoutS} s`));
    killGroup(child.pid);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  child.stdin.on("error", () => {}); // it need not read: its exit status counts
  child.stdin.end(hook.input);
  child.on("error", (cause) =>
    reject(fail("unavailable", `cannot run "${hook.path}": ${cause.message}`, cause)),
  );
  child.on("exit", (code, signal) => {
    clearTimeout(timer);
    if (code === 0) resolve();
    else
      reject(
        fail(
          "unavailable",
          `"${hook.path}": ${signal ?? `exit status ${code ?? "unknown"}`}: ${output.trim()}`,
        ),
      );
  });
  return promise;
}

function nameOf(entry: string): string {
  return entry.slice(0, Math.max(0, entry.indexOf("=")));
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Gone meanwhile.
  }
}
