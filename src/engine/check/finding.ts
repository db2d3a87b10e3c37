/** What the steps of a check share. */
import { isCategory, messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Content } from "../../core/content/content.ts";
import type { Images } from "../../core/images/images.ts";
import type { Leases } from "../../core/metadata/leases.ts";
import type { Snapshotter } from "../../core/snapshots/snapshotter.ts";
import type { Problem } from "../../specs/engine/check.ts";
import type { Container } from "../containers/container.ts";
import { familiar } from "../images/list.ts";

/** A directory or file of the state, and the most that its mode may allow. */
export interface StatePath {
  readonly path: string;
  readonly mode: number;
}

export interface CheckDeps {
  readonly images: Images;
  readonly content: Content;
  readonly snapshots: Snapshotter;
  readonly leases: Leases;
  readonly containers: () => Iterable<Container>;
  readonly statePaths: readonly StatePath[];
  readonly partialMaxAgeMs: number;
  readonly log: Logger;
}

export interface CheckRequest {
  readonly repair: boolean;
  /** Layers are unpacked once more and compared file by file. */
  readonly deep: boolean;
}

export type Finding =
  | { readonly kind: "progress"; readonly current: number; readonly total: number }
  | { readonly kind: "problem"; readonly problem: Problem };

export function progress(current: number, total: number): Finding {
  return { kind: "progress", current, total };
}

/**
 * A problem that `mend` puts right when repair was asked for. A mending that fails is not the end of the check: why it
 * failed becomes the advice.
 */
export async function found(
  request: CheckRequest,
  problem: Omit<Problem, "isMended" | "advice"> & { readonly advice?: string },
  mend: (() => Promise<void>) | undefined,
): Promise<Finding> {
  const { advice = "" } = problem;
  if (mend === undefined || !request.repair)
    return { kind: "problem", problem: { ...problem, isMended: false, advice } };
  try {
    await mend();
    return { kind: "problem", problem: { ...problem, isMended: true, advice: "" } };
  } catch (error) {
    return {
      kind: "problem",
      problem: { ...problem, isMended: false, advice: `cannot be mended: ${messageOf(error)}` },
    };
  }
}

/** "load or pull it again: gantry pull busybox:latest" */
export function getAgain(images: Images, ids: readonly string[]): string {
  const names = ids.flatMap((id) => namesOf(images, id));
  const pulls = names.map((name) => `gantry pull ${name}`);
  return pulls.length === 0
    ? "load the image again or remove it"
    : `get the image again: ${pulls.join("; ")}`;
}

function namesOf(images: Images, id: string): readonly string[] {
  const damaged = images.damaged().find((image) => image.id === id);
  if (damaged !== undefined) return damaged.names.map(familiar);
  try {
    return images.resolve(id).tags.map(familiar);
  } catch (error) {
    if (isCategory(error, "not_found")) return [];
    throw error;
  }
}
