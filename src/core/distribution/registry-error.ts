/**
 * What went wrong with a registry, in Docker's words. An error here also knows whether another attempt makes sense. Nothing
 * of a request but method, host and path is ever in a text: queries carry signatures, headers carry secrets.
 */
import { type Category, errnoOf, GantryError, messageOf } from "../../base/errors.ts";
import { Fields, parseJson } from "../../specs/engine/fields.decode.ts";
import { parseChallenges } from "./challenge.ts";
import { hostnameOf } from "./ip-range.ts";

export interface RegistryErrorFacts {
  /** The registry's own code ("MANIFEST_UNKNOWN"), "" when it gave none. */
  readonly code?: string;
  /** HTTP status; 0 = there was no answer. */
  readonly status?: number;
  /** Whether the same request may succeed later. */
  readonly mayRetry?: boolean;
  /** How long the registry wants to be left alone. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

export class RegistryError extends GantryError {
  readonly code: string;
  readonly status: number;
  readonly mayRetry: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(category: Category, message: string, facts: RegistryErrorFacts = {}) {
    super(category, message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = "RegistryError";
    this.code = facts.code ?? "";
    this.status = facts.status ?? 0;
    this.mayRetry = facts.mayRetry ?? false;
    this.retryAfterMs = facts.retryAfterMs;
  }
}

/** An answer that breaks a rule: asking again would bring the same. */
export function badAnswer(message: string, cause?: unknown): RegistryError {
  return new RegistryError("invalid_argument", message, { cause });
}

/** "https://host/path", as much of a URL as may be shown. */
export function shownUrl(url: URL): string {
  return clean(`${url.origin}${url.pathname}`, 500);
}

/** Text from a stranger on its way to a terminal: one line, no control characters, bounded. */
export function clean(text: string, most = 1000): string {
  const plain = text.slice(0, most).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ");
  return text.length > most ? `${plain}…` : plain;
}

const MAX_ATTEMPT_AFTER_MS = 2 ** 31;

/** Retry-After: seconds or a date; undefined when it is neither. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,12}$/.test(header)) return Math.min(Number(header) * 1000, MAX_ATTEMPT_AFTER_MS);
  if (header.length > 40 || !/^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/.test(header))
    return undefined;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.min(Math.max(0, at - nowMs), MAX_ATTEMPT_AFTER_MS);
}

export interface ErrorAnswer {
  readonly status: number;
  readonly statusText: string;
  header(name: string): string | undefined;
  /** The first 64 KiB of the body. */
  readonly body: string;
  readonly nowMs: number;
}

interface Reason {
  readonly code: string;
  readonly message: string;
}

/** A registry's disk is full: asking again would only fill it again. */
const INSUFFICIENT_STORAGE = 507;

/** What an answer of 400 and above says. */
export function errorOfAnswer(answer: ErrorAnswer): RegistryError {
  const { status } = answer;
  const facts = {
    status,
    mayRetry: status === 429 || (status >= 500 && status !== INSUFFICIENT_STORAGE) || status === 408,
    ...optional(retryAfterMs(answer.header("retry-after"), answer.nowMs)),
  };
  if (status >= 500) {
    const said = reasonOf(answer.body, status);
    const text = `received unexpected HTTP status: ${status} ${clean(answer.statusText, 100)}`.trimEnd();
    const message = said === undefined ? text : `${text}: ${textOf(said)}`;
    return new RegistryError("unavailable", message, { ...facts, code: said?.code ?? "" });
  }
  const reason =
    bearerReason(answer.header("www-authenticate")) ?? reasonOf(answer.body, status) ?? defaultReason(status);
  const message =
    reason === undefined
      ? `error parsing HTTP ${status} response body: ${JSON.stringify(clean(answer.body, 200))}`
      : textOf(reason);
  return new RegistryError(categoryOf(status, reason?.code ?? ""), message, {
    ...facts,
    code: reason?.code ?? "",
  });
}

function optional(ms: number | undefined): { readonly retryAfterMs?: number } {
  return ms === undefined ? {} : { retryAfterMs: ms };
}

function textOf(reason: Reason): string {
  const name = clean(reason.code, 60).toLowerCase().replaceAll("_", " ");
  return reason.message === "" ? name : `${name}: ${clean(reason.message)}`;
}

/** What the standard codes say when a registry gives no message of its own. */
const MESSAGES: ReadonlyMap<string, string> = new Map([
  ["UNAUTHORIZED", "authentication required"],
  ["DENIED", "requested access to the resource is denied"],
  ["TOOMANYREQUESTS", "too many requests"],
  ["MANIFEST_UNKNOWN", "manifest unknown"],
  ["NAME_UNKNOWN", "repository name not known to registry"],
  ["BLOB_UNKNOWN", "blob unknown to registry"],
]);

/** A bearer challenge may tell why a token was not enough (RFC 6750, 3). */
function bearerReason(header: string | undefined): Reason | undefined {
  for (const { scheme, parameters } of parseChallenges(header)) {
    if (scheme !== "bearer") continue;
    const error = parameters.get("error");
    const code =
      error === "invalid_token" ? "UNAUTHORIZED" : error === "insufficient_scope" ? "DENIED" : undefined;
    if (code !== undefined)
      return { code, message: parameters.get("error_description") ?? MESSAGES.get(code) ?? "" };
  }
  return undefined;
}

/** The first error of a document of the distribution specification, or of one of the forms that Docker Hub has. */
function reasonOf(body: string, status: number): Reason | undefined {
  try {
    const fields = new Fields(parseJson(body), "");
    const details = looseText(fields, "details");
    if (details !== "") return { code: codeOfStatus(status), message: details };
    const [first] = fields.list("errors", (value, path) => new Fields(value, path)) ?? [];
    if (first === undefined) return undefined;
    const given = looseText(first, "code");
    const code = /^[A-Z][A-Z0-9_]{1,60}$/.test(given) ? given : "UNKNOWN";
    const message = looseText(first, "message");
    return { code, message: message === "" ? (MESSAGES.get(code) ?? "unknown error") : message };
  } catch (error) {
    if (error instanceof GantryError) return undefined;
    throw error;
  }
}

function looseText(fields: Fields, key: string): string {
  const value = fields.raw(key);
  return typeof value === "string" ? value : "";
}

function codeOfStatus(status: number): string {
  if (status === 401) return "UNAUTHORIZED";
  return status === 429 ? "TOOMANYREQUESTS" : "UNKNOWN";
}

function defaultReason(status: number): Reason | undefined {
  const code =
    status === 401
      ? "UNAUTHORIZED"
      : status === 403
        ? "DENIED"
        : status === 429
          ? "TOOMANYREQUESTS"
          : undefined;
  return code === undefined ? undefined : { code, message: MESSAGES.get(code) ?? "" };
}

function categoryOf(status: number, code: string): Category {
  if (code === "DENIED") return "forbidden";
  switch (status) {
    case 401:
      return "unauthorized";
    case 403:
      return "forbidden";
    case 404:
      return "not_found";
    case 408:
    case 429:
      return "unavailable";
    default:
      return "invalid_argument";
  }
}

/**
 * No answer came: the connection failed, as Go words it. Docker first asks for "/v2/" and nothing else, so that is what its
 * users know to look for when a registry cannot be reached.
 */
export function connectionError(method: string, url: URL, cause: unknown): RegistryError {
  if (cause instanceof RegistryError) return cause;
  const { text, mayRetry } = connectionReason(url, cause);
  const isApi = url.pathname.startsWith("/v2/") && isUnreached(cause);
  const what = isApi ? `Get "${url.origin}/v2/"` : requestText(method, url);
  return new RegistryError("unavailable", `${what}: ${text}`, { mayRetry, cause });
}

/** `Head "https://host/path"` */
export function requestText(method: string, url: URL): string {
  return `${method.slice(0, 1)}${method.slice(1).toLowerCase()} "${shownUrl(url)}"`;
}

/** The connection was never there to carry a request. */
function isUnreached(cause: unknown): boolean {
  const code = errnoOf(cause) ?? "";
  return /^(?:ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_|ERR_SSL|ERR_TLS|CERT_|UNABLE_|SELF_SIGNED|DEPTH_)/.test(
    code,
  );
}

function connectionReason(url: URL, cause: unknown): { readonly text: string; readonly mayRetry: boolean } {
  const host = clean(hostnameOf(url), 260);
  const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port;
  const code = errnoOf(cause) ?? "";
  const tls = (text: string): { text: string; mayRetry: boolean } => ({
    text: `tls: failed to verify certificate: x509: ${text}`,
    mayRetry: false,
  });
  switch (code) {
    case "ECONNREFUSED":
      return { text: `dial tcp ${host}:${port}: connect: connection refused`, mayRetry: true };
    case "EHOSTUNREACH":
      return { text: `dial tcp ${host}:${port}: connect: no route to host`, mayRetry: true };
    case "ENETUNREACH":
      return { text: `dial tcp ${host}:${port}: connect: network is unreachable`, mayRetry: true };
    case "ENOTFOUND":
      return { text: `dial tcp: lookup ${host}: no such host`, mayRetry: false };
    case "EAI_AGAIN":
      return { text: `dial tcp: lookup ${host}: Temporary failure in name resolution`, mayRetry: true };
    case "ERR_SSL_WRONG_VERSION_NUMBER":
    case "ERR_SSL_HTTP_REQUEST":
      return { text: "http: server gave HTTP response to HTTPS client", mayRetry: false };
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    case "CERT_UNTRUSTED":
      return tls("certificate signed by unknown authority");
    case "CERT_HAS_EXPIRED":
    case "CERT_NOT_YET_VALID":
      return tls("certificate has expired or is not yet valid");
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return tls(`certificate is not valid for ${host}: ${clean(messageOf(cause), 300)}`);
    default: {
      const isParse = code.startsWith("HPE_");
      const text = isParse ? "malformed HTTP response" : clean(messageOf(cause), 300);
      return { text, mayRetry: !isParse && !code.startsWith("ERR_SSL") && !code.startsWith("ERR_TLS") };
    }
  }
}
