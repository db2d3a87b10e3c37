/** Manifests, by tag and by digest. */
import type { Content } from "../core/content/content.ts";
import type { Leases } from "../core/metadata/leases.ts";
import { isDigest, sha256Of } from "../specs/oci-image/digest.ts";
import { decodeDocument } from "../specs/oci-image/document.ts";
import { decodeIndex } from "../specs/oci-image/manifest.ts";
import { type Accepted, chooseForm, parseAccept } from "./accept.ts";
import { checkedDigest, matchesEtag } from "./blobs.ts";
import { readSmallBody } from "./body.ts";
import { type Call, header } from "./call.ts";
import { MAX_MANIFEST_BYTES, type Needed, readManifest, type ReadManifest } from "./manifest.ts";
import type { Mirror } from "./mirror.ts";
import type { ManifestReference } from "./names.ts";
import { refuse } from "./refusal.ts";
import type { ManifestRow, Repositories } from "./repositories.ts";

export interface ManifestDeps {
  readonly content: Content;
  readonly leases: Leases;
  readonly repositories: Repositories;
  readonly mirror: Mirror | undefined;
  readonly now: () => number;
}

export async function getManifest(
  deps: ManifestDeps,
  call: Call,
  repository: string,
  reference: ManifestReference,
): Promise<void> {
  const row = await findManifest(deps, repository, reference);
  if (row === undefined) throw unknownManifest(repository, reference);
  // As with blobs: a client that learns that it is here does not push it, and has not pushed the index that needs it.
  if (call.method === "HEAD" && call.rights.may("push", repository))
    deps.repositories.refreshManifest(repository, row.digest, deps.now());
  const accepted = parseAccept(header(call, "accept"));
  const sent =
    reference.kind === "digest" ? row : await inForm(deps, { repository, row, accepted, reference });
  const headers = {
    "Content-Type": sent.mediaType,
    "Docker-Content-Digest": sent.digest,
    ETag: `"${sent.digest}"`,
    ...(reference.kind === "tag" ? { Vary: "Accept" } : {}),
  };
  if (matchesEtag(header(call, "if-none-match"), headers.ETag)) return call.reply.empty(304, headers);
  if (call.method === "HEAD")
    return call.reply.head(200, { ...headers, "Content-Length": String(sent.sizeBytes) });
  await call.reply.body(200, await deps.content.read(sent.digest, MAX_MANIFEST_BYTES), headers);
}

async function findManifest(
  { repositories, mirror }: ManifestDeps,
  repository: string,
  reference: ManifestReference,
): Promise<ManifestRow | undefined> {
  if (reference.kind === "invalid") return undefined;
  if (reference.kind === "digest") {
    const digest = checkedDigest(reference.digest);
    const row = repositories.manifest(repository, digest);
    if (row !== undefined || mirror === undefined) return row;
    return (await mirror.fetchManifest(repository, digest))
      ? repositories.manifest(repository, digest)
      : undefined;
  }
  const digest =
    mirror === undefined
      ? repositories.tag(repository, reference.tag)?.digest
      : await mirror.resolveTag(repository, reference.tag);
  return digest === undefined ? undefined : repositories.manifest(repository, digest);
}

/** Throws MANIFEST_UNKNOWN when there is none that the client can take. */
async function inForm(
  deps: ManifestDeps,
  {
    repository,
    row,
    accepted,
    reference,
  }: {
    readonly repository: string;
    readonly row: ManifestRow;
    readonly accepted: Accepted;
    readonly reference: ManifestReference;
  },
): Promise<ManifestRow> {
  const choice = chooseForm(row.mediaType, accepted);
  if (choice === "as is") return row;
  const notAccepted = refuse("MANIFEST_UNKNOWN", {
    message: `a manifest of type "${row.mediaType}" was found, which the Accept header does not allow`,
  });
  if (choice === "refuse") throw notAccepted;
  const bytes = await deps.content.read(row.digest, MAX_MANIFEST_BYTES);
  const { manifests } = decodeDocument(`manifest "${row.digest}"`, bytes, decodeIndex);
  const digest = manifests.find(
    ({ platform }) => platform?.os === "linux" && platform.architecture === "amd64",
  )?.digest;
  if (digest === undefined) throw notAccepted;
  const single = await findManifest(deps, repository, { kind: "digest", digest });
  if (single === undefined) throw unknownManifest(repository, reference);
  return single;
}

/** The moment a tag moves: all that the manifest needs is there, and so stay those who read the old one. */
export async function putManifest(
  deps: ManifestDeps,
  call: Call,
  repository: string,
  reference: ManifestReference,
): Promise<void> {
  if (reference.kind === "invalid")
    throw refuse("TAG_INVALID", { detail: { tag: reference.text.slice(0, 200) } });
  if (reference.kind === "digest") checkedDigest(reference.digest);
  const { content, leases, repositories, now } = deps;
  const { signal } = call.reply;
  const bytes = await readSmallBody(call.request, MAX_MANIFEST_BYTES, {
    pace: call.pace,
    signal,
    tooLarge: () =>
      refuse("MANIFEST_INVALID", {
        status: 413,
        message: "the manifest is too large",
        detail: { limit: MAX_MANIFEST_BYTES },
      }),
  });
  const digest = sha256Of(bytes);
  if (reference.kind === "digest" && reference.digest !== digest)
    throw refuse("DIGEST_INVALID", { detail: { expected: reference.digest, found: digest } });
  const manifest = readManifest(bytes, header(call, "content-type"));
  checkNeeds(deps, repository, manifest);
  await using lease = leases.acquire(`manifest of ${repository}`);
  const stored = await content.ingest(lease, once(bytes), { digest }, signal);
  // What it needs may have been deleted while the disk was busy.
  checkNeeds(deps, repository, manifest);
  const tag = reference.kind === "tag" ? reference.tag : undefined;
  repositories.putManifest(repository, stored, manifest, { tag, nowMs: now() });
  call.reply.empty(201, {
    Location: `/v2/${repository}/manifests/${digest}`,
    "Docker-Content-Digest": digest,
    ...(manifest.subject === undefined ? {} : { "OCI-Subject": manifest.subject }),
  });
}

/** Throws MANIFEST_BLOB_UNKNOWN for what is not in this repository, MANIFEST_INVALID for what has another size. */
function checkNeeds(
  { content, repositories }: ManifestDeps,
  repository: string,
  manifest: ReadManifest,
): void {
  for (const need of manifest.needs) {
    if (need.isForeign) continue;
    const sizeBytes = sizeOf({ content, repositories }, repository, need);
    if (sizeBytes === undefined) throw refuse("MANIFEST_BLOB_UNKNOWN", { detail: { digest: need.digest } });
    if (sizeBytes !== need.sizeBytes)
      throw refuse("MANIFEST_INVALID", {
        detail: `"${need.digest}" has ${sizeBytes} bytes, the manifest says ${need.sizeBytes}`,
      });
  }
}

function sizeOf(
  { content, repositories }: Pick<ManifestDeps, "content" | "repositories">,
  repository: string,
  { kind, digest }: Needed,
): number | undefined {
  if (!isDigest(digest)) return undefined;
  if (kind === "manifest") return repositories.manifest(repository, digest)?.sizeBytes;
  return repositories.hasBlob(repository, digest) ? content.stat(digest)?.sizeBytes : undefined;
}

export async function deleteManifest(
  { repositories }: ManifestDeps,
  call: Call,
  repository: string,
  reference: ManifestReference,
): Promise<void> {
  const isGone =
    reference.kind === "tag"
      ? repositories.deleteTag(repository, reference.tag)
      : reference.kind === "digest" &&
        repositories.deleteManifest(repository, checkedDigest(reference.digest));
  if (!isGone) throw unknownManifest(repository, reference);
  call.reply.empty(202);
}

function unknownManifest(repository: string, reference: ManifestReference): Error {
  const name = reference.kind === "tag" ? { tag: reference.tag } : reference;
  return refuse("MANIFEST_UNKNOWN", { detail: { name: repository, ...name } });
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
