/**
 * The daemon's own log: one line per transition, `key=value` fields, on a sink that the composition root chooses.
 */
export type Level = "debug" | "info" | "warn" | "error";
export type Fields = Readonly<Record<string, string | number | boolean | bigint | undefined>>;

const ORDER: Readonly<Record<Level, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

export class Logger {
  readonly #write: (line: string) => void;
  readonly #least: Level;
  readonly #fields: Fields;

  constructor(write: (line: string) => void, least: Level, fields: Fields = {}) {
    this.#write = write;
    this.#least = least;
    this.#fields = fields;
  }

  /** A logger that adds these fields to every line; by custom `{ component: "tasks" }`. */
  with(fields: Fields): Logger {
    return new Logger(this.#write, this.#least, { ...this.#fields, ...fields });
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
    if (ORDER[level] < ORDER[this.#least]) return;
    let line = `time=${new Date().toISOString()} level=${level} msg=${JSON.stringify(message)}`;
    for (const [key, value] of Object.entries({ ...this.#fields, ...fields })) {
      if (value === undefined) continue;
      const text = String(value);
      line += ` ${key}=${/^[\w.:/@-]+$/.test(text) ? text : JSON.stringify(text)}`;
    }
    this.#write(`${line}\n`);
  }
}

/** For tests and tools that want silence. */
export const NO_LOG = new Logger(() => {}, "error");
