/** A blob's bytes, over as many connections as it takes. */
import type { BlobDescriptor, BlobOptions } from "./distribution.ts";
import { urlAt } from "./endpoints.ts";
import { askForeign, type ForeignParts } from "./foreign-blob.ts";
import { badAnswer, RegistryError } from "./registry-error.ts";
import type { Place } from "./place.ts";
import { type RetryOptions, waitOrThrow } from "./retry.ts";
import { repositoryScope } from "./scopes.ts";
import type { Answer } from "./transport.ts";

/** A connection that brought this much has earned the blob a fresh set of attempts; one byte at a time has not. */
const PROGRESS_BYTES = 1 << 20;

export interface DownloadParts {
  readonly placesInOrder: () => Promise<readonly Place[]>;
  readonly foreign: ForeignParts;
  readonly retries: RetryOptions;
  readonly named: (error: unknown) => unknown;
}

/** Asks for a blob: from an offset on, if the headers say so. */
type Source = (headers: Readonly<Record<string, string>>, signal: AbortSignal) => Promise<Answer>;

/**
 * A source that brings nothing hands over to the next; one attempt is over when all have had their turn. When the registry,
 * the last of them, has no such blob, the blob's own URLs are the sources from then on.
 */
export async function* downloadBlob(
  blob: BlobDescriptor,
  { offset, signal }: BlobOptions,
  { placesInOrder, foreign, retries, named }: DownloadParts,
): AsyncGenerator<Uint8Array> {
  let sources = (await placesInOrder()).map((place) => sourceAt(place, blob));
  let elsewhere = (blob.urls ?? []).map((url) => foreignSource(foreign, url));
  let turn = 0;
  let attempt = 1;
  for (let at = offset; at < blob.sizeBytes; ) {
    const begin = at;
    const source = sources[turn];
    if (source === undefined) throw badAnswer("no registry to ask");
    try {
      for await (const bytes of openAt(source, blob, at, signal)) {
        at += bytes.length;
        yield bytes;
      }
      if (at < blob.sizeBytes) throw endedEarly(blob, at);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (at === begin) turn = (turn + 1) % sources.length;
      if (at === begin && turn === 0 && elsewhere.length > 0 && isMissing(error)) {
        [sources, elsewhere] = [elsewhere, []];
        continue;
      }
      if (at === begin && turn !== 0) continue;
      attempt = at - begin >= PROGRESS_BYTES ? 2 : attempt + 1;
      try {
        await waitOrThrow(attempt, error, retries);
      } catch (last) {
        throw named(last);
      }
    }
  }
}

function endedEarly({ digest, sizeBytes }: BlobDescriptor, at: number): RegistryError {
  const message = `blob ${digest} ended after ${at} of ${sizeBytes} bytes`;
  return new RegistryError("unavailable", message, { mayRetry: true });
}

function sourceAt({ endpoint, session }: Place, { digest }: BlobDescriptor): Source {
  const url = urlAt(endpoint, `blobs/${digest}`);
  const scopes = [repositoryScope(endpoint.repository, "pull")];
  return (headers, signal) => session.send({ method: "GET", url, headers, scopes, signal });
}

function foreignSource(parts: ForeignParts, url: string): Source {
  return (headers, signal) => askForeign(parts, url, headers, signal);
}

function isMissing(error: unknown): boolean {
  return error instanceof RegistryError && error.status === 404;
}

/** The bytes from `offset` on, at most as many as there should be. */
async function* openAt(
  source: Source,
  { digest, sizeBytes }: BlobDescriptor,
  offset: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const answer = await source(offset === 0 ? {} : { Range: `bytes=${offset}-` }, signal);
  let skip = offset - startOf(answer, { digest, sizeBytes }, offset);
  let left = sizeBytes - offset;
  for await (const chunk of answer.body()) {
    const wanted = skip === 0 ? chunk : chunk.subarray(Math.min(skip, chunk.length));
    skip -= chunk.length - wanted.length;
    if (wanted.length === 0) continue;
    left -= wanted.length;
    if (left < 0) throw badAnswer(`blob ${digest} is longer than the ${sizeBytes} bytes that were announced`);
    yield wanted;
  }
}

/** Where the answer begins: at `offset`, or at 0 from a server that knows no ranges. Its other claims must fit the blob. */
function startOf(answer: Answer, { digest, sizeBytes }: BlobDescriptor, offset: number): number {
  const refuse = (why: string): Error => {
    void answer.discard();
    return badAnswer(`blob ${digest}: ${why}`);
  };
  if ((answer.header("content-encoding") ?? "identity") !== "identity")
    throw refuse("the registry sent it with an encoding that nobody asked for");
  const length = answer.header("content-length");
  if (answer.status === 200) {
    if (length !== undefined && Number(length) !== sizeBytes)
      throw refuse(`the registry has ${Number(length)} bytes, ${sizeBytes} were announced`);
    return 0;
  }
  if (answer.status !== 206) throw refuse(`unexpected status ${answer.status}`);
  const range = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(answer.header("content-range") ?? "");
  const [first, last, total] = [Number(range?.[1]), Number(range?.[2]), range?.[3]];
  const fits = first === offset && last === sizeBytes - 1 && (total === "*" || Number(total) === sizeBytes);
  if (!fits || offset === 0) throw refuse("the registry sent another range than was asked for");
  return offset;
}
