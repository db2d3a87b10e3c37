/** A program that takes our place on the terminal until it ends. */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { fail, messageOf } from "./errors.ts";

const PASSED_ON = ["SIGTERM", "SIGHUP"] as const;

/**
 * Runs `file` with our standard streams and answers its exit status, 128 + N when signal N ended it. Ctrl-C reaches it by itself,
 * and is no end of ours before. Throws `unavailable` when it cannot be started.
 */
export async function runAttached(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const child = spawn(file, args, { stdio: "inherit", env });
  const passOn = (signal: NodeJS.Signals): void => {
    child.kill(signal);
  };
  const ignore = (): void => {};
  for (const signal of PASSED_ON) process.on(signal, passOn);
  process.on("SIGINT", ignore);
  process.on("SIGQUIT", ignore);
  child.once("error", (cause) =>
    reject(fail("unavailable", `cannot run "${file}": ${messageOf(cause)}`, cause)),
  );
  child.once("exit", (code, signal) =>
    resolve(code ?? (signal === null ? 1 : 128 + constants.signals[signal])),
  );
  try {
    return await promise;
  } finally {
    for (const signal of PASSED_ON) process.off(signal, passOn);
    process.off("SIGINT", ignore);
    process.off("SIGQUIT", ignore);
  }
}
