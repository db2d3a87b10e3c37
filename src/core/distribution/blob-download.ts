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

export async function* downloadBlob(
  placesInOrder: () => Promise<readonly Place[]>,
  blob: BlobDescriptor,
  { offset, signal }: BlobOptions,
  retries: RetryOptions,
  named: (error: unknown) => unknown,
): AsyncGenerator<Uint8Array> {
  let at = offset;
  let attempt = 1;
  for (let turn = 0; at < blob.sizeBytes || (blob.sizeBytes === 0 && turn === 0); turn++) {
    const begin = at;
    const places = await placesInOrder();
    const place = places[turn % places.length];
    if (place === undefined) throw badAnswer("no registry to ask");
    try {
      for await (const bytes of openAt(place, blob, at, signal)) {
        at += bytes.length;
        yield bytes;
      }
      if (at < blob.sizeBytes)
        throw new RegistryError(
          "unavailable",
          `blob ${blob.digest} ended after ${at} of ${blob.sizeBytes} bytes`,
          {
            mayRetry: true,
          },
        );
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (turn < places.length - 1 && at === begin) continue; // the next endpoint is the next attempt
      attempt = at - begin >= PROGRESS_BYTES ? 2 : attempt + 1;
      try {
        await waitOrThrow(attempt, error, retries);
      } catch (last) {
        throw named(last);
      }
    }
  }
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
  const start = startOf(answer, digest, offset, sizeBytes);
  let skip = offset - start;
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
function startOf(answer: Answer, digest: string, offset: number, sizeBytes: number): number {
  const length = answer.header("content-length");
  const refuse = (why: string): Error => {
    answer.discard();
    return badAnswer(`blob ${digest}: ${why}`);
  };
  if (answer.header("content-encoding") !== undefined && answer.header("content-encoding") !== "identity")
    throw refuse("the registry sent it with an encoding that nobody asked for");
  if (answer.status === 200) {
    if (length !== undefined && Number(length) !== sizeBytes)
      throw refuse(`the registry has ${Number(length)} bytes, ${sizeBytes} were announced`);
    return 0;
  }
  if (answer.status !== 206) throw refuse(`unexpected status ${answer.status}`);
  const [, first, last, total] =
    /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(answer.header("content-range") ?? "") ?? [];
  const fits =
    Number(first) === offset &&
    Number(last) === sizeBytes - 1 &&
    (total === "*" || Number(total) === sizeBytes);
  if (!fits || offset === 0) throw refuse("the registry sent another range than was asked for");
  return offset;
}
