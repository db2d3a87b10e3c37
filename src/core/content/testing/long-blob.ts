/** A blob whose every byte is known, for writers that are killed in its middle. */
import { sha256Of } from "../../../specs/oci-image/digest.ts";

export const BLOB_NAME = "long";
export const BLOB_BYTES = 8 << 20;

const BYTES = Buffer.alloc(BLOB_BYTES);
for (let i = 0; i < BLOB_BYTES; i++) BYTES[i] = (i * 31 + (i >> 8) + (i >> 16)) & 0xff;

export const BLOB_DIGEST = sha256Of(BYTES);

export function blobBytes(offset: number, length: number): Buffer {
  return BYTES.subarray(offset, Math.min(offset + length, BLOB_BYTES));
}
