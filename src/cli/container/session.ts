/** The streams of an attached container or exec: our standard streams on one side, a hijacked connection on the other. */
import { standardInput } from "../../base/bun-stdio.ts";
import { errnoOf } from "../../base/errors.ts";
import type { EngineClient, Hijacked } from "../../client/engine-client.ts";
import { copyDemultiplexed, copyRaw } from "../../client/stdcopy.ts";
import type { Cli } from "../cli.ts";
import { DEFAULT_DETACH_KEYS, DetachFilter, parseDetachKeys } from "../detach-keys.ts";
import { Exit } from "../exit.ts";

export interface SessionOptions {
  readonly tty: boolean;
  readonly stdin: boolean;
  /** Bytes that detach; only looked for when a terminal is on both sides. */
  readonly detachKeys: readonly number[];
}

/** `-t` with an attached standard input makes sense on a terminal only. */
export async function checkTty(stdin: boolean, tty: boolean): Promise<void> {
  if (!stdin || !tty) return;
  const { isTerminal } = await import("../terminal.ts");
  if (!(await isTerminal(0))) throw new Exit(1, "the input device is not a TTY");
}

/** The detach sequence from the flag, else the configuration. The engine gets its text and refuses a wrong one. */
export async function detachKeys(
  cli: Cli,
  flag: string,
): Promise<{ text: string; bytes: readonly number[] }> {
  const text = flag === "" ? (await cli.config()).detachKeys : flag;
  return { text, bytes: parseDetachKeys(text) ?? DEFAULT_DETACH_KEYS };
}

/** Copies until the other side ends its output ("ended") or the user detaches. The connection is closed then. */
export async function runSession(
  cli: Cli,
  connection: Hijacked,
  options: SessionOptions,
): Promise<"ended" | "detached"> {
  const { stream } = connection;
  const output = options.tty ? copyRaw(stream, cli.out) : copyDemultiplexed(stream, cli.out, cli.err);
  const { promise: detached, resolve: detach } = Promise.withResolvers<"detached">();
  let restore = (): void => {};
  try {
    if (options.stdin && options.tty) restore = await sendKeys(connection, options.detachKeys, detach);
    else if (options.stdin) sendInput(connection).catch(ignoreGone);
    return await Promise.race([output.then((): "ended" => "ended"), detached]);
  } finally {
    restore();
    stream.close();
    output.catch(() => {});
  }
}

/** The other side has ended: nobody is left to read what we send. */
function ignoreGone(error: unknown): void {
  const errno = errnoOf(error);
  if (errno !== "EPIPE" && errno !== "ECONNRESET") throw error;
}

async function sendInput({ stream }: Hijacked): Promise<void> {
  for await (const chunk of standardInput()) await stream.write(chunk);
  await stream.endWrite();
}

/** Raw mode: every key goes to the other side, except those of the detach sequence. */
async function sendKeys(
  { stream }: Hijacked,
  keys: readonly number[],
  detach: (how: "detached") => void,
): Promise<() => void> {
  const { enterRawMode } = await import("../terminal.ts");
  const restore = await enterRawMode();
  const filter = new DetachFilter(keys);
  const { stdin } = process;
  const onData = (chunk: Buffer): void => {
    const { pass, detached } = filter.feed(chunk);
    if (pass.length > 0) {
      stdin.pause();
      stream
        .write(pass)
        .then(() => stdin.resume())
        .catch(ignoreGone);
    }
    if (detached) detach("detached");
  };
  const onEnd = (): void => {
    stream.endWrite().catch(ignoreGone);
  };
  stdin.on("data", onData);
  stdin.on("end", onEnd);
  return () => {
    stdin.off("data", onData);
    stdin.off("end", onEnd);
    stdin.pause();
    restore();
  };
}

/**
 * Tells the engine the terminal's size now and after every change; `path` is that of the container or exec. With `redraw`
 * the size first changes by one, which makes programs that were already running draw their screen again.
 */
export async function followTerminalSize(
  engine: EngineClient,
  path: string,
  options: { readonly redraw: boolean } = { redraw: false },
): Promise<() => void> {
  const { onResize, terminalSize } = await import("../terminal.ts");
  const send = async (more: number): Promise<void> => {
    const { rows, columns } = terminalSize();
    if (rows === 0 && columns === 0) return;
    const query = { h: rows + more, w: columns + more };
    await engine.run({ method: "POST", path: `${path}/resize`, query }).catch(() => {
      // The process may be gone already; a size that could not be set is no reason to end the session.
    });
  };
  if (options.redraw) await send(1);
  await send(0);
  return onResize(() => {
    send(0).catch(() => {});
  });
}
