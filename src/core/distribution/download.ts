/**
 * A file of anybody's, which a user wants the engine to fetch. Proxies, authorities and the patience with a slow other side are
 * those for registries. What the URL has of a user goes to its own origin alone; a server elsewhere does not send us to this machine.
 */
import { type Category, fail } from "../../base/errors.ts";
import type { Downloaded } from "./distribution.ts";
import { readDocument } from "./documents.ts";
import { follow } from "./follow.ts";
import { isSameOrigin } from "./redirects.ts";
import { clean, RegistryError, shownUrl } from "./registry-error.ts";
import type { SessionParts } from "./session.ts";
import type { Answer } from "./transport.ts";

const MAX_ERROR_BYTES = 4 << 10;

const CATEGORIES: ReadonlyMap<number, Category> = new Map([
  [400, "invalid_argument"],
  [401, "unauthorized"],
  [403, "forbidden"],
  [404, "not_found"],
]);

/** See `Registries.download`. */
export async function download(
  { transport, limits }: Pick<SessionParts, "transport" | "limits">,
  source: URL,
  signal: AbortSignal,
): Promise<Downloaded> {
  if (source.protocol !== "http:" && source.protocol !== "https:")
    throw fail(
      "internal",
      `Get "${shownUrl(source)}": unsupported protocol scheme "${source.protocol.slice(0, -1)}"`,
    );
  const url = new URL(source);
  const authorization = authorizationOf(source);
  url.username = "";
  url.password = "";
  url.hash = "";
  const answer = await follow(transport, {
    method: "GET",
    url,
    registry: url,
    signal,
    headersFor: (to) =>
      authorization !== undefined && isSameOrigin(to, url) ? { Authorization: authorization } : {},
  });
  if (answer.status >= 400) throw await refusal(answer, url, limits.documentMs);
  const size = Number(answer.header("content-length") ?? "0");
  return { sizeBytes: Number.isSafeInteger(size) && size > 0 ? size : 0, bytes: answer.body() };
}

function authorizationOf({ username, password }: URL): string | undefined {
  if (username === "" && password === "") return undefined;
  const user = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(user).toString("base64")}`;
}

/** Docker's words. */
async function refusal(answer: Answer, url: URL, documentMs: number): Promise<Error> {
  let said = "";
  try {
    const limit = { maxBytes: MAX_ERROR_BYTES, documentMs, what: "the error" };
    said = clean((await readDocument(answer, limit)).toString().trim(), 500);
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    said = "error reading body";
  }
  const status = `${answer.status} ${clean(answer.statusText, 100)}`;
  return fail(
    CATEGORIES.get(answer.status) ?? "internal",
    `failed to GET ${shownUrl(url)} with status ${status}: ${said}`,
  );
}
