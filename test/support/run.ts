/** Runs a program to its end and keeps what it said. For tests: caps, a deadline, no shell. */
import { spawn } from "node:child_process";
import { SLOWNESS } from "./until.ts";

export interface Finished {
  /** 128+n when killed by signal n, as a shell reports it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly timeoutMs?: number;
}

const SIGNALS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGPIPE: 13,
  SIGTERM: 15,
};

export function run(command: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const { promise, resolve, reject } = Promise.withResolvers<Finished>();
  const child = spawn(command[0] ?? "", command.slice(1), {
    stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const timeoutMs = options.timeoutMs ?? 30_000 * SLOWNESS;
  const timer = setTimeout(() => {
    child.kill("SIGKILL");
    reject(new Error(`still running after ${timeoutMs} ms: ${command.join(" ")}\n${stdout}\n${stderr}`));
  }, timeoutMs);
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    stdout += chunk.toString("latin1");
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString("latin1");
  });
  child.on("error", reject);
  child.on("close", (code, signal) => {
    clearTimeout(timer);
    const text = (latin1: string): string => Buffer.from(latin1, "latin1").toString("utf8");
    resolve({ code: code ?? 128 + (SIGNALS[signal ?? ""] ?? 0), stdout: text(stdout), stderr: text(stderr) });
  });
  if (options.input !== undefined) {
    child.stdin?.on("error", () => {}); // the program may stop reading early: its exit code tells
    child.stdin?.end(options.input);
  }
  return promise;
}

/** As `run`, but a failure throws with everything the program said. */
export async function must(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const done = await run(command, options);
  if (done.code !== 0)
    throw new Error(`exit ${done.code}: ${command.join(" ")}\n${done.stdout}\n${done.stderr}`);
  return done.stdout;
}
