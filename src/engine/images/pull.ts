/**
 * POST /images/create?fromImage=…: there is no registry client yet. The one image that needs none, hello-world, comes
 * with the engine; every other name is refused with what can be done instead.
 */
import type { Readable } from "node:stream";
import { fail, isCategory } from "../../base/errors.ts";
import type { Images } from "../../core/images/images.ts";
import type { ProgressMessage } from "../../specs/engine/image.ts";
import {
  familiarReference,
  fullReference,
  parseReference,
  withDefaultTag,
} from "../../specs/oci-image/reference.ts";
import type { EventSink } from "../containers/announce.ts";
import { announceImage } from "./announce.ts";

export interface PullDeps {
  readonly images: Images;
  readonly events: EventSink;
  /** A docker-archive of the image that comes with the engine. */
  readonly helloWorld: () => Promise<Readable>;
}

const HELLO_WORLD = "docker.io/library/hello-world:latest";

/** Throws before the first message when the image cannot be had. */
export async function pull(
  deps: PullDeps,
  request: { readonly name: string; readonly tag: string },
  signal: AbortSignal,
): Promise<readonly ProgressMessage[]> {
  const reference = withDefaultTag(parseReference(joinTag(request.name, request.tag)));
  const shown = familiarReference(reference);
  if (fullReference(reference) !== HELLO_WORLD)
    throw fail(
      "not_implemented",
      `cannot pull "${shown}": this engine has no registry client yet; load it with 'gantry load' or 'gantry import'`,
    );
  const head: ProgressMessage = { status: "Pulling from library/hello-world", id: "latest" };
  if (isPresent(deps.images)) return [head, { status: `Status: Image is up to date for ${shown}` }];
  await deps.images.load(await deps.helloWorld(), signal);
  announceImage(deps.events, deps.images.resolve(HELLO_WORLD).id, "pull", shown);
  return [head, { status: `Status: Loaded the image that comes with this engine: ${shown}` }];
}

function joinTag(name: string, tag: string): string {
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
