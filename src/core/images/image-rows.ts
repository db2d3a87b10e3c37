/** The images' tables: what is known of an image beside its configuration, which is a blob; and what names mean. */
import { type Metadata, numberColumn, type Row, type Statement, textColumn } from "../metadata/metadata.ts";
import type { DocumentRef, ImageLayer } from "./images.ts";

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
  // What an image came by, what a name stands for in its registry, and a name's images for other platforms.
  `ALTER TABLE image ADD COLUMN manifest TEXT NOT NULL DEFAULT '';
   ALTER TABLE image ADD COLUMN manifest_type TEXT NOT NULL DEFAULT '';
   ALTER TABLE image ADD COLUMN manifest_size INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE image_name ADD COLUMN target TEXT NOT NULL DEFAULT '';
   ALTER TABLE image_name ADD COLUMN target_type TEXT NOT NULL DEFAULT '';
   ALTER TABLE image_name ADD COLUMN target_size INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE image_name ADD COLUMN in_registry INTEGER NOT NULL DEFAULT 0;
   CREATE TABLE image_variant (
     reference TEXT NOT NULL REFERENCES image_name (reference) ON DELETE CASCADE,
     position INTEGER NOT NULL,
     image TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
     PRIMARY KEY (reference, position)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX image_variant_by_image ON image_variant (image);`,
  `CREATE TABLE image_attestation (
     image TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
     blob TEXT NOT NULL,
     PRIMARY KEY (image, blob)
   ) STRICT, WITHOUT ROWID;`,
];

export interface ImageRow {
  readonly id: string;
  readonly taggedAtMs: number;
  readonly layers: readonly ImageLayer[];
  /** What the image came by; undefined = made here, or loaded from an archive without manifests. */
  readonly manifest: DocumentRef | undefined;
  /** Blobs of attestations about it. */
  readonly attestations: readonly string[];
}

export interface NameRow {
  /** Full reference. */
  readonly reference: string;
  /** The image that the name shows. */
  readonly image: string;
  /** Images of the same target for other platforms, the latest last. */
  readonly others: readonly string[];
  readonly target: DocumentRef | undefined;
  /** The registry has the target under this name, as far as is known. */
  readonly inRegistry: boolean;
}

/** Every method is to be called inside a transaction of the caller's, but for those that read. */
export class ImageRows {
  readonly #insertImage: Statement;
  readonly #manifest: Statement;
  readonly #insertLayer: Statement;
  readonly #insertAttestation: Statement;
  readonly #insertName: Statement;
  readonly #insertVariant: Statement;
  readonly #taggedAt: Statement;
  readonly #unname: Statement;
  readonly #remove: Statement;
  readonly #selectImages: Statement;
  readonly #selectLayers: Statement;
  readonly #selectAttestations: Statement;
  readonly #selectNames: Statement;
  readonly #selectVariants: Statement;

  constructor(metadata: Metadata) {
    metadata.migrate("images", STEPS);
    this.#insertImage = metadata.prepare(
      "INSERT INTO image (id, tagged_at) VALUES (?, 0) ON CONFLICT (id) DO NOTHING",
    );
    this.#manifest = metadata.prepare(
      "UPDATE image SET manifest = ?, manifest_type = ?, manifest_size = ? WHERE id = ?",
    );
    // An image that is added again is repaired: its layers may come from other blobs this time.
    this.#insertLayer = metadata.prepare(
      `INSERT OR REPLACE INTO image_layer (image, position, diff_id, chain_id, blob, media_type, size)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#insertAttestation = metadata.prepare(
      "INSERT OR IGNORE INTO image_attestation (image, blob) VALUES (?, ?)",
    );
    this.#insertName = metadata.prepare(
      "INSERT INTO image_name (reference, image, target, target_type, target_size, in_registry) VALUES (?, ?, ?, ?, ?, ?)",
    );
    this.#insertVariant = metadata.prepare(
      "INSERT INTO image_variant (reference, position, image) VALUES (?, ?, ?)",
    );
    this.#taggedAt = metadata.prepare("UPDATE image SET tagged_at = ? WHERE id = ?");
    this.#unname = metadata.prepare("DELETE FROM image_name WHERE reference = ?");
    this.#remove = metadata.prepare("DELETE FROM image WHERE id = ?");
    this.#selectImages = metadata.prepare(
      "SELECT id, tagged_at, manifest, manifest_type, manifest_size FROM image ORDER BY id",
    );
    this.#selectLayers = metadata.prepare(
      `SELECT diff_id, chain_id, blob, media_type, size FROM image_layer WHERE image = ? ORDER BY position`,
    );
    this.#selectAttestations = metadata.prepare("SELECT blob FROM image_attestation WHERE image = ?");
    this.#selectNames = metadata.prepare(
      "SELECT reference, image, target, target_type, target_size, in_registry FROM image_name ORDER BY reference",
    );
    this.#selectVariants = metadata.prepare(
      "SELECT image FROM image_variant WHERE reference = ? ORDER BY position",
    );
  }

  images(): ImageRow[] {
    return this.#selectImages.all().map((row) => {
      const id = textColumn(row, "id");
      return {
        id,
        taggedAtMs: numberColumn(row, "tagged_at"),
        manifest: documentOf(row, "manifest"),
        attestations: this.#selectAttestations.all(id).map((attestation) => textColumn(attestation, "blob")),
        layers: this.#selectLayers.all(id).map((layer) => ({
          diffId: textColumn(layer, "diff_id"),
          chainId: textColumn(layer, "chain_id"),
          blob: textColumn(layer, "blob"),
          mediaType: textColumn(layer, "media_type"),
          sizeBytes: numberColumn(layer, "size"),
        })),
      };
    });
  }

  names(): NameRow[] {
    return this.#selectNames.all().map((row) => {
      const reference = textColumn(row, "reference");
      return {
        reference,
        image: textColumn(row, "image"),
        target: documentOf(row, "target"),
        inRegistry: numberColumn(row, "in_registry") !== 0,
        others: this.#selectVariants.all(reference).map((variant) => textColumn(variant, "image")),
      };
    });
  }

  /** Attestations that it has already stay. */
  add({ id, layers, manifest, attestations }: Omit<ImageRow, "taggedAtMs">): void {
    this.#insertImage.run(id);
    this.#manifest.run(manifest?.digest ?? "", manifest?.mediaType ?? "", manifest?.sizeBytes ?? 0, id);
    layers.forEach(({ diffId, chainId, blob, mediaType, sizeBytes }, position) =>
      this.#insertLayer.run(id, position, diffId, chainId, blob, mediaType, sizeBytes),
    );
    for (const blob of attestations) this.#insertAttestation.run(id, blob);
  }

  /** Writes the name as it is to be, whatever it was. */
  name(row: NameRow): void {
    const { reference, image, target, inRegistry, others } = row;
    this.#unname.run(reference);
    const { digest = "", mediaType = "", sizeBytes = 0 } = target ?? {};
    this.#insertName.run(reference, image, digest, mediaType, sizeBytes, inRegistry ? 1 : 0);
    others.forEach((other, position) => this.#insertVariant.run(reference, position, other));
  }

  taggedAt(id: string, nowMs: number): void {
    this.#taggedAt.run(nowMs, id);
  }

  unname(reference: string): void {
    this.#unname.run(reference);
  }

  /** Names that show the image go with it. */
  remove(id: string): void {
    this.#remove.run(id);
  }
}

function documentOf(row: Row, column: "manifest" | "target"): DocumentRef | undefined {
  const digest = textColumn(row, column);
  if (digest === "") return undefined;
  const sizeBytes = numberColumn(row, `${column}_size`);
  return { digest, mediaType: textColumn(row, `${column}_type`), sizeBytes };
}
