/** A blob's bytes, over as many connections as it takes. */
import type { BlobDescriptor, BlobOptions } from "./distribution.ts";
import { urlAt } from "./endpoints.ts";
import { badAnswer, RegistryError } from "./registry-error.ts";
import type { Place } from "./place.ts";
import { type RetryOptions, waitOrThrow } from "./retry.ts";
import { repositoryScope } from "./scopes.ts";
import type { Answer } from "./transport.ts";

/** A connection that brought this much has earned the blob a fresh set of attempts; one byte at a time has not. */
const PROGRESS_BYTES = 1 << 20;

export interface DownloadParts {
  readonly placesInOrder: () => Promise<readonly Place[]>;
  readonly retries: RetryOptions;
  readonly named: (error: unknown) => unknown;
}

/** A place that brings nothing hands over to the next; one attempt is over when all have had their turn. */
export async function* downloadBlob(
  blob: BlobDescriptor,
  { offset, signal }: BlobOptions,
  { placesInOrder, retries, named }: DownloadParts,
): AsyncGenerator<Uint8Array> {
  const places = await placesInOrder();
  let turn = 0;
  let attempt = 1;
  for (let at = offset; at < blob.sizeBytes; ) {
    const begin = at;
    const place = places[turn];
    if (place === undefined) throw badAnswer("no registry to ask");
    try {
      for await (const bytes of openAt(place, blob, at, signal)) {
        at += bytes.length;
        yield bytes;
      }
      if (at < blob.sizeBytes) throw endedEarly(blob, at);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (at === begin) turn = (turn + 1) % places.length;
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

/** The bytes from `offset` on, at most as many as there should be. */
async function* openAt(
  { endpoint, session }: Place,
  { digest, sizeBytes }: BlobDescriptor,
  offset: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const answer = await session.send({
    method: "GET",
    url: urlAt(endpoint, `blobs/${digest}`),
    headers: offset === 0 ? {} : { Range: `bytes=${offset}-` },
    scopes: [repositoryScope(endpoint.repository, "pull")],
    signal,
  });
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
