/** What a request needs and what a token grants, in the notation of Docker's token specification. Pure. */
import { isRepositoryName } from "../names.ts";
import type { Target } from "../target.ts";
import { type Action, ACTIONS, type Rights } from "./access.ts";

export type Need =
  | { readonly kind: "anybody" }
  | { readonly kind: "somebody" }
  | { readonly kind: "catalog" }
  | { readonly kind: "repository"; readonly repository: string; readonly actions: readonly Action[] };

/** One entry of a token's `access` claim. */
export interface Grant {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

const MAX_SCOPES = 64;

export function needOf(target: Target, method: string): Need {
  switch (target.kind) {
    case "health":
    case "token":
      return { kind: "anybody" };
    case "version":
      return { kind: "somebody" };
    case "catalog":
      return { kind: "catalog" };
    case "tags":
    case "referrers":
      return { kind: "repository", repository: target.repository, actions: ["pull"] };
    case "uploads":
    case "upload":
      return { kind: "repository", repository: target.repository, actions: ["pull", "push"] };
    case "blob":
    case "manifest":
      return { kind: "repository", repository: target.repository, actions: actionsOf(method) };
    default:
      throw new Error(`no such target: ${JSON.stringify(target satisfies never)}`);
  }
}

function actionsOf(method: string): readonly Action[] {
  if (method === "DELETE") return ["delete"];
  return method === "GET" || method === "HEAD" ? ["pull"] : ["pull", "push"];
}

export function allows(rights: Rights, need: Need): boolean {
  switch (need.kind) {
    case "anybody":
      return true;
    case "somebody":
      return rights.user !== undefined;
    case "catalog":
      return rights.mayList;
    case "repository":
      return need.actions.every((action) => rights.may(action, need.repository));
    default:
      throw new Error(`no such need: ${JSON.stringify(need satisfies never)}`);
  }
}

/** As a challenge spells it; "" when there is nothing to spell. */
export function scopeText(need: Need): string {
  if (need.kind === "catalog") return "registry:catalog:*";
  return need.kind === "repository" ? `repository:${need.repository}:${need.actions.join(",")}` : "";
}

/** The `scope` parameters of a token request: each may hold several, parted by spaces. Those that are none are left out. */
export function parseScopes(parameters: readonly string[]): Grant[] {
  const grants: Grant[] = [];
  for (const text of parameters.flatMap((parameter) => parameter.split(" "))) {
    const match = /^([a-z0-9]+(?:\([a-z0-9]+\))?):([^\s]{1,300}):([a-z*,]{0,100})$/.exec(text);
    if (match === null || grants.length >= MAX_SCOPES) continue;
    const [, type = "", name = "", actions = ""] = match;
    grants.push({ type, name, actions: actions.split(",").filter((action) => action !== "") });
  }
  return grants;
}

/** What of the wishes the rights cover; wishes of which nothing is left stay out. */
export function grantsFor(wishes: readonly Grant[], rights: Rights): Grant[] {
  return wishes
    .map((wish) => ({ ...wish, actions: grantedActions(wish, rights) }))
    .filter(({ actions }) => actions.length > 0);
}

function grantedActions({ type, name, actions }: Grant, rights: Rights): readonly string[] {
  if (type === "registry" && name === "catalog") return rights.mayList ? ["*"] : [];
  if (type !== "repository" || !isRepositoryName(name)) return [];
  const wanted = actions.includes("*") ? ACTIONS : ACTIONS.filter((action) => actions.includes(action));
  return wanted.filter((action) => rights.may(action, name));
}

/** The rights that a token's claims give. */
export function rightsOfGrants(user: string | undefined, grants: readonly Grant[]): Rights {
  return {
    user,
    mayList: grants.some(
      ({ type, name, actions }) => type === "registry" && name === "catalog" && actions.includes("*"),
    ),
    may: (action, repository) =>
      grants.some(
        ({ type, name, actions }) => type === "repository" && name === repository && actions.includes(action),
      ),
  };
}
