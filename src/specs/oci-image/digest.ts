/**
 * Digests as the OCI image specification spells them ("Digests" in descriptor.md). Only sha256 is supported: it is the
 * one algorithm that every implementation must have and that image ids are made of.
 */
import { createHash } from "node:crypto";
import { fail } from "../../base/errors.ts";

const DIGEST = /^sha256:[0-9a-f]{64}$/;

export function isDigest(text: string): boolean {
  return DIGEST.test(text);
}

/** Throws `invalid_argument`, naming an algorithm that is not supported as such. */
export function checkDigest(text: string): string {
  if (DIGEST.test(text)) return text;
  const algorithm = /^([a-z0-9]+(?:[.+_-][a-z0-9]+)*):[a-zA-Z0-9=_-]+$/.exec(text)?.[1];
  if (algorithm !== undefined && algorithm !== "sha256")
    throw fail("invalid_argument", `unsupported digest algorithm "${algorithm}" in "${text.slice(0, 200)}"`);
  throw fail("invalid_argument", `invalid checksum digest format "${text.slice(0, 200)}"`);
}

/** The 64 hexadecimal digits of a digest: safe as a file name. */
export function hexOf(digest: string): string {
  return checkDigest(digest).slice("sha256:".length);
}

export function sha256Of(bytes: Uint8Array | string): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/**
 * The chainIDs of a stack of layers, base first ("Layer ChainID" in config.md): a layer's own diffID for the first, then
 * the digest of "parent's chainID, space, diffID".
 */
export function chainIdsOf(diffIds: readonly string[]): string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) {
    const parent = chain.at(-1);
    chain.push(parent === undefined ? diffId : sha256Of(`${parent} ${diffId}`));
  }
  return chain;
}
