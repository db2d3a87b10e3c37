/** GET /containers/{id}/stats. */
import type { Stats } from "../../core/stats/stats.ts";
import type { HostFacts } from "../../linux/host-facts.ts";
import type { ContainerStats } from "../../specs/engine/stats.ts";
import type { Container } from "./container.ts";
import { type MeasureDeps, subjectOf } from "./measure.ts";
import { statsDocument } from "./stats-document.ts";

export interface StatsDeps extends MeasureDeps {
  readonly stats: Stats;
  readonly facts: Pick<HostFacts, "memoryBytes">;
}

/** `alone`: as it is now, with nothing to reckon rates from. One that does not run has used nothing. */
export async function statsOnce(
  deps: StatsDeps,
  container: Container,
  alone: boolean,
): Promise<ContainerStats> {
  const subject = subjectOf(deps, container);
  const reading = alone
    ? { now: await subject.measure(), before: undefined }
    : await deps.stats.compare(subject);
  return statsDocument(whose(deps, container), reading);
}

/** One each second, whether it runs or not, until it is removed or `signal` is aborted. */
export async function* statsStream(
  deps: StatsDeps,
  container: Container,
  signal: AbortSignal,
): AsyncGenerator<ContainerStats, void, undefined> {
  const removed = new AbortController();
  const forget = container.onRemoval(() => removed.abort());
  try {
    const until = AbortSignal.any([signal, removed.signal]);
    for await (const reading of deps.stats.follow(subjectOf(deps, container), until))
      yield statsDocument(whose(deps, container), reading);
  } finally {
    forget();
  }
}

function whose(deps: StatsDeps, { id, name }: Container): Parameters<typeof statsDocument>[0] {
  return { id, name, hostMemoryBytes: deps.facts.memoryBytes };
}
