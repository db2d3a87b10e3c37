/** Progress streams of pull, push, load and import: one line per layer, rewritten in place on a terminal. */
import type { Sink } from "../../base/bun-stdio.ts";
import { fail } from "../../base/errors.ts";
import { formatDecimalSize } from "../../base/units.ts";
import { child, type Fields, fieldsOf, number, text } from "../../client/fields.ts";
import type { TerminalSize } from "../terminal.ts";
import { plainText } from "./plain-text.ts";

const BAR_WIDTH = 50;
/** Narrower terminals get the numbers without the bar. */
const LEAST_COLUMNS_FOR_BAR = 110;

export interface ProgressOptions {
  readonly sink: Sink;
  /** Of the terminal that the sink is, asked before each line because users resize it; undefined = it is none. */
  readonly size: (() => TerminalSize) | undefined;
  /** What is said besides progress: the result of a push. */
  readonly onAux?: (aux: Fields) => void;
}

/** Shows messages until the stream ends; an error message in it is thrown. */
export async function showProgress(
  messages: AsyncIterable<unknown>,
  options: ProgressOptions,
): Promise<void> {
  const screen = new Screen();
  for await (const message of messages) {
    const fields = fieldsOf(message);
    const failure = text(child(fields, "errorDetail"), "message") || text(fields, "error");
    if (failure !== "") throw fail("internal", plainText(failure));
    if ("aux" in fields) {
      options.onAux?.(child(fields, "aux"));
      continue;
    }
    const shown = render(fields, options.size?.(), screen);
    if (shown !== "") await options.sink.write(shown);
  }
}

function render(message: Fields, size: TerminalSize | undefined, screen: Screen): string {
  const stream = text(message, "stream");
  if (stream !== "") return plainText(stream);
  const id = plainText(text(message, "id"));
  const status = plainText(text(message, "status"));
  if (status === "") return "";
  const bar = progressText(child(message, "progressDetail"), size?.columns ?? 0);
  const label = id === "" ? status : `${id}: ${status}`;
  if (size === undefined) return bar === "" ? `${label}\n` : "";
  if (id === "") {
    screen.leave();
    return `${label}\n`;
  }
  return screen.line(id, bar === "" ? label : `${label} ${bar}`, size);
}

/** The lines that may still change, the newest at the bottom; the cursor stays below them. */
class Screen {
  readonly #lines = new Map<string, number>();

  /** Lines above another text cannot be reached any more. */
  leave(): void {
    this.#lines.clear();
  }

  line(id: string, label: string, { columns, rows }: TerminalSize): string {
    // A line that wraps would be two, and every count of lines wrong from then on.
    const line = `\r\x1b[2K${
      columns > 0
        ? Array.from(label)
            .slice(0, columns - 1)
            .join("")
        : label
    }`;
    const at = this.#lines.get(id);
    if (at === undefined) {
      this.#lines.set(id, this.#lines.size);
      return `${line}\n`;
    }
    const up = this.#lines.size - at;
    // Scrolled away: the cursor would stop at the top and write over another line.
    if (rows > 0 && up >= rows) return "";
    return `\x1b[${up}A${line}\r\x1b[${up}B`;
  }
}

/** "[====>      ]  1.2MB/3.4MB", "" for nothing to show. */
export function progressText(detail: Fields, columns: number): string {
  const current = number(detail, "current");
  const total = number(detail, "total");
  if (current <= 0 && total <= 0) return "";
  if (total <= 0 || current > total) return formatDecimalSize(current).padStart(8);
  const sizes = `${formatDecimalSize(current).padStart(8)}/${formatDecimalSize(total)}`;
  if (columns <= LEAST_COLUMNS_FOR_BAR) return sizes;
  const filled = Math.min(BAR_WIDTH, Math.trunc((current / total) * BAR_WIDTH));
  return `[${"=".repeat(filled)}>${" ".repeat(BAR_WIDTH - filled)}] ${sizes}`;
}
