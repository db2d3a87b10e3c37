/** Manifests and indexes: the questions and answers of the distribution specification. */
import { type Descriptor } from "../../specs/oci-image/manifest.ts";
import { isDigest, sha256Of } from "../../specs/oci-image/digest.ts";
import { MAX_DOCUMENT_BYTES } from "../../specs/oci-image/document.ts";
import { familiarReference, type Reference } from "../../specs/oci-image/reference.ts";
import type { ManifestDocument } from "./distribution.ts";
import { readDocument } from "./documents.ts";
import { urlAt } from "./endpoints.ts";
import { ACCEPTED_TYPES, announcedType, documentType } from "./manifest-document.ts";
import { badAnswer, RegistryError, requestText } from "./registry-error.ts";
import type { Place } from "./place.ts";
import { NO_CREDENTIALS } from "./session.ts";
import { repositoryScope } from "./scopes.ts";

const ACCEPT = { Accept: ACCEPTED_TYPES.join(", ") };

/**
 * `target` is a tag or digest. Undefined when the registry does not say enough, or fails: the GET that follows has the words
 * for the latter, which a HEAD cannot have.
 */
export async function headManifest(
  { endpoint, session }: Place,
  target: string,
  reference: Reference,
  signal: AbortSignal,
): Promise<Descriptor | undefined> {
  const scopes = [repositoryScope(endpoint.repository, "pull")];
  const url = urlAt(endpoint, `manifests/${target}`);
  try {
    const answer = await session.send({ method: "HEAD", url, headers: ACCEPT, scopes, signal });
    await answer.discard();
    const mediaType = announcedType(answer.header("content-type"), familiarReference(reference));
    const digest = answer.header("docker-content-digest") ?? "";
    const length = answer.header("content-length") ?? "";
    if (mediaType === "" || !isDigest(digest) || !/^[1-9]\d{0,8}$/.test(length)) return undefined;
    if (Number(length) > MAX_DOCUMENT_BYTES)
      throw badAnswer(`the manifest has ${length} bytes, ${MAX_DOCUMENT_BYTES} are allowed`);
    if (isDigest(target) && digest !== target)
      throw badAnswer(`the registry says that ${target} is ${digest}`);
    return descriptorOf(mediaType, digest, Number(length));
  } catch (error) {
    if (error instanceof RegistryError && error.code === NO_CREDENTIALS)
      throw new RegistryError(error.category, `${requestText("HEAD", url)}: ${error.message}`, {
        status: error.status,
        code: error.code,
      });
    // No document came with the status; the GET will bring it.
    if (error instanceof RegistryError && error.status >= 400 && error.status < 500 && error.status !== 429)
      return undefined;
    throw error;
  }
}

export async function getManifest(
  { endpoint, session }: Place,
  target: string,
  reference: Reference,
  signal: AbortSignal,
): Promise<ManifestDocument> {
  const name = familiarReference(reference);
  const url = urlAt(endpoint, `manifests/${target}`);
  const scopes = [repositoryScope(endpoint.repository, "pull")];
  const answer = await session.send({ method: "GET", url, headers: ACCEPT, scopes, signal });
  const announced = announcedType(answer.header("content-type"), name);
  const bytes = await readDocument(answer, {
    maxBytes: MAX_DOCUMENT_BYTES,
    documentMs: session.limits.documentMs,
    what: `the manifest of ${name}`,
  });
  const digest = sha256Of(bytes);
  if (isDigest(target) && digest !== target)
    throw badAnswer(`manifest verification failed for digest ${target}: the registry sent ${digest}`);
  return { descriptor: descriptorOf(documentType(bytes, announced, name), digest, bytes.length), bytes };
}

/** Without a tag under its digest. */
export async function putManifest(
  { endpoint, session }: Place,
  tag: string | undefined,
  mediaType: string,
  bytes: Uint8Array,
  signal: AbortSignal,
): Promise<string> {
  const digest = sha256Of(bytes);
  const answer = await session.send({
    method: "PUT",
    url: urlAt(endpoint, `manifests/${tag ?? digest}`),
    headers: { "Content-Type": mediaType },
    body: () => bytes,
    scopes: [repositoryScope(endpoint.repository, "pull,push")],
    signal,
  });
  await answer.discard();
  const stored = answer.header("docker-content-digest");
  if (stored !== undefined && isDigest(stored) && stored !== digest)
    throw badAnswer(`the registry stored the manifest ${digest} as ${stored}`);
  return digest;
}

export async function deleteManifest(
  { endpoint, session }: Place,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  const answer = await session.send({
    method: "DELETE",
    url: urlAt(endpoint, `manifests/${target}`),
    scopes: [repositoryScope(endpoint.repository, "delete"), repositoryScope(endpoint.repository, "pull")],
    signal,
  });
  await answer.discard();
}

function descriptorOf(mediaType: string, digest: string, sizeBytes: number): Descriptor {
  return { mediaType, digest, sizeBytes, platform: undefined, annotations: {} };
}
