/**
 * Repositories that had a blob when we last saw it: a push to the same registry asks for it to be mounted from there. A
 * hint and no more, so old ones are forgotten.
 */
import { type Metadata, type Statement, textColumn } from "../metadata/metadata.ts";
import type { Reference } from "../../specs/oci-image/reference.ts";

const STEPS = [
  `CREATE TABLE blob_source (
     blob TEXT NOT NULL,
     domain TEXT NOT NULL,
     path TEXT NOT NULL,
     seen INTEGER NOT NULL,
     PRIMARY KEY (blob, domain, path)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX blob_source_by_age ON blob_source (seen);`,
];

/** Of all blobs together. */
const MAX_SOURCES = 20_000;
/** A registry is asked for as many mounts before the blob is uploaded. */
const MAX_ASKED = 3;

export class BlobSources {
  readonly #metadata: Metadata;
  readonly #insert: Statement;
  readonly #forget: Statement;
  readonly #select: Statement;

  constructor(metadata: Metadata) {
    metadata.migrate("blob-sources", STEPS);
    this.#metadata = metadata;
    this.#insert = metadata.prepare(
      "INSERT OR REPLACE INTO blob_source (blob, domain, path, seen) VALUES (?, ?, ?, ?)",
    );
    this.#forget = metadata.prepare(
      `DELETE FROM blob_source WHERE seen < (
         SELECT min(seen) FROM (SELECT seen FROM blob_source ORDER BY seen DESC LIMIT ${MAX_SOURCES}))`,
    );
    this.#select = metadata.prepare(
      `SELECT path FROM blob_source WHERE blob = ? AND domain = ? AND path <> ? ORDER BY seen DESC LIMIT ${MAX_ASKED}`,
    );
  }

  remember({ domain, path }: Reference, blobs: readonly string[]): void {
    const now = Date.now();
    this.#metadata.transaction("process", () => {
      for (const blob of blobs) this.#insert.run(blob, domain, path, now);
      this.#forget.run();
    });
  }

  /** Paths of other repositories of the reference's registry, the latest first. */
  of({ domain, path }: Reference, blob: string): readonly string[] {
    return this.#select.all(blob, domain, path).map((row) => textColumn(row, "path"));
  }
}
