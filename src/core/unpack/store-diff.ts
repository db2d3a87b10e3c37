/**
 * The way of a layer that is made here: from an uncompressed tar to a compressed blob, a diffID and an applied directory, in
 * one pass. (`layer.ts` is that of layers that come from elsewhere.)
 */
import { createHash } from "node:crypto";
import type { BlobInfo } from "../content/content.ts";
import type { SnapshotUsage } from "../snapshots/snapshotter.ts";
import { GzipWriter } from "./gzip.ts";
import type { LayerTarget } from "./layer.ts";

export interface StoredDiff {
  /** gzip. */
  readonly blob: BlobInfo;
  readonly diffId: string;
  readonly usage: SnapshotUsage;
}

/** The ingest is committed, or aborted when this throws; the staged layer stays the caller's. */
export async function storeDiff(
  tar: AsyncIterable<Uint8Array>,
  { ingest, staged }: LayerTarget,
  signal: AbortSignal,
): Promise<StoredDiff> {
  const hash = createHash("sha256");
  const packer = new GzipWriter(ingest);
  async function* passing(): AsyncGenerator<Uint8Array> {
    for await (const bytes of tar) {
      hash.update(bytes);
      await packer.write(bytes);
      yield bytes;
    }
  }
  try {
    const usage = await staged.apply(passing(), signal);
    await packer.end();
    signal.throwIfAborted();
    return { blob: await ingest.commit(), diffId: `sha256:${hash.digest("hex")}`, usage };
  } finally {
    await ingest.abort();
  }
}
