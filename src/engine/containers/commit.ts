/** POST /commit: what a container wrote, as a layer of a new image. */
import type { Image, Images } from "../../core/images/images.ts";
import type { Snapshotter } from "../../core/snapshots/snapshotter.ts";
import type { ContainerConfig } from "../../specs/engine/container.ts";
import { familiarReference, parseReference, withDefaultTag } from "../../specs/oci-image/reference.ts";
import { announceImage } from "../images/announce.ts";
import { applyChanges } from "../images/changes.ts";
import { announce } from "./announce.ts";
import type { Container } from "./container.ts";
import { refuseLeaving } from "./export.ts";
import { mergeConfig } from "./merge.ts";
import { MOUNTPOINTS } from "./mountpoints.ts";
import { pause, type PauseDeps, unpause } from "./pause.ts";

export interface CommitDeps extends PauseDeps {
  readonly snapshots: Pick<Snapshotter, "diff">;
  readonly images: Pick<Images, "commit" | "resolve">;
}

export interface CommitRequest {
  /** Familiar reference, or undefined. */
  readonly reference: string | undefined;
  readonly author: string;
  readonly comment: string;
  readonly changes: readonly string[];
  /** Keep the container's processes from writing meanwhile. */
  readonly pause: boolean;
  /** In place of the container's own; null = that. */
  readonly config: ContainerConfig | null;
}

/** The new image's id. */
export async function commit(
  deps: CommitDeps,
  container: Container,
  request: CommitRequest,
  signal: AbortSignal,
): Promise<string> {
  const { reference, author, comment } = request;
  const own = container.config;
  const changed = applyChanges(request.config ?? own, request.changes);
  refuseLeaving(container, "commit");
  const config = mergeConfig(own.Hostname, changed, own);
  const parent = deps.images.resolve(container.record.imageId);

  const image = await whilePaused(deps, container, request.pause, () => {
    const diff = deps.snapshots.diff(container.id, MOUNTPOINTS, signal);
    const options = {
      parent,
      reference,
      author,
      comment,
      config,
      container: container.id,
      containerConfig: own,
    };
    return deps.images.commit(diff, options, signal);
  });
  tell(deps, container, image, request);
  return image.id;
}

function tell(deps: CommitDeps, container: Container, image: Image, request: CommitRequest): void {
  const { reference, comment } = request;
  const name = reference === undefined ? "" : familiarReference(withDefaultTag(parseReference(reference)));
  if (name !== "") announceImage(deps.events, image.id, "tag", name, image.config?.Labels);
  announce(deps.events, container, "commit", { comment, imageID: image.id, imageRef: name });
}

/** Pauses a container that runs, and lets it go on whatever comes of the work, unless somebody else has meanwhile. */
async function whilePaused<T>(
  deps: PauseDeps,
  container: Container,
  wanted: boolean,
  work: () => Promise<T>,
): Promise<T> {
  const { status } = container.state;
  if (!wanted || status !== "running") return await work();
  await pause(deps, container, true);
  try {
    return await work();
  } finally {
    if (isPaused(container)) await unpause(deps, container);
  }
}

function isPaused({ state }: Container): boolean {
  return state.status === "paused";
}
