/**
 * `docker save`: blobs as they are stored, each once, and the documents that say what they are. Nothing is unpacked or packed
 * again, so what limits a save is how fast bytes can be read and sent.
 */
import { fail } from "../../base/errors.ts";
import { tarEnd, tarHeader, tarPadding } from "../../base/tar-writer.ts";
import { MAX_DOCUMENT_BYTES } from "../../specs/oci-image/document.ts";
import type { Content } from "../content/content.ts";
import type { Leases } from "../metadata/leases.ts";
import type { Image, SelectedImage } from "./images.ts";
import { blobName, saveDocuments } from "./save-documents.ts";

export interface SaveDeps {
  readonly content: Pick<Content, "open" | "read" | "stat">;
  readonly leases: Leases;
}

export async function* saveImages(
  deps: SaveDeps,
  selected: readonly SelectedImage[],
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { content, leases } = deps;
  await using lease = leases.acquire("save");
  const sizes = new Map<string, number>();
  const images = imagesOf(selected);
  for (const image of images)
    for (const digest of [image.id, ...image.layers.map(({ blob }) => blob)]) {
      lease.holdBlob(digest);
      const blob = content.stat(digest);
      if (blob === undefined) throw fail("not_found", `blob "${digest}" not found`);
      sizes.set(digest, blob.sizeBytes);
    }
  for (const digest of attestationsIn(selected)) {
    lease.holdBlob(digest);
    const blob = content.stat(digest);
    if (blob !== undefined) sizes.set(digest, blob.sizeBytes);
  }
  const known = new Map<string, Buffer>();
  const targets = selected.flatMap(({ severalPlatforms }) => severalPlatforms.map(({ target }) => target));
  for (const document of [...images.map(({ manifest }) => manifest), ...targets]) {
    const digest = document?.digest;
    if (digest === undefined || content.stat(digest) === undefined) continue;
    lease.holdBlob(digest);
    known.set(digest, await content.read(digest, MAX_DOCUMENT_BYTES));
  }
  const { documents, files } = saveDocuments(selected, (id) => sizes.get(id) ?? 0, known);

  for (const name of ["blobs/", "blobs/sha256/"]) yield tarHeader({ name, kind: "directory" }, 0);
  for (const digest of [...sizes.keys(), ...documents.keys()].toSorted()) {
    signal.throwIfAborted();
    const bytes = documents.get(digest);
    if (bytes === undefined) yield* blobMember(content, digest, sizes.get(digest) ?? 0);
    else yield member(blobName(digest), bytes);
  }
  for (const { name, bytes } of files) yield member(name, bytes);
  yield tarEnd();
}

/** Those of other platforms, too; each once. */
function imagesOf(selected: readonly SelectedImage[]): readonly Image[] {
  const all = selected.flatMap(({ image, severalPlatforms }) => [
    image,
    ...severalPlatforms.flatMap(({ images }) => images),
  ]);
  return [...new Map(all.map((image) => [image.id, image])).values()];
}

/** They go with the indexes that name them. */
function attestationsIn(selected: readonly SelectedImage[]): readonly string[] {
  const names = selected.flatMap(({ severalPlatforms }) => severalPlatforms);
  return names.flatMap(({ images }) => images.flatMap(({ attestations }) => attestations));
}

function member(name: string, bytes: Buffer): Buffer {
  return Buffer.concat([tarHeader({ name }, bytes.length), bytes, tarPadding(bytes.length)]);
}

/** Not verified: whoever reads the archive does that, and it would cost as much as all the rest. */
async function* blobMember(
  content: Pick<Content, "open">,
  digest: string,
  sizeBytes: number,
): AsyncGenerator<Uint8Array> {
  yield tarHeader({ name: blobName(digest) }, sizeBytes);
  let left = sizeBytes;
  for await (const bytes of content.open(digest, { verify: false })) {
    left -= bytes.length;
    if (left < 0) break;
    yield bytes;
  }
  if (left !== 0) throw fail("internal", `blob "${digest}" does not have its ${sizeBytes} bytes any more`);
  yield tarPadding(sizeBytes);
}
