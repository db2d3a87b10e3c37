import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";

export interface DetachedCommand {
  readonly file: string;
  /** The name it is called by, its argv[0]. */
  readonly argv0: string;
  readonly words: readonly string[];
  /** Without it, ours. */
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * Starts a program that outlives us: a session of its own, in `/`, no input, output appended to `logFile` (made with mode
 * 0640). Its end, if it comes while we live, is told to `onExit` in words.
 */
export function spawnDetached(
  command: DetachedCommand,
  logFile: string,
  onExit: (how: string) => void,
): void {
  const log = openSync(logFile, "a", 0o640);
  try {
    const child = spawn(command.file, command.words, {
      argv0: command.argv0,
      cwd: "/",
      detached: true,
      ...(command.environment === undefined ? {} : { env: command.environment }),
      stdio: ["ignore", log, log],
    });
    child.on("error", (error) => onExit(error.message));
    child.on("exit", (code, signal) => onExit(signal === null ? `exit status ${code ?? "unknown"}` : signal));
    child.unref();
  } finally {
    closeSync(log);
  }
}
