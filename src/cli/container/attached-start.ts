/** Starting a container with our streams attached; what `run` and `start --attach` do. */
import { type EngineClient, type Hijacked, readAll } from "../../client/engine-client.ts";
import { child, fieldsOf, number, text } from "../../client/fields.ts";
import type { HttpBody } from "../../client/http.ts";
import type { Cli } from "../cli.ts";
import { Exit } from "../exit.ts";
import { detachKeys, followTerminalSize, runSession } from "./session.ts";
import { proxySignals } from "./signals.ts";

const MAX_WAIT_ANSWER_BYTES = 1024 * 1024;

export interface AttachedStart {
  readonly id: string;
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** The engine removes the container when it ends; the end of that is waited for. */
  readonly removes: boolean;
  /** The flag's value, "" for the configured or default keys. */
  readonly detachKeys: string;
  readonly sigProxy: boolean;
}

/**
 * Attach and wait are in place before the container starts, so that neither output nor a short life is missed; they
 * travel side by side, on connections opened before. Returns the container's exit status, 0 after detaching.
 */
export async function startAttached(cli: Cli, engine: EngineClient, options: AttachedStart): Promise<number> {
  const { id, tty } = options;
  const keys = await detachKeys(cli, options.detachKeys);
  const attaching = engine.hijack({
    method: "POST",
    path: `/containers/${id}/attach`,
    query: {
      stream: 1,
      stdin: options.stdin ? 1 : undefined,
      stdout: options.stdout ? 1 : undefined,
      stderr: options.stderr ? 1 : undefined,
      detachKeys: keys.text || undefined,
    },
  });
  const waiting = engine.call({
    method: "POST",
    path: `/containers/${id}/wait`,
    query: { condition: options.removes ? "removed" : "next-exit" },
  });
  const stopProxy = options.sigProxy && !tty ? proxySignals(cli, engine, id) : () => {};
  try {
    const [connection, waited] = await Promise.all([attaching, waiting]);
    const status = exitStatus(waited.body);
    status.catch(() => {});
    return await attachedLife(cli, engine, options, { connection, status, keys: keys.bytes });
  } finally {
    stopProxy();
  }
}

interface Attachment {
  readonly connection: Hijacked;
  readonly status: Promise<number>;
  readonly keys: readonly number[];
}

async function attachedLife(
  cli: Cli,
  engine: EngineClient,
  { id, tty, stdin, removes }: AttachedStart,
  { connection, status, keys }: Attachment,
): Promise<number> {
  const ending = runSession(cli, connection, { tty, stdin, detachKeys: keys });
  ending.catch(() => {});
  try {
    await engine.run({ method: "POST", path: `/containers/${id}/start` });
  } catch (error) {
    connection.stream.close();
    await ending.catch(() => {});
    // A container that could not start is removed all the same; its name is free again when we exit.
    if (removes) await status.catch(() => {});
    throw error;
  }
  const stopResizing = tty ? await followTerminalSize(engine, `/containers/${id}`) : () => {};
  try {
    if ((await ending) === "detached") return 0;
    return await status;
  } finally {
    stopResizing();
  }
}

/** The answer of a `wait` whose head has come. An engine that cannot tell the status is a failure of its own (125). */
export async function exitStatus(body: HttpBody): Promise<number> {
  const answer: unknown = JSON.parse((await readAll(body, MAX_WAIT_ANSWER_BYTES)).toString());
  const fields = fieldsOf(answer);
  const failure = text(child(fields, "Error"), "Message");
  if (failure !== "") throw new Exit(125, `Error waiting for container: ${failure}`);
  return number(fields, "StatusCode");
}
