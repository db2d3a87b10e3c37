/**
 * Blobs on their way to a registry, in the steps that `docker push` has and so every registry knows:
 *
 *     HEAD  blobs/<digest>              is it there?
 *     POST  blobs/uploads/?mount=…      take it from another repository — or begin an upload
 *     PATCH <Location>                  the bytes, in one stream
 *     PUT   <Location>?digest=…         the end, and the registry compares
 *
 * A stream that breaks is taken up where the registry says that it stands (GET <Location>), or anew.
 */
import type { Access, BlobDescriptor, PushedBlob, PushOptions } from "./distribution.ts";
import { urlAt } from "./endpoints.ts";
import { badAnswer, RegistryError } from "./registry-error.ts";
import { resolveLocation } from "./redirects.ts";
import type { Place } from "./place.ts";
import { type RetryOptions, waitOrThrow } from "./retry.ts";
import { repositoryScope } from "./scopes.ts";
import type { Answer } from "./transport.ts";

const MAX_MOUNT_TRIES = 3;

export async function hasBlob(
  { endpoint, session }: Place,
  digest: string,
  access: Access,
  signal: AbortSignal,
): Promise<boolean> {
  const scopes = [repositoryScope(endpoint.repository, access === "push" ? "pull,push" : "pull")];
  try {
    const url = urlAt(endpoint, `blobs/${digest}`);
    await (await session.send({ method: "HEAD", url, scopes, signal })).discard();
    return true;
  } catch (error) {
    if (error instanceof RegistryError && error.status === 404) return false;
    throw error;
  }
}

/** "mounted", or where the registry began an upload instead. */
export async function mountBlob(
  place: Place,
  digest: string,
  from: string,
  signal: AbortSignal,
): Promise<"mounted" | URL> {
  const answer = await beginUpload(
    place,
    `?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`,
    [from],
    signal,
  );
  return answer.status === 201 ? "mounted" : locationOf(answer);
}

export async function pushBlob(
  place: Place,
  blob: BlobDescriptor,
  source: (offset: number) => AsyncIterable<Uint8Array>,
  options: PushOptions,
  retries: RetryOptions,
): Promise<PushedBlob> {
  const { signal, mountFrom } = options;
  let location: URL | undefined;
  for (const from of mountFrom.slice(0, MAX_MOUNT_TRIES)) {
    const mounted = await mountOrNot(place, blob.digest, from, signal);
    if (mounted === "mounted") return { kind: "mounted", from };
    location = mounted ?? location;
  }
  let offset = 0;
  for (let attempt = 2; ; attempt++) {
    try {
      location ??= locationOf(await beginUpload(place, "", [], signal));
      if (offset < blob.sizeBytes || blob.sizeBytes === 0)
        location = await sendBytes(place, location, blob, source, offset, options);
      await finish(place, location, blob.digest, signal);
      return { kind: "uploaded" };
    } catch (error) {
      await waitOrThrow(attempt, error, retries);
      const stand = location === undefined ? undefined : await standOf(place, location, blob, signal);
      location = stand?.location;
      offset = stand?.offset ?? 0;
      options.onProgress(offset);
    }
  }
}

/** A registry that does not want to mount is asked for an upload; that it may not tell us why is no error of the push. */
async function mountOrNot(
  place: Place,
  digest: string,
  from: string,
  signal: AbortSignal,
): Promise<"mounted" | URL | undefined> {
  try {
    return await mountBlob(place, digest, from, signal);
  } catch (error) {
    if (error instanceof RegistryError && error.status >= 400 && error.status < 500 && error.status !== 429)
      return undefined;
    throw error;
  }
}

async function beginUpload(
  { endpoint, session }: Place,
  query: string,
  mountFrom: readonly string[],
  signal: AbortSignal,
): Promise<Answer> {
  const answer = await session.send({
    method: "POST",
    url: urlAt(endpoint, `blobs/uploads/${query}`),
    scopes: [
      repositoryScope(endpoint.repository, "pull,push"),
      ...mountFrom.map((from) => repositoryScope(from, "pull")),
    ],
    signal,
  });
  await answer.discard();
  if (answer.status !== 202 && !(answer.status === 201 && mountFrom.length > 0))
    throw badAnswer(`the registry answered the beginning of an upload with status ${answer.status}`);
  return answer;
}

async function sendBytes(
  { endpoint, session }: Place,
  location: URL,
  blob: BlobDescriptor,
  source: (offset: number) => AsyncIterable<Uint8Array>,
  offset: number,
  options: PushOptions,
): Promise<URL> {
  let sent = offset;
  const answer = await session.send({
    method: "PATCH",
    url: location,
    headers: {
      "Content-Type": "application/octet-stream",
      ...(offset === 0 ? {} : { "Content-Range": `${offset}-${blob.sizeBytes - 1}` }),
    },
    body: () => {
      sent = offset;
      return {
        sizeBytes: blob.sizeBytes - offset,
        chunks: exactly(source(offset), blob.sizeBytes - offset),
        onSent: (bytes) => {
          sent += bytes;
          options.onProgress(sent);
        },
      };
    },
    scopes: [repositoryScope(endpoint.repository, "pull,push")],
    signal: options.signal,
  });
  await answer.discard();
  if (answer.status !== 202 && answer.status !== 201 && answer.status !== 204)
    throw badAnswer(`the registry answered an upload with status ${answer.status}`);
  return answer.header("location") === undefined ? location : locationOf(answer);
}

/** A source that brings another number of bytes than it should must not reach the registry as a valid request. */
async function* exactly(source: AsyncIterable<Uint8Array>, sizeBytes: number): AsyncGenerator<Uint8Array> {
  let left = sizeBytes;
  for await (const chunk of source) {
    left -= chunk.length;
    if (left < 0) throw badAnswer("the blob to upload is longer than it should be");
    yield chunk;
  }
  if (left > 0) throw badAnswer("the blob to upload is shorter than it should be");
}

async function finish(
  { endpoint, session }: Place,
  location: URL,
  digest: string,
  signal: AbortSignal,
): Promise<void> {
  const url = new URL(location);
  url.searchParams.set("digest", digest);
  const scopes = [repositoryScope(endpoint.repository, "pull,push")];
  const answer = await session.send({ method: "PUT", url, scopes, signal });
  await answer.discard();
  const stored = answer.header("docker-content-digest");
  if (stored !== undefined && stored !== "" && stored !== digest)
    throw badAnswer(`the registry stored the blob ${digest} under another digest`);
}

/** How far an upload has come, undefined when the registry does not know it any more or does not say. */
async function standOf(
  { endpoint, session }: Place,
  location: URL,
  { sizeBytes }: BlobDescriptor,
  signal: AbortSignal,
): Promise<{ readonly location: URL; readonly offset: number } | undefined> {
  try {
    const scopes = [repositoryScope(endpoint.repository, "pull,push")];
    const answer = await session.send({ method: "GET", url: location, scopes, signal });
    await answer.discard();
    const range = /^(?:bytes=)?0-(\d{1,15})$/.exec(answer.header("range") ?? "")?.[1];
    if (range === undefined || answer.header("location") === undefined) return undefined;
    // "0-0" is what the specification says for both nothing and one byte.
    const offset = range === "0" ? 0 : Number(range) + 1;
    return offset > sizeBytes || offset === 0 ? undefined : { location: locationOf(answer), offset };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof RegistryError) return undefined;
    throw error;
  }
}

function locationOf(answer: Answer): URL {
  const location = answer.header("location");
  if (location === undefined || location === "")
    throw badAnswer("the registry does not say where to upload to");
  return resolveLocation(answer.url, location);
}
