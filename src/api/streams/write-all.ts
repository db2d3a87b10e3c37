import type { Writable } from "node:stream";

/** Writes pieces as fast as the reader takes them; stops quietly when the reader is gone. Does not end the stream. */
export async function writeAll(output: Writable, pieces: AsyncIterable<Uint8Array | string>): Promise<void> {
  for await (const piece of pieces) {
    if (output.destroyed || output.writableEnded) return;
    if (!output.write(piece) && !(await drained(output))) return;
  }
}

/** False when the stream closed instead. */
async function drained(output: Writable): Promise<boolean> {
  if (output.destroyed) return false;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const onDrain = (): void => resolve(true);
  const onClose = (): void => resolve(false);
  output.once("drain", onDrain);
  output.once("close", onClose);
  try {
    return await promise;
  } finally {
    output.off("drain", onDrain);
    output.off("close", onClose);
  }
}
