/** One request on its way through: what it asks, who asks, and how to answer. */
import type { IncomingMessage } from "node:http";
import type { Rights } from "./auth/access.ts";
import { declaredLength, type Pace, readBody } from "./body.ts";
import { parseChunkSpan } from "./range.ts";
import { refuse } from "./refusal.ts";
import type { Reply } from "./reply.ts";
import type { Chunk } from "./uploads.ts";

export interface Call {
  readonly request: IncomingMessage;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly reply: Reply;
  readonly rights: Rights;
  readonly pace: Pace;
}

export function header(call: Call, name: string): string | undefined {
  const value = call.request.headers[name];
  return Array.isArray(value) ? value.join(",") : value;
}

/** The body as a part of an upload. Throws RANGE_INVALID for a `Content-Range` that is none. */
export function chunkOf(call: Call): Chunk {
  const range = header(call, "content-range");
  const span = range === undefined ? undefined : parseChunkSpan(range);
  if (range !== undefined && span === undefined)
    throw refuse("RANGE_INVALID", { detail: { "Content-Range": range.slice(0, 100) } });
  const declaredBytes = declaredLength(call.request);
  return {
    span,
    declaredBytes,
    bytes: (signal) => readBody(call.request, call.pace, AbortSignal.any([signal, call.reply.signal])),
  };
}
