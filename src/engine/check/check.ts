/**
 * `system check`: compares what the stores promise with what is on the disk, and mends what it can. One thing after the
 * other and never two at a time: whoever works with the engine meanwhile has the disk first.
 *
 * On crash: every mending is one of the stores' own transitions, so a check that is killed has mended some things.
 */
import type { Logger } from "../../base/log.ts";
import type { CheckMessage, CheckStep, Problem } from "../../specs/engine/check.ts";
import { checkBlobs } from "./check-blobs.ts";
import { checkContainers } from "./check-containers.ts";
import { checkDirectories } from "./check-directories.ts";
import { checkGarbage } from "./check-garbage.ts";
import { checkDamagedImages, checkImages } from "./check-images.ts";
import { checkLayers } from "./check-layers.ts";
import type { CheckDeps, CheckRequest, Finding } from "./finding.ts";

type Step = (deps: CheckDeps, request: CheckRequest, signal: AbortSignal) => AsyncGenerator<Finding>;

/** Blobs first: layers are unpacked from them. Garbage late: what images need is known by then. */
const STEPS: readonly (readonly [CheckStep, Step])[] = [
  ["directories", checkDirectories],
  ["blobs", checkBlobs],
  ["images", checkImages],
  ["layers", checkLayers],
  ["containers", checkContainers],
  ["garbage", checkGarbage],
  ["images", checkDamagedImages],
];

/** Ends with the summary; throws what the signal or a store throws. */
export async function* checkStore(
  deps: CheckDeps,
  request: CheckRequest,
  signal: AbortSignal,
): AsyncGenerator<CheckMessage> {
  const problems: Problem[] = [];
  for (const [step, run] of STEPS)
    for await (const finding of run(deps, request, signal)) {
      signal.throwIfAborted();
      if (finding.kind === "progress") {
        yield { progress: { step, current: finding.current, total: finding.total } };
        continue;
      }
      problems.push(finding.problem);
      if (request.repair) note(deps.log, finding.problem);
      yield { problem: finding.problem };
    }
  const mended = problems.filter(({ isMended }) => isMended).length;
  yield { summary: { problems: problems.length, mended } };
}

/** A repair changes the state, so the log tells what it did. */
function note(log: Logger, { kind, subject, detail, isMended }: Problem): void {
  const fields = { problem: kind, subject, detail };
  if (isMended) log.info("mended what a check found", fields);
  else log.warn("a check found what it cannot mend", fields);
}
