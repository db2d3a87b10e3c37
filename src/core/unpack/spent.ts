/**
 * Passes pieces on and frees the memory of each when the next one is asked for, instead of leaving that to the collector: it
 * comes when as much has been used up as it thinks worth its while, which for layers is tens of megabytes at any time. The
 * pieces must be given away: nobody looks at one again, nor at what else is in its memory. A piece of something larger is
 * left alone, as there may be other pieces of it.
 */
export async function* spent(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const bytes of source) {
    yield bytes;
    if (bytes.byteLength === bytes.buffer.byteLength) free(bytes);
  }
}

/** The same for pieces that were cut from larger memory one behind the other: it is freed with the last of them. */
export async function* spentInOrder(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const bytes of source) {
    yield bytes;
    if (bytes.byteOffset + bytes.byteLength === bytes.buffer.byteLength) free(bytes);
  }
}

function free({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength > 0) buffer.transfer(0);
}
