/** GET /images/search: what a registry's index finds, filtered here as Docker does. */
import { fail } from "../../base/errors.ts";
import type { Credentials, Registries, SearchResult } from "../../core/distribution/distribution.ts";
import type { Filters } from "../../specs/engine/container.ts";
import { booleanFilter } from "../../specs/engine/filters.decode.ts";

export const SEARCH_FILTERS: readonly string[] = ["is-automated", "is-official", "stars"];

const DEFAULT_LIMIT = 25;
const MOST = 100;

export interface SearchDeps {
  readonly registries: Pick<Registries, "search">;
}

export interface SearchRequest {
  readonly term: string;
  /** 0 = Docker's default. */
  readonly limit: number;
  readonly filters: Filters;
  readonly credentials: Credentials | undefined;
}

export interface SearchItem {
  readonly star_count: number;
  readonly is_official: boolean;
  readonly name: string;
  /** Docker Hub's word on it is not to be trusted; Docker says false, too. */
  readonly is_automated: false;
  readonly description: string;
}

export async function search(
  { registries }: SearchDeps,
  { term, limit, filters, credentials }: SearchRequest,
  signal: AbortSignal,
): Promise<readonly SearchItem[]> {
  const wanted = limit === 0 ? DEFAULT_LIMIT : limit;
  if (wanted < 1 || wanted > MOST)
    throw fail("invalid_argument", `limit ${wanted} is outside the range of [1, ${MOST}]`);
  const isWanted = resultFilter(filters);
  if (booleanFilter(filters, "is-automated") === true) return [];
  const results = await registries.search(term, { limit: wanted, credentials }, signal);
  return results.filter(isWanted).map(({ name, description, starCount, isOfficial }) => ({
    star_count: starCount,
    is_official: isOfficial,
    name,
    is_automated: false,
    description,
  }));
}

function resultFilter(filters: Filters): (result: SearchResult) => boolean {
  const isOfficial = booleanFilter(filters, "is-official");
  const stars = (filters.get("stars") ?? []).map((text) => {
    if (!/^-?\d{1,15}$/.test(text)) throw fail("invalid_argument", `invalid filter 'stars=${text}'`);
    return Number(text);
  });
  const least = Math.max(0, ...stars);
  return (result) =>
    (isOfficial === undefined || result.isOfficial === isOfficial) && result.starCount >= least;
}
