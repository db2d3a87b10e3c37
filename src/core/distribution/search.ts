/** Docker Hub's search, and that of registries which have the same: GET /v1/search. */
import { messageOf } from "../../base/errors.ts";
import { fail } from "../../base/errors.ts";
import { Fields, parseJson } from "../../specs/engine/fields.decode.ts";
import type { SearchResult } from "./distribution.ts";
import { readDocument } from "./documents.ts";
import { badAnswer, clean, RegistryError } from "./registry-error.ts";
import { isHost } from "./registry-options.ts";
import type { Session } from "./session.ts";

const MAX_ANSWER_BYTES = 4 << 20;
const MAX_RESULTS = 100;

export interface SearchTerm {
  /** Whose index is asked. */
  readonly host: string;
  readonly text: string;
}

/** "host/text" asks that host's; throws `invalid_argument` with Docker's words. */
export function parseSearchTerm(term: string): SearchTerm {
  if (/^https?:\/\//.test(term))
    throw fail(
      "invalid_argument",
      `invalid repository name: repository name (${clean(term, 300)}) should not have a scheme`,
    );
  const slash = term.indexOf("/");
  const first = slash === -1 ? "" : term.slice(0, slash);
  if (!/[.:]/.test(first) && first !== "localhost")
    return { host: "index.docker.io", text: term.replace(/^library\//, "") };
  const host = first === "docker.io" ? "index.docker.io" : first;
  if (!isHost(host)) throw fail("invalid_argument", `invalid index name (${clean(first, 300)})`);
  return { host, text: term.slice(slash + 1) };
}

export async function searchIndex(
  session: Session,
  text: string,
  limit: number,
  signal: AbortSignal,
): Promise<readonly SearchResult[]> {
  const url = new URL("/v1/search", session.registry);
  url.searchParams.set("q", text);
  url.searchParams.set("n", String(limit));
  const answer = await session
    .send({
      method: "GET",
      url,
      scopes: ["registry:catalog:search"],
      // The index leaves out stars and descriptions for clients that do not say this.
      headers: { "X-Docker-Token": "true" },
      signal,
    })
    .catch((error: unknown) => {
      throw withoutIndex(error);
    });
  const what = "the result of the search";
  const { documentMs } = session.limits;
  const bytes = await readDocument(answer, { maxBytes: MAX_ANSWER_BYTES, documentMs, what });
  try {
    const fields = new Fields(parseJson(bytes.toString()), "");
    const results = fields.list("results", (value, path) => decodeResult(new Fields(value, path)));
    return (results ?? []).slice(0, MAX_RESULTS);
  } catch (cause) {
    throw badAnswer(`${what} is no document: ${messageOf(cause)}`, cause);
  }
}

/** A registry without an index answers like one without anything: Docker says just the number. */
function withoutIndex(error: unknown): unknown {
  if (!(error instanceof RegistryError) || error.status === 0 || error.status === 401) return error;
  return new RegistryError(error.category, `Unexpected status code ${error.status}`, {
    status: error.status,
  });
}

function decodeResult(fields: Fields): SearchResult {
  return {
    name: clean(fields.str("name"), 300),
    description: clean(fields.str("description"), 2000),
    starCount: fields.int("star_count"),
    isOfficial: fields.bool("is_official"),
    isAutomated: fields.bool("is_automated"),
  };
}
