import type { IncomingMessage } from "node:http";
import { fail } from "../base/errors.ts";

/** A whole request body of at most `limit` bytes of valid UTF-8. Throws `invalid_argument`; the rest is then not read. */
export async function readText(request: IncomingMessage, limit: number): Promise<string> {
  const declared = request.headers["content-length"];
  if (declared === "0" || (declared === undefined && request.headers["transfer-encoding"] === undefined))
    return "";
  if (Number(declared) > limit) throw tooLarge(limit);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) throw fail("internal", "a request body arrived as text");
    bytes += chunk.length;
    if (bytes > limit) throw tooLarge(limit);
    chunks.push(chunk);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw fail("invalid_argument", "invalid JSON: the request body is not UTF-8");
  }
}

function tooLarge(limit: number): Error {
  return fail("invalid_argument", `the request body is larger than ${limit} bytes`);
}
