/**
 * What a name comes to mean. Pure. A name stands for one target; the images of a multi-platform target that are here are
 * all the name's, and the one that this host runs best is shown, or else the latest. Another target takes everything.
 */
import type { Platform } from "../../specs/oci-image/manifest.ts";
import { bestFor } from "../../specs/oci-image/platform.ts";
import type { NameRow } from "./image-rows.ts";
import type { DocumentRef } from "./images.ts";

export interface Naming {
  readonly reference: string;
  readonly image: string;
  readonly target: DocumentRef | undefined;
  readonly inRegistry: boolean;
}

export interface NameRules {
  readonly host: Platform;
  readonly platformOf: (image: string) => Platform;
}

export function named(before: NameRow | undefined, naming: Naming, rules: NameRules): NameRow {
  const { reference, image, target } = naming;
  const isSame = before?.target !== undefined && before.target.digest === target?.digest;
  const kept = isSame ? [before.image, ...before.others].filter((id) => id !== image) : [];
  const inRegistry = naming.inRegistry || (isSame && before.inRegistry);
  return { reference, target, inRegistry, ...arranged([...kept, image], rules) };
}

/** The name without one of its images; undefined when that was all. */
export function without(row: NameRow, image: string, rules: NameRules): NameRow | undefined {
  const left = imagesOf(row).filter((id) => id !== image);
  return left.length === 0 ? undefined : { ...row, ...arranged(left, rules) };
}

export function imagesOf({ image, others }: Pick<NameRow, "image" | "others">): readonly string[] {
  return [image, ...others];
}

/** `images` has the latest last. */
function arranged(images: readonly string[], rules: NameRules): Pick<NameRow, "image" | "others"> {
  const shown = bestFor(images, rules.platformOf, rules.host) ?? images.at(-1) ?? "";
  return { image: shown, others: images.filter((id) => id !== shown) };
}
