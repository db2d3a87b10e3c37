/** Who may do what where: rules of a file, and the rights that follow from them. Pure. */

export type Action = "pull" | "push" | "delete";

export const ACTIONS: readonly Action[] = ["pull", "push", "delete"];

export interface AccessRule {
  /** Names; "*" is everybody who has proved to be somebody. */
  readonly users: readonly string[];
  /** Also for those who have not. */
  readonly anonymous: boolean;
  /** Patterns: "*" stands for anything within one component, "**" for anything. */
  readonly repositories: readonly string[];
  readonly actions: readonly Action[];
  /** May list all repositories. */
  readonly catalog: boolean;
}

export interface Rights {
  /** Undefined: nobody in particular. */
  readonly user: string | undefined;
  readonly mayList: boolean;
  may(action: Action, repository: string): boolean;
}

export const EVERYTHING: Rights = { user: undefined, mayList: true, may: () => true };

/** What everybody with a password may do when no rules are given. */
export const USERS_MAY_ALL: AccessRule = {
  users: ["*"],
  anonymous: false,
  repositories: ["**"],
  actions: ACTIONS,
  catalog: true,
};

export const ALL_MAY_PULL: AccessRule = {
  users: [],
  anonymous: true,
  repositories: ["**"],
  actions: ["pull"],
  catalog: false,
};

/** Rules add up; nothing takes away. */
export function rightsOf(rules: readonly AccessRule[], user: string | undefined): Rights {
  const mine = rules
    .filter((rule) => appliesTo(rule, user))
    .map((rule) => ({ ...rule, patterns: rule.repositories.map(piecesOf) }));
  return {
    user,
    mayList: mine.some(({ catalog }) => catalog),
    may: (action, repository) =>
      mine.some(
        ({ actions, patterns }) =>
          actions.includes(action) && patterns.some((pattern) => matches(repository, pattern)),
      ),
  };
}

function appliesTo(rule: AccessRule, user: string | undefined): boolean {
  if (rule.anonymous) return true;
  return user !== undefined && (rule.users.includes(user) || rule.users.includes("*"));
}

/**
 * The places in `name` that a pattern's beginning can reach, one piece of it after the other: as many steps as name times
 * pattern, whatever both are, where a regular expression would try every combination.
 */
function matches(name: string, pattern: readonly string[]): boolean {
  let reached: ReadonlySet<number> = new Set([0]);
  for (const piece of pattern) {
    const next = new Set<number>();
    for (const at of reached) {
      if (next.has(at) && piece.startsWith("*")) continue; // what it reaches from here is reached already
      if (!piece.startsWith("*")) {
        if (name[at] === piece) next.add(at + 1);
        continue;
      }
      for (let end = at; end <= name.length; end++) {
        next.add(end);
        if (piece === "*" && name[end] === "/") break;
      }
    }
    reached = next;
  }
  return reached.has(name.length);
}

function piecesOf(pattern: string): readonly string[] {
  return pattern.match(/\*\*|[^]/g) ?? [];
}
