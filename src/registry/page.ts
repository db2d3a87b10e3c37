/** Pages of a list: `n` and `last` of the query, and the Link to the next page (RFC 5988). Pure. */
import { refuse } from "./refusal.ts";

export interface Page {
  readonly limit: number;
  /** The entry before the first one; "" = from the start. */
  readonly after: string;
}

export interface PageRule {
  /** Without `n`. */
  readonly usual: number;
  readonly most: number;
}

/** Throws PAGINATION_NUMBER_INVALID. More than the most is the most: the Link tells where it goes on. */
export function pageOf(query: URLSearchParams, rule: PageRule): Page {
  const text = query.get("n");
  const after = query.get("last") ?? "";
  if (text === null || text === "") return { limit: rule.usual, after };
  if (!/^\d{1,15}$/.test(text))
    throw refuse("PAGINATION_NUMBER_INVALID", { detail: { n: text.slice(0, 100) } });
  return { limit: Math.min(Number(text), rule.most), after };
}

/** `path` has no query of its own; `more` holds further parameters to be kept. */
export function nextLink(
  path: string,
  page: { readonly limit: number; readonly last: string },
  more: Readonly<Record<string, string>> = {},
): string {
  const query = new URLSearchParams({ ...more, last: page.last, n: String(page.limit) });
  return `<${path}?${query.toString()}>; rel="next"`;
}
