/**
 * The log that callers of a runtime read: `--log FILE`, a line per message, as text or JSON with the fields level, msg and
 * time. containerd and podman take the reason of a failure from there.
 */
import { fail } from "../base/errors.ts";
import type { Caller } from "./caller.ts";

export type LogFormat = "text" | "json";
type Level = "debug" | "warning" | "error";

/** Throws `invalid_argument`. */
export function checkLogFormat(text: string): LogFormat {
  if (text === "" || text === "text") return "text";
  if (text === "json") return "json";
  throw fail("invalid_argument", `invalid log-format: ${text}`);
}

export interface LogOptions {
  readonly program: string;
  /** "" = standard error. */
  readonly file: string;
  readonly format: LogFormat;
  readonly debug: boolean;
}

export class Logger {
  readonly #options: LogOptions;
  readonly #caller: Pick<Caller, "write" | "append">;

  constructor(options: LogOptions, caller: Pick<Caller, "write" | "append">) {
    this.#options = options;
    this.#caller = caller;
  }

  get file(): string {
    return this.#options.file;
  }

  get format(): LogFormat {
    return this.#options.format;
  }

  get isDebug(): boolean {
    return this.#options.debug;
  }

  debug(message: string): void {
    if (this.#options.debug) this.#write("debug", message);
  }

  warn(message: string): void {
    this.#write("warning", message);
  }

  /** The reason why this invocation failed: one line on standard error, and one in the file. */
  failure(message: string): void {
    const { program, file } = this.#options;
    const line = message.trimEnd();
    this.#caller.write(2, `${program}: ${line}\n`);
    if (file !== "") this.#write("error", line);
  }

  /** A log that cannot be written must not hide what it was to say. */
  #write(level: Level, message: string): void {
    const { program, file, format } = this.#options;
    const line = format === "json" ? jsonLine(level, message) : textLine(level, message);
    if (file === "") {
      this.#caller.write(2, line);
      return;
    }
    try {
      this.#caller.append(file, line);
    } catch (error) {
      this.#caller.write(2, `${program}: cannot write the log "${file}": ${String(error)}\n`);
    }
  }
}

function now(): string {
  return `${new Date().toISOString().slice(0, -5)}Z`;
}

function jsonLine(level: Level, message: string): string {
  return `${JSON.stringify({ level, msg: message, time: now() })}\n`;
}

function textLine(level: Level, message: string): string {
  return `time="${now()}" level=${level} msg=${JSON.stringify(message)}\n`;
}
