/**
 * When each image was last used: what "least recently used" is told by. A record that a power cut takes costs nothing but
 * a worse guess, so nothing waits for the disk.
 */
import { type Metadata, numberColumn, type Statement, textColumn } from "../metadata/metadata.ts";

const STEPS = [
  "CREATE TABLE image_use (image TEXT PRIMARY KEY, used_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
];

/** Nearer than this two uses are written as one: containers that start by the dozen are not to write by the dozen. */
const GRAIN_MS = 60_000;

export class ImageUses {
  readonly #metadata: Metadata;
  readonly #set: Statement;
  readonly #remove: Statement;
  readonly #usedMs: Map<string, number>;
  /** What the table says of them. */
  readonly #writtenMs: Map<string, number>;

  constructor(metadata: Metadata) {
    metadata.migrate("image-uses", STEPS);
    this.#metadata = metadata;
    this.#set = metadata.prepare("INSERT OR REPLACE INTO image_use (image, used_at) VALUES (?, ?)");
    this.#remove = metadata.prepare("DELETE FROM image_use WHERE image = ?");
    this.#usedMs = new Map(
      metadata
        .prepare("SELECT image, used_at FROM image_use")
        .all()
        .map((row) => [textColumn(row, "image"), numberColumn(row, "used_at")]),
    );
    this.#writtenMs = new Map(this.#usedMs);
  }

  lastUsedMs(id: string): number | undefined {
    return this.#usedMs.get(id);
  }

  used(id: string, nowMs: number): void {
    this.#usedMs.set(id, nowMs);
    const written = this.#writtenMs.get(id);
    if (written !== undefined && nowMs - written < GRAIN_MS) return;
    this.#metadata.transaction("process", () => this.#set.run(id, nowMs));
    this.#writtenMs.set(id, nowMs);
  }

  /** Forgets images that are gone, and takes those that nobody has used for used now: they have just come. */
  settle(images: readonly string[], nowMs: number): void {
    const known = new Set(images);
    this.#metadata.transaction("process", () => {
      for (const id of this.#usedMs.keys()) {
        if (known.has(id)) continue;
        this.#remove.run(id);
        this.#usedMs.delete(id);
        this.#writtenMs.delete(id);
      }
      for (const id of images) if (!this.#usedMs.has(id)) this.used(id, nowMs);
    });
  }
}
