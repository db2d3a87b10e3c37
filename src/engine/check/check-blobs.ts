/** Every blob's bytes have the digest that names it. */
import { isCategory } from "../../base/errors.ts";
import { type CheckDeps, type CheckRequest, type Finding, found, progress } from "./finding.ts";

export async function* checkBlobs(
  deps: CheckDeps,
  request: CheckRequest,
  signal: AbortSignal,
): AsyncGenerator<Finding> {
  const { content, images } = deps;
  const blobs = content.list();
  const total = blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let current = 0;
  for (const { digest, sizeBytes } of blobs) {
    yield progress(current, total);
    const detail = await damageOf(deps, digest, signal);
    current += sizeBytes;
    if (detail === undefined) continue;
    const users = images.care.usersOf(digest);
    // Gone it can be fetched again; as it is every pull would take it for the one that is wanted.
    yield await found(request, { kind: "damaged-blob", subject: digest, detail, images: users }, () =>
      content.delete(digest),
    );
  }
  yield progress(total, total);
  for (const path of content.strangers())
    yield await found(
      request,
      { kind: "foreign-file", subject: path, detail: "it lies among the blobs and is none", images: [] },
      () => content.discardStranger(path),
    );
}

async function damageOf(
  { content }: CheckDeps,
  digest: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    for await (const _ of content.open(digest, { verify: true })) signal.throwIfAborted();
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    // Deleted since we asked, or its file was: only in the first case the store knows.
    if (isCategory(error, "not_found"))
      return content.stat(digest) === undefined ? undefined : "its file is missing";
    if (isCategory(error, "internal")) return error.message;
    throw error;
  }
}
