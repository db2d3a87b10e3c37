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
 *     suspend()  instead: a *named* ingest keeps its bytes as a partial blob, and begin() of the same name goes on there
 *
 * On crash: before the rename nothing of an unnamed ingest remains after the next start; after it everything does. A
 * named ingest is found again as the partial blob it was. Nobody vouches for a partial blob: nothing of it is synced
 * before commit(), so a power cut may have torn its end. That is found by the digest, as every other damage is, and
 * since a commit that fails deletes the partial blob, whoever tries again starts with an empty one instead of failing
 * for ever. Nothing here knows what refers to a blob: see core/metadata/leases.ts and core/images for who keeps what.
 *
 * Errors: `invalid_argument` when bytes are not what was expected, `not_found` "blob … not found", `conflict` when a name
 * has a writer already, `unavailable` when the disk is full, `internal` when a stored blob no longer has its digest.
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
  /**
   * Of a named ingest: its partial blob stays, as a second name of the same bytes, until it is discarded. For whoever has no
   * use for the blob before others have come, too: should it be collected until then, the next attempt finds all of it.
   */
  readonly staysPartial?: boolean;
}

/**
 * Who needs the blob from the moment it exists: a lease (core/metadata/leases.ts). Without one, whoever collects garbage
 * between the commit and the first reference to the blob would be right to take it.
 */
export interface BlobHolder {
  holdBlob(digest: string): void;
}

/** A partial blob that got no byte for so long is not waited for. */
export const DEFAULT_PARTIAL_MAX_AGE_MS = 7 * 24 * 3600 * 1000;

/** What is there of a blob whose named ingest has not been committed. */
export interface PartialBlob {
  readonly name: string;
  readonly sizeBytes: number;
  /** When it last got bytes: what its age is counted from. */
  readonly changedAtMs: number;
  /** An ingest has it open: it can be neither begun nor discarded. */
  readonly isBeingWritten: boolean;
}

/** A part of a blob's bytes. All of it must exist. */
export interface ByteRange {
  readonly offset: number;
  /** Without it: up to the end. */
  readonly length?: number;
}

/** A range cannot be verified: the digest is that of all bytes. */
export type OpenOptions =
  | { readonly verify: boolean; readonly range?: undefined }
  | { readonly verify: false; readonly range: ByteRange };

/** One blob being written, by one writer. */
export interface Ingest {
  /** Bytes written so far, with those that a named ingest found when it began. */
  readonly sizeBytes: number;
  /** The bytes that a named ingest found, for whoever makes more of them than a blob. To be read before it ends. */
  found(): AsyncIterable<Uint8Array>;
  /**
   * Bytes written so far, from an offset on: at most `length`, maybe fewer, none only where there are none yet. For whoever
   * follows the writer; throws when the ingest has ended, whereupon the blob may be there.
   */
  read(offset: number, length: number): Promise<Buffer>;
  /**
   * Appends a copy. Until it resolves the bytes must not change; then more may come, and these need not be on disk yet: what
   * goes wrong with them is thrown by a later write or by commit().
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Resolves when everything written so far is in the file, though not synced; throws what went wrong with it. */
  flush(): Promise<void>;
  /** Ends the ingest either way: when this throws, nothing is left. */
  commit(expected?: ExpectedBlob): Promise<BlobInfo>;
  /** Deletes what was written, of a named ingest all of it. Fine after the end and twice: then it does nothing. */
  abort(): Promise<void>;
  /**
   * Ends a named ingest and keeps its bytes; without a name it is abort(). Never fails for want of disk space: what could
   * not be written is not part of what the next ingest finds. Fine after the end and twice.
   */
  suspend(): Promise<void>;
}

export interface Content {
  /** Answers from memory. */
  stat(digest: string): BlobInfo | undefined;
  list(): readonly BlobInfo[];
  /**
   * The holder is told the digest just before the blob exists. With a name (`[a-z0-9][a-z0-9._:-]{0,127}`) the ingest goes
   * on after the bytes that an earlier one of this name left. Those are read again for the digest, which the signal
   * interrupts, unless they were suspended by this very process. One writer a name: `conflict` for the second.
   */
  begin(holder: BlobHolder, name?: string, signal?: AbortSignal): Promise<Ingest>;
  /** begin, write everything, commit; aborts when the source throws or the signal fires. */
  ingest(
    holder: BlobHolder,
    source: AsyncIterable<Uint8Array>,
    expected: ExpectedBlob,
    signal: AbortSignal,
  ): Promise<BlobInfo>;
  /**
   * The bytes, or a range of them. With `verify` the digest is computed on the way and a mismatch thrown at the end, so
   * the last chunk must not be acted upon before the iteration has ended. A blob deleted meanwhile is still read to its
   * end. A range that reaches beyond the blob is an `invalid_argument`.
   */
  open(digest: string, options: OpenOptions): AsyncIterable<Uint8Array>;
  /** A whole small blob, verified. `invalid_argument` when it is larger than `maxBytes`. */
  read(digest: string, maxBytes: number): Promise<Buffer>;
  /** Forgets the blob at once and resolves when its file is gone. A missing one is fine. */
  delete(digest: string): Promise<void>;
  /** The partial blobs, from memory. Old ones go at the start of the store and with garbage collection. */
  partials(): readonly PartialBlob[];
  /** What lies among the blobs and is none: absolute paths, as they are on the disk now. Nothing that is being made. */
  strangers(): readonly string[];
  /** Deletes a stranger, whatever it is. */
  discardStranger(path: string): Promise<void>;
  /** Deletes a partial blob. A missing one is fine; `conflict` when it is being written. */
  discard(name: string): Promise<void>;
}
