import type { Call } from "../call.ts";
import { writeAll } from "./write-all.ts";

/**
 * Answers with an archive. What goes wrong before its first bytes is an answer of its own; after them all that can be done is
 * to break the connection off, so that nobody takes a part for the whole.
 */
export async function sendArchive(
  call: Call,
  contentType: string,
  archive: AsyncGenerator<Uint8Array>,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const first = await archive.next();
  const output = call.reply.stream(200, { "Content-Type": contentType, ...headers });
  await writeAll(output, rest(first, archive));
  output.end();
}

async function* rest(
  first: IteratorResult<Uint8Array, unknown>,
  archive: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  if (first.done === true) return;
  try {
    yield first.value;
    yield* archive;
  } finally {
    await archive.return(undefined);
  }
}
