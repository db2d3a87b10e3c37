/** POST /images/{name}/push: one tag, or all tags of a repository that are here. */
import { fail } from "../../base/errors.ts";
import type { Credentials, Registries } from "../../core/distribution/distribution.ts";
import type { ImageName, Images, PushedImage } from "../../core/images/images.ts";
import type { ProgressMessage } from "../../specs/engine/image.ts";
import type { Platform } from "../../specs/oci-image/manifest.ts";
import {
  familiarReference,
  fullReference,
  parseReference,
  type Reference,
  repositoryOf,
} from "../../specs/oci-image/reference.ts";
import type { EventSink } from "../containers/announce.ts";
import { announceImage } from "./announce.ts";
import { joinTag, type Send } from "./pull.ts";
import { transferMessage } from "./transfer-messages.ts";

export interface PushDeps {
  readonly images: Images;
  readonly events: EventSink;
  readonly registries: Pick<Registries, "open">;
}

export interface PushImageRequest {
  readonly name: string;
  /** "" = all tags, unless the name has one. */
  readonly tag: string;
  /** undefined = all that the name stands for, as far as it is here. */
  readonly platform: Platform | undefined;
  readonly credentials: Credentials | undefined;
}

export async function push(
  deps: PushDeps,
  request: PushImageRequest,
  send: Send,
  signal: AbortSignal,
): Promise<void> {
  const given = parseReference(joinTag(request.name, request.tag));
  // Docker's words here and below.
  if (given.digest !== undefined) throw fail("invalid_argument", "cannot push a digest reference");
  const names = namesToPush(deps.images, given);
  send({ status: `The push refers to repository [${repositoryOf(given)}]` });
  for (const { reference, name } of names) {
    const repository = deps.registries.open(reference, request.credentials, "push");
    const pushed = await deps.images.push(
      { repository, name, platform: request.platform },
      (event) => {
        if (event.kind === "layer") send(transferMessage(event, "push"));
      },
      signal,
    );
    for (const message of outcome(reference, pushed)) send(message);
    const repositoryName = familiarReference({ ...reference, tag: undefined });
    announceImage(deps.events, familiarReference(reference), "push", repositoryName);
  }
}

interface TagToPush {
  readonly reference: Reference;
  readonly name: ImageName;
}

function namesToPush(images: Images, given: Reference): readonly TagToPush[] {
  const shown = familiarReference(given);
  if (given.tag !== undefined) {
    const name = images.name(fullReference(given));
    if (name === undefined)
      throw fail(
        "not_found",
        `An image does not exist locally with the tag: ${familiarReference({ ...given, tag: undefined })}`,
      );
    return [{ reference: given, name }];
  }
  const prefix = `${repositoryOf(given)}:`;
  const tags = images
    .list()
    .flatMap((image) => image.tags)
    .filter((tag) => tag.startsWith(prefix))
    .toSorted();
  if (tags.length === 0) throw fail("not_found", `An image does not exist locally with the tag: ${shown}`);
  return tags.flatMap((tag) => {
    const name = images.name(tag);
    return name === undefined ? [] : [{ reference: parseReference(tag), name }];
  });
}

function outcome({ tag = "latest" }: Reference, pushed: PushedImage): readonly ProgressMessage[] {
  const { digest, sizeBytes, mediaType, insteadOf } = pushed;
  const messages: ProgressMessage[] = [
    { status: `${tag}: digest: ${digest} size: ${sizeBytes}` },
    { progressDetail: {}, aux: { Tag: tag, Digest: digest, Size: sizeBytes } },
  ];
  if (insteadOf !== undefined)
    messages.push({
      progressDetail: {},
      aux: {
        manifestPushedInsteadOfIndex: true,
        originalIndex: {
          mediaType: insteadOf.mediaType,
          digest: insteadOf.digest,
          size: insteadOf.sizeBytes,
        },
        selectedManifest: { mediaType, digest, size: sizeBytes },
      },
    });
  return messages;
}
