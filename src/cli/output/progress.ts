/** Progress streams of pull, load and import: one line per layer, rewritten in place on a terminal. */
import type { Sink } from "../../base/bun-stdio.ts";
import { fail } from "../../base/errors.ts";
import { formatDecimalSize } from "../../base/units.ts";
import { child, type Fields, fieldsOf, number, text } from "../../client/fields.ts";

const BAR_WIDTH = 50;
/** Narrower terminals get the numbers without the bar. */
const LEAST_COLUMNS_FOR_BAR = 110;

export interface ProgressOptions {
  readonly sink: Sink;
  readonly isTerminal: boolean;
  readonly columns: number;
}

/** Shows messages until the stream ends; an error message in it is thrown. */
export async function showProgress(
  messages: AsyncIterable<unknown>,
  options: ProgressOptions,
): Promise<void> {
  const lines = new Map<string, number>();
  for await (const message of messages) {
    const fields = fieldsOf(message);
    const failure = text(child(fields, "errorDetail"), "message") || text(fields, "error");
    if (failure !== "") throw fail("internal", failure);
    const shown = render(fields, options, lines);
    if (shown !== "") await options.sink.write(shown);
  }
}

function render(
  message: Fields,
  { isTerminal, columns }: ProgressOptions,
  lines: Map<string, number>,
): string {
  const stream = text(message, "stream");
  if (stream !== "") return stream;
  const id = text(message, "id");
  const status = text(message, "status");
  if (status === "") return "";
  const bar = progressText(child(message, "progressDetail"), columns) || text(message, "progress");
  const label = id === "" ? status : `${id}: ${status}`;
  if (!isTerminal) return bar === "" ? `${label}\n` : "";
  if (id === "") {
    lines.clear();
    return `${label}\n`;
  }
  const at = lines.get(id);
  const line = `\r\x1b[2K${label}${bar === "" ? "" : ` ${bar}`}`;
  if (at === undefined) {
    lines.set(id, lines.size);
    return `${line}\n`;
  }
  const up = lines.size - at;
  return `\x1b[${up}A${line}\r\x1b[${up}B`;
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
