/**
 * What the registry says no with: the error codes of the distribution specification ("Error codes"), those that
 * docker-registry added, and the one status that goes with each. Everything else that is thrown is mapped by category.
 */
import { isDiskFull } from "../base/disk-full.ts";
import { type Category, GantryError, messageOf } from "../base/errors.ts";

interface Meaning {
  readonly status: number;
  readonly category: Category;
  readonly message: string;
}

const CODES = {
  BLOB_UNKNOWN: { status: 404, category: "not_found", message: "blob unknown to registry" },
  BLOB_UPLOAD_INVALID: { status: 400, category: "invalid_argument", message: "blob upload invalid" },
  BLOB_UPLOAD_UNKNOWN: { status: 404, category: "not_found", message: "blob upload unknown to registry" },
  DIGEST_INVALID: {
    status: 400,
    category: "invalid_argument",
    message: "provided digest did not match uploaded content",
  },
  MANIFEST_BLOB_UNKNOWN: {
    status: 404,
    category: "not_found",
    message: "manifest references a manifest or blob unknown to registry",
  },
  MANIFEST_INVALID: { status: 400, category: "invalid_argument", message: "manifest invalid" },
  MANIFEST_UNKNOWN: { status: 404, category: "not_found", message: "manifest unknown" },
  NAME_INVALID: { status: 400, category: "invalid_argument", message: "invalid repository name" },
  NAME_UNKNOWN: { status: 404, category: "not_found", message: "repository name not known to registry" },
  SIZE_INVALID: {
    status: 400,
    category: "invalid_argument",
    message: "provided length did not match content length",
  },
  TAG_INVALID: { status: 400, category: "invalid_argument", message: "manifest tag is invalid" },
  RANGE_INVALID: { status: 416, category: "invalid_argument", message: "invalid content range" },
  PAGINATION_NUMBER_INVALID: {
    status: 400,
    category: "invalid_argument",
    message: "invalid number of results requested",
  },
  UNAUTHORIZED: { status: 401, category: "unauthorized", message: "authentication required" },
  DENIED: { status: 403, category: "forbidden", message: "requested access to the resource is denied" },
  UNSUPPORTED: { status: 405, category: "not_implemented", message: "the operation is unsupported" },
  TOOMANYREQUESTS: { status: 429, category: "unavailable", message: "too many requests" },
  UNAVAILABLE: { status: 503, category: "unavailable", message: "service unavailable" },
} as const satisfies Readonly<Record<string, Meaning>>;

export type Code = keyof typeof CODES;

export interface RefusalOptions {
  /** Instead of the code's own sentence. */
  readonly message?: string;
  /** Anything that JSON can hold and that helps whoever reads it. */
  readonly detail?: unknown;
  /** Where the specification wants another status for the same code. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

export class Refusal extends GantryError {
  readonly code: Code;
  readonly status: number;
  readonly detail: unknown;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: Code, options: RefusalOptions) {
    const { category, message, status } = CODES[code];
    super(category, options.message ?? message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = "Refusal";
    this.code = code;
    this.status = options.status ?? status;
    this.detail = options.detail;
    this.headers = options.headers ?? {};
  }
}

export function refuse(code: Code, options: RefusalOptions = {}): Refusal {
  return new Refusal(code, options);
}

export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The answer for anything thrown. What is our own fault is not told to strangers: the log has it. */
export function errorAnswer(error: unknown): ErrorAnswer {
  if (error instanceof Refusal)
    return answer(error.status, error.code, error.message, error.detail, error.headers);
  // A blob that was deleted between the look and the reading of it.
  if (error instanceof GantryError && error.category === "not_found")
    return answer(404, "BLOB_UNKNOWN", CODES.BLOB_UNKNOWN.message, undefined, {});
  // Waiting does not help, and whoever pushes can tell the operator.
  if (isDiskFull(error)) return answer(507, "UNAVAILABLE", "no space left on device", undefined, {});
  if (error instanceof GantryError && error.category === "unavailable")
    return answer(503, "UNAVAILABLE", "service unavailable", undefined, {});
  return answer(500, "UNKNOWN", "unknown error", undefined, {});
}

function answer(
  status: number,
  code: string,
  message: string,
  detail: unknown,
  headers: Readonly<Record<string, string>>,
): ErrorAnswer {
  return { status, headers, body: `${JSON.stringify({ errors: [{ code, message, detail }] })}\n` };
}

/** As `refuse`, with what was wrong with a document as the detail. */
export function invalidManifest(error: unknown): Refusal {
  return error instanceof Refusal
    ? error
    : refuse("MANIFEST_INVALID", { detail: messageOf(error), cause: error });
}
