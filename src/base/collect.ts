/** What a program says, within a limit. */
import type { Readable } from "node:stream";

/** Keeps the first `cap` bytes of a stream and reads the rest away. The returned function gives what there is by now. */
export function collect(stream: Readable, cap: number): () => string {
  const chunks: Buffer[] = [];
  let used = 0;
  stream.on("data", (chunk: Buffer) => {
    const part = chunk.subarray(0, cap - used);
    if (part.length === 0) return;
    chunks.push(part);
    used += part.length;
  });
  return () => Buffer.concat(chunks).toString();
}
