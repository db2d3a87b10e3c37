/**
 * One pass over one layer: its bytes are stored as they come, and at the same time uncompressed, hashed for the diffID
 * and applied. Storing hashes too; a layer that is not compressed is its own diff, so nothing is hashed
 * twice.
 */
import { createHash } from "node:crypto";
import { fail } from "../../base/errors.ts";
import type { BlobInfo, Content, Ingest } from "../content/content.ts";
import type { SnapshotUsage, StagedLayer } from "../snapshots/snapshotter.ts";
import { PeekedStream } from "./peeked-stream.ts";
import { type Compression, compressionOf, decompress, MAGIC_BYTES } from "./compression.ts";
import type { Expansion } from "./expansion.ts";

export interface StoredLayer {
  readonly blob: BlobInfo;
  readonly diffId: string;
  readonly compression: Compression;
  readonly usage: SnapshotUsage;
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
}

/** Stores and applies a layer. The ingest is committed, or aborted when this throws; the staged layer stays the caller's. */
export async function storeLayer(
  source: AsyncIterable<Uint8Array>,
  target: LayerTarget,
  expansion: Expansion,
  signal: AbortSignal,
): Promise<StoredLayer> {
  const { ingest, staged } = target;
  try {
    const raw = new PeekedStream(stored(source, ingest));
    const compression = compressionOf(await raw.peek(MAGIC_BYTES));
    const tar = expansion.limited(decompress(raw, compression));
    const applied = await applyHashed(staged, tar, compression !== "none", signal);
    // Whatever follows the compressed data belongs to the blob all the same.
    for await (const _ of raw) signal.throwIfAborted();
    const blob = await ingest.commit();
    return { blob, diffId: applied.diffId ?? blob.digest, compression, usage: applied.usage };
  } finally {
    await ingest.abort();
  }
}

/** Applies a stored layer; throws `internal` when its bytes are no longer those of `diffId`. */
export async function applyStoredLayer(
  content: Content,
  layer: { readonly blob: string; readonly diffId: string },
  target: { readonly staged: StagedLayer; readonly expansion: Expansion },
  signal: AbortSignal,
): Promise<SnapshotUsage> {
  const { staged, expansion } = target;
  const raw = new PeekedStream(expansion.counted(content.open(layer.blob, { verify: true })));
  try {
    const compression = compressionOf(await raw.peek(MAGIC_BYTES));
    const tar = expansion.limited(decompress(raw, compression));
    const { diffId, usage } = await applyHashed(staged, tar, true, signal);
    if (diffId !== layer.diffId)
      throw fail(
        "internal",
        `blob "${layer.blob}" is damaged: it unpacks to "${diffId}" instead of "${layer.diffId}"`,
      );
    return usage;
  } finally {
    await raw.end();
  }
}

async function applyHashed(
  staged: StagedLayer,
  tar: AsyncIterable<Uint8Array>,
  wantsDiffId: boolean,
  signal: AbortSignal,
): Promise<{ readonly usage: SnapshotUsage; readonly diffId: string | undefined }> {
  const hash = wantsDiffId ? createHash("sha256") : undefined;
  const stream = new PeekedStream(hashed(tar, (bytes) => hash?.update(bytes)));
  try {
    const usage = await staged.apply(stream, signal);
    // The reader of a tar stops at its end mark; the diffID covers what follows, too.
    for await (const _ of stream) signal.throwIfAborted();
    return { usage, diffId: hash === undefined ? undefined : `sha256:${hash.digest("hex")}` };
  } finally {
    await stream.end();
  }
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
