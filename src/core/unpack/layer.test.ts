import { expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { writeTar } from "../../base/tar-writer.ts";
import type { BlobInfo, Ingest } from "../content/content.ts";
import type { StagedLayer } from "../snapshots/snapshotter.ts";
import { DEFAULT_EXPANSION, Expansion } from "./expansion.ts";
import { storeLayer } from "./layer.ts";

const NEVER = new AbortController().signal;
const TAR = writeTar([{ name: "large", content: randomBytes(4_000_000) }]);
const PIECE_BYTES = 100_000;

/** Reads the tar as the native part does, and counts. */
class CountingLayer implements StagedLayer {
  readonly pieces: Uint8Array[] = [];
  readonly hash = createHash("sha256");

  async apply(tar: AsyncIterable<Uint8Array>): Promise<{ sizeBytes: number; inodes: number }> {
    for await (const bytes of tar) {
      this.pieces.push(bytes);
      this.hash.update(bytes);
    }
    return { sizeBytes: 0, inodes: 0 };
  }

  discard(): void {}
}

class CountingIngest implements Ingest {
  sizeBytes = 0;
  readonly #hash = createHash("sha256");

  async *found(): AsyncGenerator<Uint8Array> {}

  read(): Promise<Buffer> {
    return Promise.resolve(Buffer.alloc(0));
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes);
    this.sizeBytes += bytes.length;
  }

  async flush(): Promise<void> {}

  async commit(): Promise<BlobInfo> {
    return { digest: `sha256:${this.#hash.digest("hex")}`, sizeBytes: this.sizeBytes };
  }

  async abort(): Promise<void> {}

  async suspend(): Promise<void> {}
}

/** As a connection gives them: each piece in memory of its own. */
async function* piecesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    yield Uint8Array.from(bytes.subarray(at, at + PIECE_BYTES));
  }
}

for (const [kind, blob] of [
  ["an uncompressed", TAR],
  ["a gzip", gzipSync(TAR)],
  ["a zstd", zstdCompressSync(TAR)],
] as const)
  test(`${kind} layer leaves no piece in memory once it is applied, and loses none on the way`, async () => {
    const staged = new CountingLayer();
    const target = { ingest: new CountingIngest(), staged };
    const stored = await storeLayer(piecesOf(blob), target, new Expansion(DEFAULT_EXPANSION), NEVER);
    const diffId = `sha256:${createHash("sha256").update(TAR).digest("hex")}`;
    expect([stored.diffId, `sha256:${staged.hash.digest("hex")}`]).toEqual([diffId, diffId]);
    expect(staged.pieces.length).toBeGreaterThan(10);
    const left = new Set(staged.pieces.map(({ buffer }) => buffer));
    const leftBytes = [...left].reduce((sum, { byteLength }) => sum + byteLength, 0);
    // Of what a decompressor made the end is left to the collector, and what the runtime copied.
    expect(leftBytes).toBeLessThanOrEqual(blob === TAR ? 0 : TAR.length / 3);
  });
