/** Running a host program to its end. */
import { spawn } from "node:child_process";
import { Writable } from "node:stream";
import { fail, messageOf } from "./errors.ts";

export interface ProgramResult {
  /** 128 when a signal ended it. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramLimits {
  readonly timeoutMs: number;
  /** Of standard output and of standard error; more is an error. */
  readonly maxBytes: number;
  /** Standard input: none unless it says otherwise; "inherit" for a program that works on the caller's terminal. */
  readonly input?: "inherit";
  /** What it can read from standard input. */
  readonly stdin?: Uint8Array;
  /** All of its environment; that of this process when absent. */
  readonly env?: Readonly<Record<string, string>>;
  /** What it can read from descriptor 3; no such descriptor when absent. */
  readonly descriptor3?: Uint8Array;
}

/** Runs `file` (found in the search path) without a shell. Throws `unavailable` when it cannot run or takes too long. */
export function runProgram(
  file: string,
  args: readonly string[],
  limits: ProgramLimits,
): Promise<ProgramResult> {
  const { promise, resolve, reject } = Promise.withResolvers<ProgramResult>();
  const { env, descriptor3, stdin } = limits;
  const child = spawn(file, args, {
    stdio: [
      stdin === undefined ? (limits.input ?? "ignore") : "pipe",
      "pipe",
      "pipe",
      ...(descriptor3 === undefined ? [] : (["pipe"] as const)),
    ],
    ...(env === undefined ? {} : { env }),
  });
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw fail("unavailable", `cannot run "${file}"`);
  for (const [stream, bytes] of [
    [child.stdin, stdin],
    [child.stdio[3], descriptor3],
  ] as const) {
    if (bytes === undefined || !(stream instanceof Writable)) continue;
    stream.on("error", () => {}); // it need not read: its exit status counts
    stream.end(bytes);
  }
  const output: Record<"stdout" | "stderr", Buffer[]> = { stdout: [], stderr: [] };
  const stop = (why: string): void => {
    reject(fail("unavailable", `"${file}" ${why}`));
    child.kill("SIGKILL");
  };
  const timer = setTimeout(() => stop(`did not end within ${limits.timeoutMs} ms`), limits.timeoutMs);
  for (const [name, stream] of [
    ["stdout", stdout],
    ["stderr", stderr],
  ] as const) {
    let bytes = 0;
    stream.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > limits.maxBytes) stop(`wrote more than ${limits.maxBytes} bytes`);
      else output[name].push(chunk);
    });
  }
  child.on("error", (cause) => {
    clearTimeout(timer);
    reject(fail("unavailable", `cannot run "${file}": ${messageOf(cause)}`, cause));
  });
  child.on("close", (code, signal) => {
    clearTimeout(timer);
    resolve({
      exitCode: code ?? (signal === null ? 255 : 128),
      stdout: Buffer.concat(output.stdout).toString(),
      stderr: Buffer.concat(output.stderr).toString(),
    });
  });
  return promise;
}
