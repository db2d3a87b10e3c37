/** A manifest as the engine reads it from its registry. */
import { messageOf } from "../../base/errors.ts";
import { child, children, fieldsOf, number, text } from "../../client/fields.ts";
import type { Cli } from "../cli.ts";
import { Exit } from "../exit.ts";
import { distributionPath } from "../image/path.ts";
import { formatReference, parseReference, type Reference, withDefaultTag } from "../reference.ts";
import { registryAuth } from "../registry-auth.ts";
import { decodePlatform, type ListedImage } from "./store.ts";

/** Anything with a platform of its own; a list has several. */
export interface FetchedManifest extends Omit<ListedImage, "platform"> {
  readonly platforms: readonly ListedImage["platform"][];
}

export async function fetchManifest(cli: Cli, reference: Reference): Promise<FetchedManifest> {
  const engine = await cli.engine();
  const answer = fieldsOf(
    await engine.json({
      method: "GET",
      path: `${distributionPath(formatReference(reference))}/manifest`,
      headers: await registryAuth(cli, reference.name),
    }),
  );
  const descriptor = child(answer, "Descriptor");
  const digest = text(descriptor, "digest");
  return {
    ref: `${fullName(reference)}@${digest}`,
    mediaType: text(descriptor, "mediaType"),
    digest,
    sizeBytes: number(descriptor, "size"),
    platforms: children(answer, "Platforms").map(decodePlatform),
    raw: Buffer.from(text(answer, "Raw"), "base64"),
  };
}

export function isList(mediaType: string): boolean {
  return /\.(image\.index\.v1|distribution\.manifest\.list\.v2)\+json$/.test(mediaType);
}

/** A name of a list or an image, with its default tag. */
export function referenceOf(name: string): Reference {
  try {
    return withDefaultTag(parseReference(name));
  } catch (error) {
    throw new Exit(1, messageOf(error));
  }
}

/** "docker.io/library/busybox" */
export function fullName({ name }: Reference): string {
  const [first = ""] = name.split("/", 1);
  if (name.includes("/") && (/[.:]/.test(first) || first === "localhost")) return name;
  return name.includes("/") ? `docker.io/${name}` : `docker.io/library/${name}`;
}

/** "docker.io/library/busybox:latest" */
export function fullReference(reference: Reference): string {
  const { tag, digest } = reference;
  return `${fullName(reference)}${tag === "" ? "" : `:${tag}`}${digest === "" ? "" : `@${digest}`}`;
}

/** The engine's word on who may be spoken to without encryption is its own configuration's. */
export function refuseInsecure(isInsecure: boolean): void {
  if (isInsecure)
    throw new Exit(
      1,
      '--insecure is not supported: the engine speaks to the registry; name it in "insecure-registries" of its configuration',
    );
}
