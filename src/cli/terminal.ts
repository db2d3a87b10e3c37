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

const ENDING_SIGNALS = ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT"] as const;

/**
 * Takes the terminal on standard input out of line mode: every key goes to the container, and its output reaches the
 * screen untouched. The returned function puts it back; that also happens when the process exits or is told to end.
 */
export async function enterRawMode(): Promise<() => void> {
  const { stdin } = process;
  if (!stdin.isTTY) return () => {};
  stdin.setRawMode(true);
  let raw = true;
  const restore = (): void => {
    if (!raw) return;
    raw = false;
    process.off("exit", restore);
    for (const signal of ENDING_SIGNALS) process.off(signal, endBy);
    stdin.setRawMode(false);
  };
  const endBy = (signal: NodeJS.Signals): void => {
    restore();
    process.kill(process.pid, signal);
  };
  process.on("exit", restore);
  for (const signal of ENDING_SIGNALS) process.on(signal, endBy);
  await stopOutputProcessing();
  return restore;
}

/**
 * setRawMode() leaves the terminal translating line feeds, which garbles full-screen programs; it has no switch for that
 * and restores all flags when it is turned off. A host without `stty` keeps the translation.
 */
async function stopOutputProcessing(): Promise<void> {
  const { runProgram } = await import("../base/process.ts");
  // Standard input is the terminal in question; /dev/tty need not be, nor need there be one.
  const limits = { timeoutMs: 1000, maxBytes: 4096, input: "inherit" } as const;
  await runProgram("stty", ["-opost"], limits).catch(() => {
    // No stty: the translation stays, everything else works.
  });
}

/** Calls back whenever the terminal's size changes; the returned function ends that. */
export function onResize(callback: () => void): () => void {
  process.on("SIGWINCH", callback);
  return () => process.off("SIGWINCH", callback);
}
