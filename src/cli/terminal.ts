/** The terminal we may be started on. `node:tty` and `process.stdin` cost milliseconds, so only `-t`, `-i` and help come here. */

export async function isTerminal(descriptor: 0 | 1 | 2): Promise<boolean> {
  const { isatty } = await import("node:tty");
  return isatty(descriptor);
}

export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** The size of the terminal on standard output; zeros without one. */
export function terminalSize(): TerminalSize {
  if (!process.stdout.isTTY) return { rows: 0, columns: 0 };
  return { rows: process.stdout.rows, columns: process.stdout.columns };
}

/**
 * Takes the terminal on standard input out of line mode: every key goes to the container. The returned function puts it
 * back; it also runs when the process exits in any way it can still see.
 */
export function enterRawMode(): () => void {
  const { stdin } = process;
  if (!stdin.isTTY) return () => {};
  stdin.setRawMode(true);
  let raw = true;
  const restore = (): void => {
    if (!raw) return;
    raw = false;
    process.off("exit", restore);
    stdin.setRawMode(false);
  };
  process.on("exit", restore);
  return restore;
}

/** Calls back whenever the terminal's size changes; the returned function ends that. */
export function onResize(callback: () => void): () => void {
  process.on("SIGWINCH", callback);
  return () => process.off("SIGWINCH", callback);
}
