/** Which images, under which names, `docker save` writes for what a user asked for. Pure. */
import { isIndexType, type Platform } from "../../specs/oci-image/manifest.ts";
import { fullReference, parseReference } from "../../specs/oci-image/reference.ts";
import { isCategory } from "../../base/errors.ts";
import type { Image, ImageName, SelectedImage } from "./images.ts";

export interface SelectDeps {
  readonly list: () => readonly Image[];
  readonly resolve: (nameOrId: string, platform: Platform | undefined) => Image;
  readonly name: (reference: string) => ImageName | undefined;
}

/** In the order in which they were first asked for, each image once. */
export function selectImages(
  deps: SelectDeps,
  names: readonly string[],
  platform: Platform | undefined,
): readonly SelectedImage[] {
  const selected = new Map<string, { readonly image: Image; readonly names: Set<string> }>();
  const add = (image: Image, name: string | undefined): void => {
    const entry = selected.get(image.id) ?? { image, names: new Set() };
    if (name !== undefined) entry.names.add(name);
    selected.set(image.id, entry);
  };
  for (const text of names) {
    const tagged = allTags(deps.list(), text);
    for (const name of tagged) add(deps.resolve(name, platform), name);
    if (tagged.length > 0) continue;
    const image = deps.resolve(text, platform);
    const name = nameIn(text);
    const isNamed = name !== undefined && (image.tags.includes(name) || image.variantOf.includes(name));
    add(image, isNamed ? name : undefined);
  }
  return [...selected.values()].map((each) => {
    const chosen = [...each.names].toSorted();
    const severalPlatforms = platform === undefined ? chosen.flatMap((name) => severalOf(deps, name)) : [];
    return { image: each.image, names: chosen, severalPlatforms };
  });
}

function severalOf(deps: SelectDeps, reference: string): readonly ImageName[] {
  const name = deps.name(reference);
  if (name === undefined) return [];
  // What vouches for an image is part of the index alone.
  const isAttested =
    name.target !== undefined && isIndexType(name.target.mediaType) && name.images.some(hasAttestations);
  return name.images.length > 1 || isAttested ? [name] : [];
}

function hasAttestations({ attestations }: Image): boolean {
  return attestations.length > 0;
}

/** A name alone stands for all of its tags. */
function allTags(images: readonly Image[], text: string): readonly string[] {
  const prefix = prefixOf(text);
  if (prefix === undefined) return [];
  return images.flatMap((image) => image.tags.filter((tag) => tag.startsWith(prefix)));
}

/** "docker.io/library/busybox:" for a reference without tag and digest. */
function prefixOf(text: string): string | undefined {
  const reference = referenceIn(text);
  if (reference === undefined || reference.tag !== undefined || reference.digest !== undefined)
    return undefined;
  return `${fullReference(reference)}:`;
}

function nameIn(text: string): string | undefined {
  const reference = referenceIn(text);
  return reference?.tag === undefined ? undefined : fullReference(reference);
}

/** What is no reference may still be an id, which resolving tells. */
function referenceIn(text: string): ReturnType<typeof parseReference> | undefined {
  try {
    return parseReference(text);
  } catch (error) {
    if (isCategory(error, "invalid_argument")) return undefined;
    throw error;
  }
}
