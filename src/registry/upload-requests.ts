/** The requests of uploads: begin (or mount, or all at once), go on, end, ask, give up. */
import type { Content } from "../core/content/content.ts";
import { isDigest } from "../specs/oci-image/digest.ts";
import { checkedDigest } from "./blobs.ts";
import { type Call, chunkOf } from "./call.ts";
import { isRepositoryName } from "./names.ts";
import { receivedRange } from "./range.ts";
import { refuse } from "./refusal.ts";
import type { Headers } from "./reply.ts";
import type { Repositories } from "./repositories.ts";
import type { Uploads } from "./uploads.ts";

export interface UploadRequestDeps {
  readonly content: Content;
  readonly repositories: Repositories;
  readonly uploads: Uploads;
  readonly now: () => number;
}

/** Smaller chunks are taken, too; this is what is good for both sides. */
const CHUNK_MIN_LENGTH = 1 << 20;
/** Repositories that are looked at for a mount that names none. */
const MAX_MOUNT_SOURCES = 100;

export async function postUpload(deps: UploadRequestDeps, call: Call, repository: string): Promise<void> {
  const mount = call.query.get("mount");
  const digest = call.query.get("digest");
  if (mount !== null && isDigest(mount) && mountBlob(deps, call, repository, mount))
    return created(call, repository, mount);
  if (digest !== null) {
    const blob = await deps.uploads.whole(
      repository,
      checkedDigest(digest),
      chunkOf(call),
      call.reply.signal,
    );
    return created(call, repository, blob.digest);
  }
  const id = deps.uploads.begin(repository);
  call.reply.empty(202, {
    ...progress(repository, id, 0),
    "OCI-Chunk-Min-Length": String(CHUNK_MIN_LENGTH),
  });
}

/** False when the blob is nowhere that the client may read: then it has to send it. */
function mountBlob(
  { content, repositories, now }: UploadRequestDeps,
  call: Call,
  repository: string,
  digest: string,
): boolean {
  const from = call.query.get("from");
  const sources = from === null ? repositories.repositoriesWithBlob(digest, MAX_MOUNT_SOURCES) : [from];
  const source = sources.find(
    (name) => isRepositoryName(name) && call.rights.may("pull", name) && repositories.hasBlob(name, digest),
  );
  if (source === undefined || content.stat(digest) === undefined) return false;
  repositories.linkBlob(repository, digest, now());
  return true;
}

export async function patchUpload(
  { uploads }: UploadRequestDeps,
  call: Call,
  repository: string,
  id: string,
): Promise<void> {
  try {
    const sizeBytes = await uploads.append(repository, id, chunkOf(call));
    call.reply.empty(202, progress(repository, id, sizeBytes));
  } catch (error) {
    call.reply.add({ Location: location(repository, id) });
    throw error;
  }
}

export async function putUpload(
  { uploads }: UploadRequestDeps,
  call: Call,
  repository: string,
  id: string,
): Promise<void> {
  uploads.size(repository, id);
  const digest = checkedDigest(call.query.get("digest") ?? "");
  const blob = await uploads.finish(repository, id, digest, chunkOf(call));
  created(call, repository, blob.digest);
}

export async function getUpload(
  { uploads }: UploadRequestDeps,
  call: Call,
  repository: string,
  id: string,
): Promise<void> {
  call.reply.empty(204, progress(repository, id, uploads.size(repository, id)));
}

export async function deleteUpload(
  { uploads }: UploadRequestDeps,
  call: Call,
  repository: string,
  id: string,
): Promise<void> {
  await uploads.cancel(repository, id);
  call.reply.empty(204);
}

function created(call: Call, repository: string, digest: string): void {
  call.reply.empty(201, {
    Location: `/v2/${repository}/blobs/${digest}`,
    "Docker-Content-Digest": digest,
  });
}

function progress(repository: string, id: string, sizeBytes: number): Headers {
  return {
    Location: location(repository, id),
    Range: receivedRange(sizeBytes),
    "Docker-Upload-UUID": id,
  };
}

function location(repository: string, id: string): string {
  return `/v2/${repository}/blobs/uploads/${id}`;
}

/** For a method that none of these is. */
export function unsupported(method: string): Error {
  return refuse("UNSUPPORTED", { detail: { method: method.slice(0, 20) } });
}
