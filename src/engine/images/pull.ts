/**
 * POST /images/create?fromImage=…: one tag, one digest, or all tags of a repository. What goes wrong before the registry
 * has said what the reference means is thrown before anything is sent, so that it becomes the answer's status.
 */
import type { Readable } from "node:stream";
import { isCategory } from "../../base/errors.ts";
import type { Credentials, Registries } from "../../core/distribution/distribution.ts";
import type { Images } from "../../core/images/images.ts";
import type { ProgressMessage } from "../../specs/engine/image.ts";
import type { Platform } from "../../specs/oci-image/manifest.ts";
import { parsePlatform, platformText, runsOn } from "../../specs/oci-image/platform.ts";
import {
  familiarReference,
  fullReference,
  parseReference,
  type Reference,
  withDefaultTag,
} from "../../specs/oci-image/reference.ts";
import type { EventSink } from "../containers/announce.ts";
import { announceImage } from "./announce.ts";
import { transferMessage } from "./transfer-messages.ts";

export interface PullDeps {
  readonly images: Images;
  readonly events: EventSink;
  readonly registries: Pick<Registries, "open" | "download">;
  /** As image configurations spell it. */
  readonly architecture: string;
  /** A docker-archive of the image that comes with the engine. */
  readonly helloWorld: () => Promise<Readable>;
}

export interface PullImageRequest {
  readonly name: string;
  /** A tag or digest; "" = all tags, unless the name has one. */
  readonly tag: string;
  /** "" = this host's. */
  readonly platform: string;
  readonly credentials: Credentials | undefined;
}

export type Send = (message: ProgressMessage) => void;

const HELLO_WORLD = "docker.io/library/hello-world:latest";

export async function pull(
  deps: PullDeps,
  request: PullImageRequest,
  send: Send,
  signal: AbortSignal,
): Promise<void> {
  const given = parseReference(joinTag(request.name, request.tag));
  const wanted = request.platform === "" ? undefined : parsePlatform(request.platform, deps.architecture);
  if (fullReference(withDefaultTag(given)) === HELLO_WORLD && isOurs(deps, wanted)) {
    await loadHelloWorld(deps, send, signal);
    return;
  }
  const isAll = given.tag === undefined && given.digest === undefined;
  const repository = isAll ? deps.registries.open(given, request.credentials, "pull") : undefined;
  const references =
    repository === undefined ? [given] : (await repository.tags(signal)).map((tag) => ({ ...given, tag }));
  let hasNew = false;
  for (const reference of references) {
    const isNew = await pullOne(deps, { reference, wanted, request }, send, signal);
    hasNew = hasNew || isNew;
  }
  const shown = familiarReference(given);
  const status = hasNew ? "Downloaded newer image for" : "Image is up to date for";
  send({ status: `Status: ${status} ${shown}` });
}

interface OnePull {
  readonly reference: Reference;
  readonly wanted: Platform | undefined;
  readonly request: PullImageRequest;
}

async function pullOne(
  deps: PullDeps,
  { reference, wanted, request }: OnePull,
  send: Send,
  signal: AbortSignal,
): Promise<boolean> {
  const { images, events, registries } = deps;
  const repository = registries.open(reference, request.credentials, "pull");
  const familiarName = familiarReference({ ...reference, tag: undefined, digest: undefined });
  const from: ProgressMessage = {
    status: `Pulling from ${reference.domain === "docker.io" ? reference.path : familiarName.slice(reference.domain.length + 1)}`,
    id: reference.digest ?? reference.tag ?? "latest",
  };
  const { image, target, isUpToDate } = await images.pull(
    { repository, platform: wanted },
    (event) => send(event.kind === "resolved" ? from : transferMessage(event, "pull")),
    signal,
  );
  send({ status: `Digest: ${target.digest}` });
  if (wanted !== undefined && !runsOn(image, wanted))
    // Docker's words: the registry had one platform only, and not the one that was asked for.
    send({
      status: `WARNING: image with reference ${familiarReference(reference)} was found but its platform (${platformText(image)}) does not match the specified platform (${platformText(wanted)})`,
    });
  announceImage(events, familiarReference(reference), "pull", familiarName, image.config?.Labels);
  return !isUpToDate;
}

/** The image that needs no registry. */
async function loadHelloWorld(deps: PullDeps, send: Send, signal: AbortSignal): Promise<void> {
  const wasThere = isPresent(deps.images);
  if (!wasThere) await deps.images.load(await deps.helloWorld(), signal);
  send({ status: "Pulling from library/hello-world", id: "latest" });
  const shown = "hello-world:latest";
  if (!wasThere) announceImage(deps.events, shown, "pull", "hello-world");
  send({
    status: wasThere
      ? `Status: Image is up to date for ${shown}`
      : `Status: Loaded the image that comes with this engine: ${shown}`,
  });
}

function isOurs({ architecture }: PullDeps, wanted: Platform | undefined): boolean {
  const own = { os: "linux", architecture, variant: "" };
  return wanted === undefined || runsOn(own, wanted);
}

/** The name and what was given beside it. */
export function joinTag(name: string, tag: string): string {
  if (tag === "") return name;
  return tag.includes(":") ? `${name}@${tag}` : `${name}:${tag}`;
}

function isPresent(images: Images): boolean {
  try {
    images.resolve(HELLO_WORLD);
    return true;
  } catch (error) {
    if (isCategory(error, "not_found") || isCategory(error, "unavailable")) return false;
    throw error;
  }
}
