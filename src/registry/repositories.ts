/**
 * What the registry knows, as tables: repositories, which blobs and manifests belong to each, tags, and uploads in progress.
 * The bytes are content (core/content); here is who may find them where. A blob that is in the store but not linked to a
 * repository does not exist for those who ask that repository.
 *
 * On crash: each call is one transaction. What a client was told is durable; an upload's row survives any death of this
 * process, and may be lost by a power cut, whereupon the client begins anew.
 */
import { type Metadata, numberColumn, type Row, textColumn } from "../core/metadata/metadata.ts";
import type { ReadManifest } from "./manifest.ts";

export interface ManifestRow {
  readonly digest: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly artifactType: string;
  /** JSON. */
  readonly annotations: string;
}

export interface TagRow {
  readonly digest: string;
  /** When it was last known to be what the upstream has; of interest to a mirror alone. */
  readonly checkedAtMs: number;
}

export interface UploadRow {
  readonly id: string;
  readonly repository: string;
  readonly startedAtMs: number;
}

const STEPS: readonly string[] = [
  `CREATE TABLE registry_repository (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
   CREATE TABLE registry_blob (
     repository TEXT NOT NULL, digest TEXT NOT NULL, linked_at INTEGER NOT NULL,
     PRIMARY KEY (repository, digest)) STRICT, WITHOUT ROWID;
   CREATE INDEX registry_blob_digest ON registry_blob (digest);
   CREATE TABLE registry_manifest (
     repository TEXT NOT NULL, digest TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL,
     artifact_type TEXT NOT NULL, subject TEXT, annotations TEXT NOT NULL, pushed_at INTEGER NOT NULL,
     PRIMARY KEY (repository, digest)) STRICT, WITHOUT ROWID;
   CREATE INDEX registry_manifest_digest ON registry_manifest (digest);
   CREATE INDEX registry_manifest_subject ON registry_manifest (repository, subject, digest) WHERE subject IS NOT NULL;
   CREATE TABLE registry_tag (
     repository TEXT NOT NULL, tag TEXT NOT NULL, digest TEXT NOT NULL, checked_at INTEGER NOT NULL,
     PRIMARY KEY (repository, tag)) STRICT, WITHOUT ROWID;
   CREATE INDEX registry_tag_digest ON registry_tag (repository, digest);
   CREATE TABLE registry_need (
     repository TEXT NOT NULL, manifest TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,
     PRIMARY KEY (repository, manifest, digest)) STRICT, WITHOUT ROWID;
   CREATE INDEX registry_need_digest ON registry_need (repository, digest);
   CREATE TABLE registry_upload (
     id TEXT PRIMARY KEY, repository TEXT NOT NULL, started_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;`,
];

const REFRESH_MS = 60_000;

export class Repositories {
  readonly #db: Metadata;

  constructor(metadata: Metadata) {
    this.#db = metadata;
    metadata.migrate("registry", STEPS);
  }

  exists(repository: string): boolean {
    return this.#get("SELECT 1 FROM registry_repository WHERE name = ?", repository) !== undefined;
  }

  names(after: string, limit: number): string[] {
    return this.#all(
      "SELECT name FROM registry_repository WHERE name > ? ORDER BY name LIMIT ?",
      after,
      limit,
    ).map((row) => textColumn(row, "name"));
  }

  /* Blobs */

  hasBlob(repository: string, digest: string): boolean {
    const sql = "SELECT 1 FROM registry_blob WHERE repository = ? AND digest = ?";
    return this.#get(sql, repository, digest) !== undefined;
  }

  /** Again is fine, and makes the link young again. */
  linkBlob(repository: string, digest: string, nowMs: number): void {
    this.#run(
      "INSERT OR REPLACE INTO registry_blob (repository, digest, linked_at) VALUES (?, ?, ?)",
      repository,
      digest,
      nowMs,
    );
  }

  /** Makes a link young again, as pushing the blob again does. */
  refreshLink(repository: string, digest: string, nowMs: number): void {
    this.#refresh("registry_blob", "linked_at", { repository, digest, nowMs });
  }

  /** False when there was none. */
  unlinkBlob(repository: string, digest: string): boolean {
    if (!this.hasBlob(repository, digest)) return false;
    this.#run("DELETE FROM registry_blob WHERE repository = ? AND digest = ?", repository, digest);
    return true;
  }

  /** Repositories that have the blob, for a mount that names none. */
  repositoriesWithBlob(digest: string, limit: number): string[] {
    return this.#all("SELECT repository FROM registry_blob WHERE digest = ? LIMIT ?", digest, limit).map(
      (row) => textColumn(row, "repository"),
    );
  }

  /** What a manifest of the repository says of a blob's size; undefined when none needs it. */
  neededSize(repository: string, digest: string): number | undefined {
    const row = this.#get(
      "SELECT size FROM registry_need WHERE repository = ? AND digest = ? LIMIT 1",
      repository,
      digest,
    );
    return row === undefined ? undefined : numberColumn(row, "size");
  }

  /* Manifests and tags */

  manifest(repository: string, digest: string): ManifestRow | undefined {
    const row = this.#get(
      `SELECT ${MANIFEST} FROM registry_manifest WHERE repository = ? AND digest = ?`,
      repository,
      digest,
    );
    return row === undefined ? undefined : manifestOf(row);
  }

  /** The manifest, its needs, its repository and, if given, its tag: all of it or nothing. */
  putManifest(
    repository: string,
    stored: { readonly digest: string; readonly sizeBytes: number },
    manifest: ReadManifest,
    options: { readonly tag: string | undefined; readonly nowMs: number },
  ): void {
    const { digest, sizeBytes } = stored;
    this.#db.transaction("durable", () => {
      this.#run("INSERT OR IGNORE INTO registry_repository (name) VALUES (?)", repository);
      this.#run(
        `INSERT OR REPLACE INTO registry_manifest
           (repository, digest, media_type, size, artifact_type, subject, annotations, pushed_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
        repository,
        digest,
        manifest.mediaType,
        sizeBytes,
        manifest.artifactType,
        manifest.subject ?? null,
        manifest.annotations,
        options.nowMs,
      );
      for (const need of manifest.needs)
        this.#run(
          "INSERT OR IGNORE INTO registry_need (repository, manifest, digest, size) VALUES (?, ?, ?, ?)",
          repository,
          digest,
          need.digest,
          need.sizeBytes,
        );
      if (options.tag !== undefined) this.setTag(repository, options.tag, digest, options.nowMs);
    });
  }

  /** Makes a manifest young again, as pushing it again does. */
  refreshManifest(repository: string, digest: string, nowMs: number): void {
    this.#refresh("registry_manifest", "pushed_at", { repository, digest, nowMs });
  }

  /** With its tags. False when there was none. */
  deleteManifest(repository: string, digest: string): boolean {
    if (this.manifest(repository, digest) === undefined) return false;
    this.#db.transaction("durable", () => {
      this.#run("DELETE FROM registry_tag WHERE repository = ? AND digest = ?", repository, digest);
      this.#run("DELETE FROM registry_need WHERE repository = ? AND manifest = ?", repository, digest);
      this.#run("DELETE FROM registry_manifest WHERE repository = ? AND digest = ?", repository, digest);
    });
    return true;
  }

  tag(repository: string, tag: string): TagRow | undefined {
    const row = this.#get(
      "SELECT digest, checked_at FROM registry_tag WHERE repository = ? AND tag = ?",
      repository,
      tag,
    );
    if (row === undefined) return undefined;
    return { digest: textColumn(row, "digest"), checkedAtMs: numberColumn(row, "checked_at") };
  }

  setTag(repository: string, tag: string, digest: string, nowMs: number): void {
    this.#run(
      "INSERT OR REPLACE INTO registry_tag (repository, tag, digest, checked_at) VALUES (?, ?, ?, ?)",
      repository,
      tag,
      digest,
      nowMs,
    );
  }

  deleteTag(repository: string, tag: string): boolean {
    if (this.tag(repository, tag) === undefined) return false;
    this.#run("DELETE FROM registry_tag WHERE repository = ? AND tag = ?", repository, tag);
    return true;
  }

  tags(repository: string, after: string, limit: number): string[] {
    return this.#all(
      "SELECT tag FROM registry_tag WHERE repository = ? AND tag > ? ORDER BY tag LIMIT ?",
      repository,
      after,
      limit,
    ).map((row) => textColumn(row, "tag"));
  }

  /**
   * In order of digest, after the given one; as many as have together no more than `maxBytes` of what their pushers wrote, but
   * at least one. "" as the type is any.
   */
  referrers(
    repository: string,
    subject: string,
    page: {
      readonly artifactType: string;
      readonly after: string;
      readonly limit: number;
      readonly maxBytes: number;
    },
  ): { readonly rows: readonly ManifestRow[]; readonly isLast: boolean } {
    const where = "repository = ?1 AND subject = ?2 AND digest > ?3 AND (?4 = '' OR artifact_type = ?4)";
    const { artifactType, after, limit, maxBytes } = page;
    const rows = this.#all(
      `SELECT ${MANIFEST} FROM (
         SELECT ${MANIFEST}, row_number() OVER (ORDER BY digest) AS number,
                sum(length(annotations) + length(artifact_type) + 512) OVER (ORDER BY digest) AS bytes
           FROM registry_manifest WHERE ${where})
        WHERE number = 1 OR (number <= ?5 AND bytes <= ?6) ORDER BY digest`,
      repository,
      subject,
      after,
      artifactType,
      limit,
      maxBytes,
    )
      .map(manifestOf)
      .slice(0, limit);
    const last = rows.at(-1)?.digest ?? after;
    const next = `SELECT 1 FROM registry_manifest WHERE ${where} LIMIT 1`;
    return { rows, isLast: this.#get(next, repository, subject, last, artifactType) === undefined };
  }

  /* Uploads */

  addUpload(upload: UploadRow): void {
    this.#db.transaction("process", () =>
      this.#run(
        "INSERT INTO registry_upload (id, repository, started_at) VALUES (?, ?, ?)",
        upload.id,
        upload.repository,
        upload.startedAtMs,
      ),
    );
  }

  deleteUpload(id: string): void {
    this.#db.transaction("process", () => this.#run("DELETE FROM registry_upload WHERE id = ?", id));
  }

  uploads(): UploadRow[] {
    return this.#all("SELECT id, repository, started_at FROM registry_upload").map((row) => ({
      id: textColumn(row, "id"),
      repository: textColumn(row, "repository"),
      startedAtMs: numberColumn(row, "started_at"),
    }));
  }

  /* Garbage collection: see collect.ts */

  /** Whether anything here still asks for these bytes to be kept. */
  isNeeded(digest: string): boolean {
    return (
      this.#get("SELECT 1 FROM registry_blob WHERE digest = ? LIMIT 1", digest) !== undefined ||
      this.#get("SELECT 1 FROM registry_manifest WHERE digest = ? LIMIT 1", digest) !== undefined
    );
  }

  /** Forgets, in one repository, links older than `beforeMs` to blobs that none of its manifests needs. Answers how many. */
  unlinkUnneeded(repository: string, beforeMs: number): number {
    const where = `repository = ?1 AND linked_at < ?2 AND NOT EXISTS (
      SELECT 1 FROM registry_need WHERE repository = ?1 AND digest = registry_blob.digest)`;
    const row = this.#get(`SELECT count(*) AS n FROM registry_blob WHERE ${where}`, repository, beforeMs);
    const count = row === undefined ? 0 : numberColumn(row, "n");
    if (count > 0) this.#run(`DELETE FROM registry_blob WHERE ${where}`, repository, beforeMs);
    return count;
  }

  /** Every repository that has anything, also those that have blobs only. */
  everyRepository(): string[] {
    return this.#all(
      "SELECT name FROM registry_repository UNION SELECT DISTINCT repository FROM registry_blob",
    ).map((row) => textColumn(row, "name"));
  }

  /**
   * Manifests older than `beforeMs` that nothing leads to: no tag, no index that is kept, and, being about another
   * manifest, not about one that is kept.
   */
  untagged(repository: string, beforeMs: number): string[] {
    return this.#all(
      `WITH RECURSIVE kept (digest) AS (
         SELECT digest FROM registry_tag WHERE repository = ?1
         UNION
         SELECT digest FROM registry_manifest WHERE repository = ?1 AND pushed_at >= ?2
         UNION
         SELECT edge.target FROM kept JOIN (
             SELECT manifest AS source, digest AS target FROM registry_need WHERE repository = ?1
             UNION ALL
             SELECT subject AS source, digest AS target FROM registry_manifest
              WHERE repository = ?1 AND subject IS NOT NULL
           ) AS edge ON edge.source = kept.digest)
       SELECT digest FROM registry_manifest WHERE repository = ?1 AND digest NOT IN (SELECT digest FROM kept)`,
      repository,
      beforeMs,
    ).map((row) => textColumn(row, "digest"));
  }

  /** A repository is there as long as it has a manifest or a blob. */
  forgetIfEmpty(repository: string): void {
    const has = (table: string): boolean =>
      this.#get(`SELECT 1 FROM ${table} WHERE repository = ? LIMIT 1`, repository) !== undefined;
    if (has("registry_manifest") || has("registry_blob")) return;
    this.#run("DELETE FROM registry_repository WHERE name = ?", repository);
  }

  /** What is younger than a minute stays as it is: not every question is to be a write. */
  #refresh(
    table: string,
    column: string,
    row: { readonly repository: string; readonly digest: string; readonly nowMs: number },
  ): void {
    const where = `repository = ?1 AND digest = ?2 AND ${column} < ?3`;
    const values = [row.repository, row.digest, row.nowMs - REFRESH_MS];
    if (this.#get(`SELECT 1 FROM ${table} WHERE ${where}`, ...values) === undefined) return;
    this.#run(`UPDATE ${table} SET ${column} = ?4 WHERE ${where}`, ...values, row.nowMs);
  }

  #get(sql: string, ...values: (string | number | null)[]): Row | undefined {
    return this.#db.prepare(sql).get(...values);
  }

  #all(sql: string, ...values: (string | number | null)[]): Row[] {
    return this.#db.prepare(sql).all(...values);
  }

  /** Alone a durable transaction, within one a part of it. */
  #run(sql: string, ...values: (string | number | null)[]): void {
    this.#db.transaction("durable", () => this.#db.prepare(sql).run(...values));
  }
}

const MANIFEST = "digest, media_type, size, artifact_type, annotations";

function manifestOf(row: Row): ManifestRow {
  return {
    digest: textColumn(row, "digest"),
    mediaType: textColumn(row, "media_type"),
    sizeBytes: numberColumn(row, "size"),
    artifactType: textColumn(row, "artifact_type"),
    annotations: textColumn(row, "annotations"),
  };
}
