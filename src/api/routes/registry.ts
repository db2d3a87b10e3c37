/** What asks a registry about other things than images: /auth, /images/search. */
import { fail } from "../../base/errors.ts";
import { logIn, type LogInDeps } from "../../engine/registry/log-in.ts";
import { search, SEARCH_FILTERS, type SearchDeps } from "../../engine/registry/search.ts";
import { decodeRegistryAuth } from "../../specs/engine/auth.decode.ts";
import { decodeFilters } from "../../specs/engine/filters.decode.ts";
import { decodeLogin } from "../../specs/engine/login.ts";
import type { Call } from "../call.ts";
import type { Route } from "../router.ts";
import { fromRegistry } from "./registry-failure.ts";

export type RegistryRouteDeps = LogInDeps & SearchDeps;

export function registryRoutes(deps: RegistryRouteDeps): readonly Route[] {
  return [
    {
      method: "POST",
      pattern: "/auth",
      handler: async (call) =>
        call.reply.json(200, await fromRegistry(logIn(deps, decodeLogin(await call.json()), call.signal))),
    },
    { method: "GET", pattern: "/images/search", handler: (call) => searchRoute(deps, call) },
  ];
}

async function searchRoute(deps: SearchDeps, { query, request, reply, signal }: Call): Promise<void> {
  const limit = query.int("limit") ?? 0;
  if (limit < 0) throw fail("invalid_argument", "invalid limit specified");
  const header = request.headers["x-registry-auth"];
  const found = await fromRegistry(
    search(
      deps,
      {
        term: query.str("term"),
        limit,
        filters: decodeFilters(query.str("filters"), SEARCH_FILTERS),
        credentials: decodeRegistryAuth(typeof header === "string" ? header : ""),
      },
      signal,
    ),
  );
  reply.json(200, found);
}
