/** POST /containers/{id}/resize. */
import { fail } from "../../base/errors.ts";
import { announce, type EventSink } from "./announce.ts";
import type { Container } from "./container.ts";
import { notRunning } from "./signal-task.ts";

export interface Size {
  readonly rows: number;
  readonly cols: number;
}

/** Throws `invalid_argument` for what a terminal cannot be. */
export function checkSize(rows: number | undefined, cols: number | undefined): Size {
  if (rows === undefined || cols === undefined || rows < 0 || cols < 0 || rows > 65_535 || cols > 65_535)
    throw fail("invalid_argument", "a terminal's height and width must be given, each from 0 to 65535");
  return { rows, cols };
}

export async function resize(
  deps: { readonly events: EventSink },
  container: Container,
  size: Size,
): Promise<void> {
  if (container.task === undefined) throw notRunning(container);
  if (container.config.Tty) await container.task.resize(size.rows, size.cols);
  announce(deps.events, container, "resize", { height: String(size.rows), width: String(size.cols) });
}
