/**
 * The daemon's own log: one line per transition, `key=value` fields or a JSON object, on a sink that the composition root
 * chooses.
 */
export const LEVELS = ["debug", "info", "warn", "error"] as const;
export type Level = (typeof LEVELS)[number];
export const FORMATS = ["text", "json"] as const;
export type Format = (typeof FORMATS)[number];
export type Fields = Readonly<Record<string, string | number | boolean | bigint | undefined>>;

const ORDER: Readonly<Record<Level, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** Shared by a logger and all that were made from it. */
export interface LogChoice {
  least: Level;
  format: Format;
}

export class Logger {
  readonly #write: (line: string) => void;
  readonly #choice: LogChoice;
  readonly #fields: Fields;

  constructor(write: (line: string) => void, choice: Level | LogChoice, fields: Fields = {}) {
    this.#write = write;
    this.#choice = typeof choice === "string" ? { least: choice, format: "text" } : choice;
    this.#fields = fields;
  }

  /** A logger that adds these fields to every line; by custom `{ component: "tasks" }`. */
  with(fields: Fields): Logger {
    return new Logger(this.#write, this.#choice, { ...this.#fields, ...fields });
  }

  /** From now on, also for those made from this one. */
  choose(choice: LogChoice): void {
    Object.assign(this.#choice, choice);
  }

  debug(message: string, fields?: Fields): void {
    this.#line("debug", message, fields);
  }

  info(message: string, fields?: Fields): void {
    this.#line("info", message, fields);
  }

  warn(message: string, fields?: Fields): void {
    this.#line("warn", message, fields);
  }

  error(message: string, fields?: Fields): void {
    this.#line("error", message, fields);
  }

  #line(level: Level, message: string, fields: Fields | undefined): void {
    const { least, format } = this.#choice;
    if (ORDER[level] < ORDER[least]) return;
    const time = new Date().toISOString();
    const all = Object.entries({ ...this.#fields, ...fields }).filter(([, value]) => value !== undefined);
    if (format === "json") {
      const line: Record<string, unknown> = { level, msg: message, time };
      for (const [key, value] of all) line[key] ??= typeof value === "bigint" ? String(value) : value;
      this.#write(`${JSON.stringify(line)}\n`);
      return;
    }
    let line = `time=${time} level=${level} msg=${JSON.stringify(message)}`;
    for (const [key, value] of all) {
      const text = String(value);
      line += ` ${key}=${/^[\w.:/@-]+$/.test(text) ? text : JSON.stringify(text)}`;
    }
    this.#write(`${line}\n`);
  }
}

/** For tests and tools that want silence. */
export const NO_LOG = new Logger(() => {}, "error");
