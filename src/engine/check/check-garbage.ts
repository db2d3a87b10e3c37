/** What garbage collection should have taken, had it run. */
import { findGarbage, type Garbage } from "../../core/gc/mark.ts";
import type { ProblemKind } from "../../specs/engine/check.ts";
import { type CheckDeps, type CheckRequest, type Finding, found } from "./finding.ts";

export async function* checkGarbage(deps: CheckDeps, request: CheckRequest): AsyncGenerator<Finding> {
  const garbage = look(deps);
  if (request.repair) await deps.images.collect();
  const left = look(deps);
  const kinds: readonly (readonly [ProblemKind, keyof Garbage, string])[] = [
    ["unneeded-layer", "layers", "no image and no container needs it"],
    ["unneeded-blob", "blobs", "no image needs it"],
    ["stale-partial", "partials", "nobody has gone on with it"],
  ];
  for (const [kind, of, detail] of kinds)
    for (const subject of garbage[of]) {
      const isLeft = left[of].includes(subject);
      yield await found(
        request,
        { kind, subject, detail, images: [], advice: request.repair ? "it is in use again" : "" },
        isLeft ? undefined : () => Promise.resolve(),
      );
    }
}

function look({ content, snapshots, images, leases, partialMaxAgeMs }: CheckDeps): Garbage {
  return findGarbage({
    layers: snapshots.layers(),
    blobs: content.list(),
    partials: content.partials(),
    activeParents: snapshots.active().map(({ parent }) => parent),
    needed: images.needed(),
    leases,
    oldestPartialMs: Date.now() - partialMaxAgeMs,
  });
}
