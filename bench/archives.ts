/** Image archives that rows need besides the real ones: very deep, very many files, very large. Different in each round. */
import { createHash, randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { configOf, dockerArchive, layerOf } from "../src/core/images/testing/archives.ts";
import { header, TarBuilder } from "../test/support/tar-builder.ts";

const LAYERS = 64;
const FILES = 100_000;
const FILES_PER_DIRECTORY = 100;
const FILE_BYTES = 100;

/** `deep:ROUND`: 64 layers of a few files. */
export function deepArchive(directory: string, round: number): string {
  const layers = Array.from({ length: LAYERS }, (_, i) =>
    layerOf([
      { name: `layer${i}/a`, content: `${round} ${i}\n` },
      { name: `layer${i}/b`, content: randomBytes(16 << 10) },
    ]),
  );
  return written(directory, `deep-${round}.tar`, dockerArchive([{ names: [`deep:${round}`], layers }]));
}

/** `many:ROUND`: one layer of 100,000 files in a thousand directories. */
export function manyFilesArchive(directory: string, round: number): string {
  const builder = new TarBuilder();
  // A peer that has kept the layer of an earlier run would have nothing to do.
  const run = randomBytes(8).toString("hex");
  for (let i = 0; i < FILES; i++) {
    const folder = `d${Math.floor(i / FILES_PER_DIRECTORY)}`;
    if (i % FILES_PER_DIRECTORY === 0) builder.directory(`${folder}/`);
    builder.file(`${folder}/f${i}`, `${run} ${round} ${i} `.padEnd(FILE_BYTES, "x"));
  }
  const tar = builder.end();
  const digest = `sha256:${createHash("sha256").update(tar).digest("hex")}`;
  const layer = { tar, blob: tar, diffId: digest, digest };
  return written(
    directory,
    `many-${round}.tar`,
    dockerArchive([{ names: [`many:${round}`], layers: [layer] }]),
  );
}

const LARGE_FILES = 16;
const LARGE_FILE_BYTES = 128 << 20;
const PIECE_BYTES = 4 << 20;

/** The bytes of an archive of `large:1`: one layer of 2 GiB, half of it zeros, half of it nothing that compresses. Never in memory. */
export function* largeArchive(): Generator<Uint8Array> {
  const random = randomBytes(PIECE_BYTES + LARGE_FILES);
  const hash = createHash("sha256");
  let size = 0;
  for (const piece of largeLayer(random)) {
    hash.update(piece);
    size += piece.length;
  }
  const diffId = `sha256:${hash.digest("hex")}`;
  const config = configOf([{ tar: Buffer.alloc(0), blob: Buffer.alloc(0), diffId, digest: diffId }]);
  const manifest = JSON.stringify([{ Config: "config.json", RepoTags: ["large:1"], Layers: ["layer.tar"] }]);
  yield new TarBuilder().file("manifest.json", manifest).file("config.json", config).unended();
  yield header("layer.tar", "0", { dataSize: size });
  yield* largeLayer(random);
  yield Buffer.alloc(1024);
}

function* largeLayer(random: Buffer): Generator<Uint8Array> {
  const zeros = Buffer.alloc(PIECE_BYTES);
  for (let i = 0; i < LARGE_FILES; i++) {
    yield header(`large-${i}`, "0", { dataSize: LARGE_FILE_BYTES });
    const piece = i % 2 === 0 ? zeros : random.subarray(i, i + PIECE_BYTES);
    for (let at = 0; at < LARGE_FILE_BYTES; at += PIECE_BYTES) yield piece;
  }
  yield Buffer.alloc(1024);
}

function written(directory: string, name: string, bytes: Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, bytes);
  return path;
}
