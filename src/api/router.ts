/**
 * The route table. A pattern is a list of segments: a literal, `:name` for one segment, or `*name` for one or more
 * (image names contain slashes). Routes with the same method and first segment are tried in the order they were added.
 */
import type { Call } from "./call.ts";

export type Handler = (call: Call) => Promise<void> | void;

export interface Route {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "DELETE";
  readonly pattern: string;
  readonly handler: Handler;
}

interface Compiled {
  /** "METHOD PATTERN". */
  readonly name: string;
  readonly segments: readonly string[];
  readonly handler: Handler;
}

export class Router {
  readonly #routes = new Map<string, Compiled[]>();

  constructor(routes: readonly Route[]) {
    for (const { method, pattern, handler } of routes) {
      const segments = pattern.split("/").slice(1);
      const key = `${method} ${segments[0] ?? ""}`;
      const list = this.#routes.get(key);
      const compiled = { name: `${method} ${pattern}`, segments, handler };
      if (list === undefined) this.#routes.set(key, [compiled]);
      else list.push(compiled);
    }
  }

  /** `segments`: the path after the version, already decoded. */
  match(
    method: string,
    segments: readonly string[],
  ): { readonly name: string; readonly handler: Handler; readonly params: readonly string[] } | undefined {
    for (const route of this.#routes.get(`${method} ${segments[0] ?? ""}`) ?? []) {
      const params = matchSegments(route.segments, segments);
      if (params !== undefined) return { name: route.name, handler: route.handler, params };
    }
    return undefined;
  }
}

function matchSegments(pattern: readonly string[], path: readonly string[]): string[] | undefined {
  const params: string[] = [];
  const spare = path.length - pattern.length;
  let at = 0;
  for (const segment of pattern) {
    const kind = segment.charAt(0);
    const value = path[at];
    if (kind === "*") {
      if (spare < 0) return undefined;
      params.push(path.slice(at, at + spare + 1).join("/"));
      at += spare + 1;
    } else {
      if (value === undefined) return undefined;
      if (kind === ":") {
        if (value === "") return undefined;
        params.push(value);
      } else if (segment !== value) return undefined;
      at++;
    }
  }
  return at === path.length ? params : undefined;
}
