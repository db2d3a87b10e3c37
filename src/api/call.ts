/** One request on its way through a route: what it asks, and how to answer it. */
import type { IncomingMessage } from "node:http";
import { fail } from "../base/errors.ts";
import { parseJson } from "../specs/engine/fields.decode.ts";
import { readText } from "./body.ts";
import type { Query } from "./query.ts";
import type { Reply } from "./reply.ts";

/** Create and exec documents; Docker's own limit for what its plugins look at. */
const JSON_BODY_LIMIT = 4 << 20;

export class Call {
  /** Counts up from 1 in this daemon run; names the request in the log. */
  readonly id: number;
  readonly request: IncomingMessage;
  readonly reply: Reply;
  readonly params: readonly string[];
  readonly query: Query;
  /** 51 for API 1.51. */
  readonly minor: number;
  readonly #body: string | undefined;

  /** `body`: of the request, when somebody has read it already. */
  constructor(
    id: number,
    request: IncomingMessage,
    reply: Reply,
    route: { readonly params: readonly string[]; readonly query: Query; readonly minor: number },
    body?: string,
  ) {
    this.id = id;
    this.request = request;
    this.reply = reply;
    this.params = route.params;
    this.query = route.query;
    this.minor = route.minor;
    this.#body = body;
  }

  /** Aborted when the client goes away before the answer is complete. */
  get signal(): AbortSignal {
    return this.reply.signal;
  }

  param(index: number): string {
    return this.params[index] ?? "";
  }

  /** The body as JSON; undefined when there is none and `optional` is set. Throws `invalid_argument`. */
  async json(optional: "optional" | "required" = "required"): Promise<unknown> {
    const text = this.#body ?? (await readText(this.request, JSON_BODY_LIMIT));
    if (text.trim() === "") {
      if (optional === "optional") return undefined;
      throw fail("invalid_argument", "invalid JSON: got EOF while reading request body");
    }
    checkContentType(this.request.headers["content-type"] ?? "");
    return parseJson(text);
  }
}

function checkContentType(header: string): void {
  const type = header.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (type === "") throw fail("invalid_argument", "malformed Content-Type header (): mime: no media type");
  if (type !== "application/json")
    throw fail(
      "invalid_argument",
      `unsupported Content-Type header (${type.slice(0, 100)}): must be 'application/json'`,
    );
}
