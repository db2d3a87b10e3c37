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
    .map((rule) => ({ ...rule, patterns: rule.repositories.map(patternOf) }));
  return {
    user,
    mayList: mine.some(({ catalog }) => catalog),
    may: (action, repository) =>
      mine.some(
        ({ actions, patterns }) =>
          actions.includes(action) && patterns.some((pattern) => pattern.test(repository)),
      ),
  };
}

function appliesTo(rule: AccessRule, user: string | undefined): boolean {
  if (rule.anonymous) return true;
  return user !== undefined && (rule.users.includes(user) || rule.users.includes("*"));
}

/** No pattern makes this slow: names have at most 255 characters, and patterns few stars. */
export const MAX_STARS = 4;

function patternOf(glob: string): RegExp {
  const source = glob.replaceAll(/\*\*|\*|[^*]/g, (part) => {
    if (part === "**") return ".*";
    return part === "*" ? "[^/]*" : part.replaceAll(/[\\^$.|?+()[\]{}]/g, "\\$&");
  });
  return new RegExp(`^${source}$`);
}
