import type { IncomingMessage } from "node:http";
import { fail } from "../base/errors.ts";

/** A client reads the answer only when it has sent its body, so what is too large is read on for a while, and forgotten. */
const DRAINED = 8;

/** A whole request body of at most `limit` bytes of valid UTF-8. Throws `invalid_argument`. */
export async function readText(request: IncomingMessage, limit: number): Promise<string> {
  const declared = request.headers["content-length"];
  if (declared === "0" || (declared === undefined && request.headers["transfer-encoding"] === undefined))
    return "";
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) throw fail("internal", "a request body arrived as text");
    bytes += chunk.length;
    if (bytes > limit * DRAINED) break;
    if (bytes <= limit) chunks.push(chunk);
  }
  if (bytes > limit) throw tooLarge(limit);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw fail("invalid_argument", "invalid JSON: the request body is not UTF-8");
  }
}

function tooLarge(limit: number): Error {
  return fail("invalid_argument", `the request body is larger than ${limit} bytes`);
}
