/** What a client was told and when, and so what may be found after a cut: all that was done, and nothing half-done. */

export interface Step {
  readonly name: string;
  /** Positions in the log of writes: when the client asked, and when it had its answer. */
  readonly startsAt: number;
  readonly endsAt: number;
  /** Names and what they stand for from now on; undefined: nothing. */
  readonly changes: ReadonlyMap<string, string | undefined>;
}

/** For each name what it may stand for. Steps that change the same name do not overlap. */
export function allowedAt(
  steps: readonly Step[],
  position: number,
): ReadonlyMap<string, ReadonlySet<string | undefined>> {
  const allowed = new Map<string, Set<string | undefined>>();
  for (const { startsAt, endsAt, changes } of steps)
    for (const [name, value] of changes) {
      const before = allowed.get(name) ?? new Set([undefined]);
      if (endsAt <= position) allowed.set(name, new Set([value]));
      else if (startsAt < position) allowed.set(name, new Set([...before, value]));
      else allowed.set(name, before);
    }
  return allowed;
}

/** What contradicts it, in words; undefined: nothing. */
export function contradiction(
  allowed: ReadonlyMap<string, ReadonlySet<string | undefined>>,
  found: ReadonlyMap<string, string>,
): string | undefined {
  const said = (value: string | undefined): string => value ?? "nothing";
  for (const [name, values] of allowed)
    if (!values.has(found.get(name)))
      return `${name} is ${said(found.get(name))} instead of ${[...values].map(said).join(" or ")}`;
  const stranger = [...found.keys()].find((name) => !allowed.has(name));
  return stranger === undefined ? undefined : `${stranger} comes from nowhere`;
}

/** Where the log was when the position came: in words, for messages. */
export function momentOf(steps: readonly Step[], position: number): string {
  const running = steps.filter(({ startsAt, endsAt }) => startsAt < position && position < endsAt);
  if (running.length > 0) return `during "${running.map(({ name }) => name).join('" and "')}"`;
  const done = steps.filter(({ endsAt }) => endsAt <= position).at(-1);
  return done === undefined ? "before anything" : `after "${done.name}"`;
}
