/** Scopes of tokens: "repository:library/busybox:pull,push". Pure. */

const SCOPE = /^([a-z0-9]+(?:\([a-z0-9]+\))?):([A-Za-z0-9._/:-]{1,300}):([a-z*]+(?:,[a-z*]+){0,7})$/;
const MAX_SCOPES = 8;

/**
 * One scope per resource with all actions, sorted: equal wishes have equal texts. What a challenge asks for is added to what
 * we want; text that is no scope is left out.
 */
export function mergeScopes(own: readonly string[], challenged: string | undefined): readonly string[] {
  const asked = (challenged ?? "").split(" ").slice(0, MAX_SCOPES);
  const actions = new Map<string, Set<string>>();
  for (const scope of [...own, ...asked]) {
    const [, type, name, list = ""] = SCOPE.exec(scope) ?? [];
    if (type === undefined) continue;
    const key = `${type}:${name}`;
    const known = actions.get(key) ?? new Set();
    for (const action of list.split(",")) known.add(action);
    actions.set(key, known);
  }
  return [...actions].map(([key, set]) => `${key}:${[...set].sort().join(",")}`).sort();
}

export function repositoryScope(repository: string, actions: "pull" | "pull,push" | "delete"): string {
  return `repository:${repository}:${actions}`;
}
