/** `--cap-add` and `--cap-drop`, which take names in any case, with and without their prefix. */

export interface Capabilities {
  readonly add: readonly string[] | null;
  readonly drop: readonly string[] | null;
}

/** As the daemon gets them: full names in order, each once; what is added is not dropped. */
export function effectiveCapabilities(add: readonly string[], drop: readonly string[]): Capabilities {
  const added = named(add);
  return {
    add: orNull(added),
    drop: orNull(named(drop).filter((name) => name === ALL || !added.includes(name))),
  };
}

const ALL = "ALL";

function named(names: readonly string[]): readonly string[] {
  const full = new Set(names.map((name) => fullName(name.trim().toUpperCase())));
  return full.has(ALL) ? [ALL] : [...full].sort();
}

function fullName(name: string): string {
  return name === ALL || name.startsWith("CAP_") ? name : `CAP_${name}`;
}

function orNull(names: readonly string[]): readonly string[] | null {
  return names.length === 0 ? null : names;
}
