/**
 * Joins a hijacked client connection and a process's stream. Output is passed on unchanged (it is framed already), both
 * directions with back-pressure, and each side's half-close is handed to the other.
 */
import type { Duplex } from "node:stream";
import type { ByteStream } from "../reply.ts";
import type { DetachScanner } from "./detach-keys.ts";

export interface PumpOptions {
  readonly stdin: boolean;
  /** Set for terminals. */
  readonly detach: DetachScanner | undefined;
}

/** How long an answered client may go on sending before its connection is cut. */
const LINGER_MS = 10_000;

/** Runs until the process's output has ended, the user has detached, or the client is gone. Never rejects. */
export async function pump(
  client: ByteStream,
  process: Duplex,
  options: PumpOptions,
): Promise<"ended" | "detached" | "gone"> {
  const { promise, resolve } = Promise.withResolvers<"ended" | "detached" | "gone">();
  process.on("error", () => resolve("ended"));
  process.on("end", () => resolve("ended"));
  process.on("close", () => resolve("ended"));
  client.output.on("close", () => resolve("gone"));
  client.output.on("error", () => resolve("gone"));
  client.input.on("error", () => resolve("gone"));
  if (client.output.destroyed) resolve("gone"); // while the process was asked for its stream

  if (options.stdin) passInput(client, process, options.detach, () => resolve("detached"));
  else client.input.resume();
  process.pipe(client.output, { end: false });

  const how = await promise;
  process.unpipe(client.output);
  process.destroy(); // also when it has ended: its shim stays until we let go
  closeClient(client);
  return how;
}

function passInput(
  client: ByteStream,
  process: Duplex,
  scanner: DetachScanner | undefined,
  onDetach: () => void,
): void {
  const { input } = client;
  let isDetached = false;
  input.on("data", (chunk: Buffer) => {
    if (isDetached || !process.writable) return;
    let bytes = chunk;
    if (scanner !== undefined) {
      const scanned = scanner.push(chunk);
      bytes = scanned.bytes;
      isDetached = scanned.detached;
    }
    if (bytes.length > 0 && !process.write(bytes)) input.pause();
    if (isDetached) onDetach();
  });
  process.on("drain", () => input.resume());
  process.on("close", () => input.resume());
  input.on("end", () => {
    if (isDetached || !process.writable) return;
    const rest = scanner?.rest();
    if (rest === undefined || rest.length === 0) process.end();
    else process.end(rest);
  });
}

/**
 * Ends our side. When all of it is out, what the client still sends is thrown away until it ends its own side, or
 * LINGER_MS is over.
 */
export function closeClient(client: ByteStream): void {
  const { input, output } = client;
  if (output.destroyed) return;
  input.resume();
  output.once("finish", () => {
    if (input.readableEnded) {
      output.destroy();
      return;
    }
    const timer = setTimeout(() => output.destroy(), LINGER_MS);
    timer.unref();
    output.once("close", () => clearTimeout(timer));
    input.once("end", () => output.destroy());
  });
  output.end();
}
