/** At which moments the power is cut: chosen from a log of writes and from what clients were told meanwhile. */
import type { Cut } from "./disk-states.ts";
import type { Step } from "./timeline.ts";
import type { LoggedWrite } from "./write-log.ts";

export interface Point extends Cut {
  /** How long the log was. */
  readonly position: number;
}

const RANDOM_POINTS = 200;

/** Positions in the log. */
export interface Span {
  readonly startsAt: number;
  readonly endsAt: number;
}

/**
 * All of that time, in order: each flush with nothing lost but what came later; each answer with everything lost that
 * was not flushed by then; and random moments, which lose some of it.
 */
export function pointsOf(
  log: readonly LoggedWrite[],
  { startsAt, endsAt }: Span,
  steps: readonly Step[],
  random: () => number,
): readonly Point[] {
  const first = countUpTo(log, startsAt);
  const writes = log.slice(0, countUpTo(log, endsAt));
  const at = (count: number, loses: Cut["loses"]): Point => ({
    writes: count,
    loses,
    position: Math.max(startsAt, writes[count - 1]?.endsAt ?? 0),
  });
  const flushes = writes.flatMap(({ flushes }, i) => (flushes && i >= first ? [at(i + 1, "nothing")] : []));
  const answers = steps.map(
    ({ endsAt }): Point => ({
      writes: countUpTo(writes, endsAt),
      loses: "everything",
      position: endsAt,
    }),
  );
  const others = Array.from({ length: RANDOM_POINTS }, () =>
    at(first + Math.floor(random() * (writes.length - first + 1)), "some"),
  );
  return [...flushes, ...answers, ...others].sort((a, b) => a.writes - b.writes);
}

/** So many of them, in their order. */
export function chosen<T>(all: readonly T[], count: number, random: () => number): readonly T[] {
  const left = all.map((_, i) => i);
  while (left.length > count) left.splice(Math.floor(random() * left.length), 1);
  return left.flatMap((i) => all[i] ?? []);
}

function countUpTo(writes: readonly LoggedWrite[], position: number): number {
  const next = writes.findIndex(({ endsAt }) => endsAt > position);
  return next < 0 ? writes.length : next;
}
