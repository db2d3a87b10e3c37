/**
 * Buffers for what is on its way to a file, used again and again by all files: whoever has no bytes under way holds none.
 * Memory that is used once is only returned when the collector gets to it, and a large layer is through before.
 */

/** Large enough that the trips to the thread pool do not show. */
const BUFFER_BYTES = 256 << 10;

/** So many stay when nobody uses them. */
const SPARE_BUFFERS = 4;

const spare: Buffer[] = [];

export function takeBuffer(): Buffer {
  return spare.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
}

export function giveBuffer(buffer: Buffer): void {
  if (spare.length < SPARE_BUFFERS) spare.push(buffer);
}
