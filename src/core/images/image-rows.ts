/** The images' tables: what is known of an image beside its configuration, which is a blob. */
import { type Metadata, numberColumn, type Statement, textColumn } from "../metadata/metadata.ts";
import type { ImageLayer } from "./images.ts";

const STEPS = [
  `CREATE TABLE image (
     id TEXT PRIMARY KEY,
     tagged_at INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE image_layer (
     image TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
     position INTEGER NOT NULL,
     diff_id TEXT NOT NULL,
     chain_id TEXT NOT NULL,
     blob TEXT NOT NULL,
     media_type TEXT NOT NULL,
     size INTEGER NOT NULL,
     PRIMARY KEY (image, position)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE image_name (
     reference TEXT PRIMARY KEY,
     image TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX image_name_by_image ON image_name (image);`,
];

export interface ImageRow {
  readonly id: string;
  readonly taggedAtMs: number;
  readonly layers: readonly ImageLayer[];
  /** Full references. */
  readonly names: readonly string[];
}

/** Every method is to be called inside a transaction of the caller's, but for `all`. */
export class ImageRows {
  readonly #insertImage: Statement;
  readonly #insertLayer: Statement;
  readonly #name: Statement;
  readonly #taggedAt: Statement;
  readonly #unname: Statement;
  readonly #remove: Statement;
  readonly #selectImages: Statement;
  readonly #selectLayers: Statement;
  readonly #selectNames: Statement;

  constructor(metadata: Metadata) {
    metadata.migrate("images", STEPS);
    this.#insertImage = metadata.prepare(
      "INSERT INTO image (id, tagged_at) VALUES (?, 0) ON CONFLICT (id) DO NOTHING",
    );
    // An image that is added again is repaired: its layers may come from other blobs this time.
    this.#insertLayer = metadata.prepare(
      `INSERT OR REPLACE INTO image_layer (image, position, diff_id, chain_id, blob, media_type, size)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#name = metadata.prepare("INSERT OR REPLACE INTO image_name (reference, image) VALUES (?, ?)");
    this.#taggedAt = metadata.prepare("UPDATE image SET tagged_at = ? WHERE id = ?");
    this.#unname = metadata.prepare("DELETE FROM image_name WHERE reference = ?");
    this.#remove = metadata.prepare("DELETE FROM image WHERE id = ?");
    this.#selectImages = metadata.prepare("SELECT id, tagged_at FROM image ORDER BY id");
    this.#selectLayers = metadata.prepare(
      `SELECT diff_id, chain_id, blob, media_type, size FROM image_layer WHERE image = ? ORDER BY position`,
    );
    this.#selectNames = metadata.prepare(
      "SELECT reference FROM image_name WHERE image = ? ORDER BY reference",
    );
  }

  all(): ImageRow[] {
    return this.#selectImages.all().map((row) => {
      const id = textColumn(row, "id");
      return {
        id,
        taggedAtMs: numberColumn(row, "tagged_at"),
        layers: this.#selectLayers.all(id).map((layer) => ({
          diffId: textColumn(layer, "diff_id"),
          chainId: textColumn(layer, "chain_id"),
          blob: textColumn(layer, "blob"),
          mediaType: textColumn(layer, "media_type"),
          sizeBytes: numberColumn(layer, "size"),
        })),
        names: this.#selectNames.all(id).map((name) => textColumn(name, "reference")),
      };
    });
  }

  add(id: string, layers: readonly ImageLayer[]): void {
    this.#insertImage.run(id);
    layers.forEach(({ diffId, chainId, blob, mediaType, sizeBytes }, position) =>
      this.#insertLayer.run(id, position, diffId, chainId, blob, mediaType, sizeBytes),
    );
  }

  name(reference: string, id: string, nowMs: number): void {
    this.#name.run(reference, id);
    this.#taggedAt.run(nowMs, id);
  }

  unname(reference: string): void {
    this.#unname.run(reference);
  }

  remove(id: string): void {
    this.#remove.run(id);
  }
}
