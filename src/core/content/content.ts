/**
 * Content: blobs named by the sha256 digest of their bytes. A blob is never changed, so whoever finds one finds all of
 * it, and two writers of one digest have nothing to quarrel about.
 *
 * How a blob comes to be, told once:
 *
 *     begin()    an empty file in a place that the next start empties, whatever it finds there
 *     write()*   bytes are appended and hashed as they pass; the caller waits only when the disk is behind
 *     commit()   digest and size are compared with what was expected; the file is synced, renamed to its digest, and
 *                the directory synced. Now, and only now, the blob exists — for this process and after a power cut
 *     abort()    instead: the file is gone
 *
 * On crash: before the rename nothing of the blob remains after the next start; after it everything does. Nothing here
 * knows what refers to a blob: see core/metadata/leases.ts and core/images for who keeps what.
 *
 * Errors: `invalid_argument` when bytes are not what was expected, `not_found` "blob … not found", `unavailable` when the
 * disk is full, `internal` when a stored blob no longer has its digest.
 */
export interface BlobInfo {
  /** "sha256:" and 64 hexadecimal digits. */
  readonly digest: string;
  readonly sizeBytes: number;
}

/** What a commit insists on. */
export interface ExpectedBlob {
  readonly digest?: string;
  readonly sizeBytes?: number;
}

/**
 * Who needs the blob from the moment it exists: a lease (core/metadata/leases.ts). Without one, whoever collects garbage
 * between the commit and the first reference to the blob would be right to take it.
 */
export interface BlobHolder {
  holdBlob(digest: string): void;
}

/** One blob being written, by one writer. */
export interface Ingest {
  /** Bytes written so far. */
  readonly sizeBytes: number;
  /**
   * Appends. The bytes belong to the ingest from now on and must not change. Resolves when more may come, which may be
   * before these are on disk; what goes wrong with them is thrown by a later write or by commit().
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the ingest either way: when this throws, nothing is left. */
  commit(expected?: ExpectedBlob): Promise<BlobInfo>;
  /** Fine after commit and twice: then it does nothing. */
  abort(): Promise<void>;
}

export interface Content {
  /** Answers from memory. */
  stat(digest: string): BlobInfo | undefined;
  list(): readonly BlobInfo[];
  /** The holder is told the digest just before the blob exists. */
  begin(holder: BlobHolder): Promise<Ingest>;
  /** begin, write everything, commit; aborts when the source throws or the signal fires. */
  ingest(
    holder: BlobHolder,
    source: AsyncIterable<Uint8Array>,
    expected: ExpectedBlob,
    signal: AbortSignal,
  ): Promise<BlobInfo>;
  /**
   * The bytes. With `verify` the digest is computed on the way and a mismatch thrown at the end, so the last chunk
   * must not be acted upon before the iteration has ended. A blob deleted meanwhile is still read to its end.
   */
  open(digest: string, options: { readonly verify: boolean }): AsyncIterable<Uint8Array>;
  /** A whole small blob, verified. `invalid_argument` when it is larger than `maxBytes`. */
  read(digest: string, maxBytes: number): Promise<Buffer>;
  /** Forgets the blob at once and resolves when its file is gone. A missing one is fine. */
  delete(digest: string): Promise<void>;
}
