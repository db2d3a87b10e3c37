/**
 * One pass over one layer: its bytes are stored as they come, and at the same time uncompressed, hashed for the diffID
 * and applied. Storing hashes too; a layer that is not compressed is its own diff, so nothing is hashed
 * twice.
 */
import { createHash } from "node:crypto";
import { isDiskFull, type Room } from "../../base/disk-full.ts";
import { fail, isCategory } from "../../base/errors.ts";
import type { BlobInfo, Content, ExpectedBlob, Ingest } from "../content/content.ts";
import type { SnapshotUsage, StagedLayer } from "../snapshots/snapshotter.ts";
import { PeekedStream } from "./peeked-stream.ts";
import { type Compression, layerCompressionOf, decompress, MAGIC_BYTES } from "./compression.ts";
import type { Expansion } from "./expansion.ts";
import { spent } from "./spent.ts";

export interface StoredLayer {
  readonly blob: BlobInfo;
  readonly diffId: string;
  readonly compression: Compression;
  readonly usage: SnapshotUsage;
  /** What it was applied to: the target's, or the one for a second attempt. */
  readonly staged: StagedLayer;
}

const MEDIA_TYPES: Readonly<Record<Compression, string>> = {
  none: "application/vnd.oci.image.layer.v1.tar",
  gzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  zstd: "application/vnd.oci.image.layer.v1.tar+zstd",
};

export function layerMediaType(compression: Compression): string {
  return MEDIA_TYPES[compression];
}

export interface LayerTarget {
  readonly ingest: Ingest;
  readonly staged: StagedLayer;
  /** What the blob must be. */
  readonly expected?: ExpectedBlob;
}

/** What becomes of a layer that found no room to be unpacked: it is stored on, and unpacked from there. */
export interface OnFullDisk {
  readonly room: Room;
  readonly content: Content;
  readonly stage: () => StagedLayer;
}

/**
 * Stores and applies a layer. What a named ingest found comes first, `source` has the rest and gives its pieces away. The
 * ingest is committed or, when this throws, over: kept for the next time when only the source failed, gone when its bytes or a full disk are to blame. The
 * staged layers stay the caller's. When the disk is too full to unpack it and room can be made, that is tried once more.
 */
export async function storeLayer(
  source: AsyncIterable<Uint8Array>,
  target: LayerTarget & { readonly onFullDisk?: OnFullDisk | undefined },
  expansion: Expansion,
  signal: AbortSignal,
): Promise<StoredLayer> {
  const { ingest, staged, expected, onFullDisk } = target;
  try {
    const raw = new PeekedStream(resumed(ingest, source));
    const compression = layerCompressionOf(await raw.peek(MAGIC_BYTES));
    const tar = expansion.limited(decompress(raw, compression));
    const seen = onFullDisk?.room.times ?? 0;
    const applied = await applyHashed(staged, tar, compression !== "none", signal).catch((error: unknown) => {
      staged.discard();
      return roomFor(error, onFullDisk, seen);
    });
    // Whatever follows the compressed data belongs to the blob all the same.
    for await (const _ of raw) signal.throwIfAborted();
    const blob = await ingest.commit(expected);
    if ("usage" in applied)
      return { blob, diffId: applied.diffId ?? blob.digest, compression, usage: applied.usage, staged };
    const again = { staged: applied.stage(), expansion };
    const { diffId, usage } = await applyBlob(applied.content, blob.digest, again, signal);
    return { blob, diffId, compression, usage, staged: again.staged };
  } catch (error) {
    // A full disk needs the room more than the next attempt does.
    if (!isCategory(error, "invalid_argument") && !isDiskFull(error)) await ingest.suspend();
    throw error;
  } finally {
    await ingest.abort();
  }
}

/** Throws the error unless it is a full disk on which there is room now. */
async function roomFor(
  error: unknown,
  onFullDisk: OnFullDisk | undefined,
  seen: number,
): Promise<OnFullDisk> {
  if (onFullDisk === undefined || !isDiskFull(error) || !(await onFullDisk.room.make(seen))) throw error;
  return onFullDisk;
}

export interface AppliedBlob {
  readonly diffId: string;
  readonly compression: Compression;
  readonly usage: SnapshotUsage;
}

/** Applies a blob that is stored, whatever diff it turns out to be. */
export async function applyBlob(
  content: Content,
  blob: string,
  target: { readonly staged: StagedLayer; readonly expansion: Expansion },
  signal: AbortSignal,
): Promise<AppliedBlob> {
  const { staged, expansion } = target;
  const raw = new PeekedStream(expansion.counted(content.open(blob, { verify: true })));
  try {
    const compression = layerCompressionOf(await raw.peek(MAGIC_BYTES));
    const tar = expansion.limited(decompress(raw, compression));
    const { diffId = blob, usage } = await applyHashed(staged, tar, compression !== "none", signal);
    // To its end, where the digest is compared.
    for await (const _ of raw) signal.throwIfAborted();
    return { diffId, compression, usage };
  } finally {
    await raw.end();
  }
}

/** Applies a stored layer; throws `internal` when its bytes are no longer those of `diffId`. */
export async function applyStoredLayer(
  content: Content,
  layer: { readonly blob: string; readonly diffId: string },
  target: { readonly staged: StagedLayer; readonly expansion: Expansion },
  signal: AbortSignal,
): Promise<SnapshotUsage> {
  const { diffId, usage } = await applyBlob(content, layer.blob, target, signal);
  if (diffId !== layer.diffId)
    throw fail(
      "internal",
      `blob "${layer.blob}" is damaged: it unpacks to "${diffId}" instead of "${layer.diffId}"`,
    );
  return usage;
}

async function applyHashed(
  staged: StagedLayer,
  tar: AsyncIterable<Uint8Array>,
  wantsDiffId: boolean,
  signal: AbortSignal,
): Promise<{ readonly usage: SnapshotUsage; readonly diffId: string | undefined }> {
  const hash = wantsDiffId ? createHash("sha256") : undefined;
  const stream = new PeekedStream(spent(hashed(tar, (bytes) => hash?.update(bytes))));
  try {
    const usage = await staged.apply(stream, signal);
    // The reader of a tar stops at its end mark; the diffID covers what follows, too.
    for await (const _ of stream) signal.throwIfAborted();
    return { usage, diffId: hash === undefined ? undefined : `sha256:${hash.digest("hex")}` };
  } finally {
    await stream.end();
  }
}

async function* resumed(ingest: Ingest, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* ingest.found();
  yield* stored(source, ingest);
}

async function* stored(source: AsyncIterable<Uint8Array>, ingest: Ingest): AsyncGenerator<Uint8Array> {
  for await (const bytes of source) {
    await ingest.write(bytes);
    yield bytes;
  }
}

async function* hashed(
  source: AsyncIterable<Uint8Array>,
  update: (bytes: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  for await (const bytes of source) {
    update(bytes);
    yield bytes;
  }
}
