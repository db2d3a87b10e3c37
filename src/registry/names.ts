/**
 * What may stand where in a registry's paths ("Pulling manifests" in the distribution specification, and "Digests" in the
 * image specification's descriptor.md). Anything else is refused before it reaches a table or a file name.
 */
import { isDigest } from "../specs/oci-image/digest.ts";

const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const DIGEST = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;
/** Docker's limit: with a host before it, a name still fits in 255 characters of other systems. */
const MAX_NAME = 255;
const MAX_DIGEST = 256;

export function isRepositoryName(text: string): boolean {
  return text.length <= MAX_NAME && REPOSITORY.test(text);
}

export function isTag(text: string): boolean {
  return TAG.test(text);
}

/** Of any algorithm: what another store may hold, and what a manifest may name. */
export function isAnyDigest(text: string): boolean {
  if (text.length > MAX_DIGEST || !DIGEST.test(text)) return false;
  if (text.startsWith("sha256:")) return isDigest(text);
  return !text.startsWith("sha512:") || /^sha512:[0-9a-f]{128}$/.test(text);
}

/** A manifest by its tag or by its digest; `invalid` is neither, and so names nothing that could be there. */
export type ManifestReference =
  | { readonly kind: "tag"; readonly tag: string }
  | { readonly kind: "digest"; readonly digest: string }
  | { readonly kind: "invalid"; readonly text: string };

export function parseManifestReference(text: string): ManifestReference {
  if (text.includes(":")) return { kind: "digest", digest: text };
  return isTag(text) ? { kind: "tag", tag: text } : { kind: "invalid", text };
}
