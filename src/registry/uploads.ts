/**
 * Uploads: blobs on their way in, in as many requests as the client likes. An upload is a row and a named ingest of the
 * content store (core/content): its bytes stay where they are between two requests, over a lost connection, and when this
 * process is killed; the client asks how many there are and goes on from there.
 *
 *     begin      row
 *     append*    bytes, in order; each ends with the ingest suspended, whatever ends it
 *     finish     the last bytes, digest checked, blob linked to the repository, row gone: only now the blob is there
 *     cancel     or expiry: bytes and row gone
 *
 * One writer at a time. A client that lost its connection comes back before this side has noticed the loss; so a second
 * writer ends the first, whose bytes so far count.
 */
import { randomUUID } from "node:crypto";
import { withDeadline } from "../base/deadline.ts";
import { isDiskFull } from "../base/disk-full.ts";
import { isCategory } from "../base/errors.ts";
import type { BlobInfo, Content, Ingest } from "../core/content/content.ts";
import type { Leases } from "../core/metadata/leases.ts";
import type { Limits } from "./limits.ts";
import { receivedRange, type Span } from "./range.ts";
import { refuse } from "./refusal.ts";
import type { Repositories, UploadRow } from "./repositories.ts";

export interface UploadDeps {
  readonly content: Content;
  readonly leases: Leases;
  readonly repositories: Repositories;
  readonly limits: Pick<Limits, "maxBlobBytes" | "maxUploads" | "uploadExpiryMs">;
  readonly now: () => number;
}

/** What a request brings. `span`: where it says the bytes belong. */
export interface Chunk {
  /** Ends with the signal, too. Called once. */
  readonly bytes: (signal: AbortSignal) => AsyncIterable<Uint8Array>;
  readonly span: Span | undefined;
  readonly declaredBytes: number | undefined;
}

interface Writer {
  readonly end: AbortController;
  readonly done: Promise<void>;
}

const TAKEOVER_MS = 10_000;

export class Uploads {
  readonly #deps: UploadDeps;
  readonly #rows = new Map<string, UploadRow>();
  readonly #writers = new Map<string, Writer>();

  constructor(deps: UploadDeps) {
    this.#deps = deps;
    for (const row of deps.repositories.uploads()) this.#rows.set(row.id, row);
  }

  get count(): number {
    return this.#rows.size;
  }

  begin(repository: string): string {
    const { maxUploads } = this.#deps.limits;
    if (this.#rows.size >= maxUploads)
      throw refuse("TOOMANYREQUESTS", {
        message: "too many uploads are in progress",
        detail: { limit: maxUploads },
        headers: { "Retry-After": "60" },
      });
    const row = { id: randomUUID(), repository, startedAtMs: this.#deps.now() };
    this.#deps.repositories.addUpload(row);
    this.#rows.set(row.id, row);
    return row.id;
  }

  /** Bytes received. Throws BLOB_UPLOAD_UNKNOWN, as everything here does for an upload that is not this repository's. */
  size(repository: string, id: string): number {
    this.#row(repository, id);
    return this.#deps.content.partials().find(({ name }) => name === id)?.sizeBytes ?? 0;
  }

  /** Answers the bytes received by now. Throws after having kept what came before the failure, as long as there is room. */
  async append(repository: string, id: string, chunk: Chunk): Promise<number> {
    this.#row(repository, id);
    return this.#write(id, async (ingest, signal) => {
      try {
        await this.#fill(ingest, chunk, signal);
        // Nobody is told that bytes have come which the disk does not take.
        await ingest.flush();
        await ingest.suspend();
      } catch (error) {
        await this.#failed(id, ingest, error);
        throw error;
      }
      return ingest.sizeBytes;
    });
  }

  /** Either way the upload is over, unless the client went away while it sent the last chunk: then it may try again. */
  async finish(repository: string, id: string, digest: string, chunk: Chunk): Promise<BlobInfo> {
    this.#row(repository, id);
    return this.#write(id, async (ingest, signal) => {
      try {
        await this.#fill(ingest, chunk, signal);
      } catch (error) {
        await this.#failed(id, ingest, error);
        throw error;
      }
      return this.#commit(repository, ingest, digest, () => this.#forget(id));
    });
  }

  /** A blob that comes whole in one request. */
  async whole(repository: string, digest: string, chunk: Chunk, signal: AbortSignal): Promise<BlobInfo> {
    await using lease = this.#deps.leases.acquire(`upload to ${repository}`);
    const ingest = await this.#deps.content.begin(lease);
    try {
      await this.#fill(ingest, chunk, signal);
      return await this.#commit(repository, ingest, digest, () => {});
    } finally {
      await ingest.abort();
    }
  }

  async cancel(repository: string, id: string): Promise<void> {
    this.#row(repository, id);
    this.#forget(id);
    await this.#endWriter(id);
    await this.#deps.content.discard(id);
  }

  /** Forgets what got no bytes for too long, and partial blobs that belong to no upload. Answers how many. */
  async expire(): Promise<number> {
    const { content, limits, now } = this.#deps;
    const before = now() - limits.uploadExpiryMs;
    const partials = new Map(content.partials().map((partial) => [partial.name, partial]));
    let expired = 0;
    for (const row of this.#rows.values()) {
      const changedAtMs = Math.max(row.startedAtMs, partials.get(row.id)?.changedAtMs ?? 0);
      if (changedAtMs >= before || this.#writers.has(row.id)) continue;
      this.#forget(row.id);
      expired++;
    }
    for (const { name } of partials.values())
      if (!this.#rows.has(name) && !this.#writers.has(name)) await content.discard(name);
    return expired;
  }

  /** Ends all writers, keeping their bytes. */
  async suspend(): Promise<void> {
    await Promise.all([...this.#writers.keys()].map((id) => this.#endWriter(id)));
  }

  #row(repository: string, id: string): UploadRow {
    const row = this.#rows.get(id);
    if (row === undefined || row.repository !== repository) throw refuse("BLOB_UPLOAD_UNKNOWN");
    return row;
  }

  #forget(id: string): void {
    this.#deps.repositories.deleteUpload(id);
    this.#rows.delete(id);
  }

  async #write<T>(id: string, work: (ingest: Ingest, signal: AbortSignal) => Promise<T>): Promise<T> {
    // Several may have waited for the same writer: only the first finds the place free, and the next one waits for that.
    while (this.#writers.has(id)) await this.#endWriter(id);
    if (!this.#rows.has(id)) throw refuse("BLOB_UPLOAD_UNKNOWN");
    const end = new AbortController();
    const { promise: done, resolve } = Promise.withResolvers<void>();
    this.#writers.set(id, { end, done });
    try {
      await using lease = this.#deps.leases.acquire(`upload ${id}`);
      return await work(await this.#deps.content.begin(lease, id, end.signal), end.signal);
    } finally {
      this.#writers.delete(id);
      resolve();
    }
  }

  /** What came is kept, for the client to go on with; on a full disk it is in the way of everybody, and the upload is over. */
  async #failed(id: string, ingest: Ingest, error: unknown): Promise<void> {
    if (!isDiskFull(error)) {
      await ingest.suspend();
      return;
    }
    await ingest.abort();
    this.#forget(id);
  }

  async #endWriter(id: string): Promise<void> {
    const writer = this.#writers.get(id);
    if (writer === undefined) return;
    writer.end.abort(refuse("BLOB_UPLOAD_INVALID", { message: "the upload goes on in another request" }));
    await withDeadline(`the end of the other writer of upload "${id}"`, TAKEOVER_MS, writer.done);
  }

  async #fill(ingest: Ingest, chunk: Chunk, signal: AbortSignal): Promise<void> {
    const start = ingest.sizeBytes;
    const { span, declaredBytes } = chunk;
    const length = span === undefined ? declaredBytes : span.end - span.start + 1;
    if (span !== undefined && span.start !== start)
      throw refuse("RANGE_INVALID", {
        message: "the chunk does not follow what has been received",
        headers: { Range: receivedRange(start) },
      });
    if (declaredBytes !== undefined && length !== declaredBytes) throw refuse("SIZE_INVALID");
    if (start + (length ?? 0) > this.#deps.limits.maxBlobBytes) throw this.#tooLarge();
    for await (const bytes of chunk.bytes(signal)) {
      signal.throwIfAborted();
      const received = ingest.sizeBytes - start + bytes.length;
      if (length !== undefined && received > length) throw refuse("SIZE_INVALID");
      if (start + received > this.#deps.limits.maxBlobBytes) throw this.#tooLarge();
      await ingest.write(bytes);
    }
    signal.throwIfAborted();
    if (length !== undefined && ingest.sizeBytes - start !== length) throw refuse("SIZE_INVALID");
  }

  /** The link is durable before anybody is told, and the lease holds the blob until then. */
  async #commit(repository: string, ingest: Ingest, digest: string, onEnd: () => void): Promise<BlobInfo> {
    try {
      const blob = await ingest.commit({ digest });
      this.#deps.repositories.linkBlob(repository, blob.digest, this.#deps.now());
      return blob;
    } catch (error) {
      if (isCategory(error, "invalid_argument"))
        throw refuse("DIGEST_INVALID", { detail: { digest }, cause: error });
      throw error;
    } finally {
      onEnd();
    }
  }

  #tooLarge(): Error {
    const { maxBlobBytes } = this.#deps.limits;
    return refuse("SIZE_INVALID", {
      status: 413,
      message: "the blob is larger than this registry takes",
      detail: { limit: maxBlobBytes },
    });
  }
}
