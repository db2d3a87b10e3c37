/**
 * The one pass over an image archive as it streams in. Nothing is known yet about what a member is for — the manifest
 * may be the last one — so each is judged by its first bytes: JSON documents are kept in memory, layers are stored as
 * blobs and at the same time applied to a staged directory, which gets its name when the manifest has told its place.
 * Everything else is skipped and its name remembered, for the error when a manifest refers to it.
 */
import { createHash } from "node:crypto";
import type { Room } from "../../base/disk-full.ts";
import { fail } from "../../base/errors.ts";
import { BLOCK, isTarHeader, isZeroBlock } from "../../base/tar-format.ts";
import { readTar, type TarEntry, type TarLimits } from "../../base/tar-reader.ts";
import { sha256Of } from "../../specs/oci-image/digest.ts";
import { MAX_DOCUMENT_BYTES } from "../../specs/oci-image/document.ts";
import type { BlobHolder, Content } from "../content/content.ts";
import type { Snapshotter, SnapshotUsage, StagedLayer } from "../snapshots/snapshotter.ts";
import { decompress, needsProgram, MAGIC_BYTES, tellCompression } from "../unpack/compression.ts";
import type { Expansion } from "../unpack/expansion.ts";
import { layerMediaType, storeLayer } from "../unpack/layer.ts";
import { PeekedStream } from "../unpack/peeked-stream.ts";
import { linkTarget, normalizeName } from "./archive-names.ts";

export interface ScannedLayer {
  readonly kind: "layer";
  readonly blob: string;
  readonly blobBytes: number;
  readonly mediaType: string;
  readonly diffId: string;
  /** Applied and waiting for its place; undefined when the store had this blob before. */
  readonly applied: { readonly staged: StagedLayer; readonly usage: SnapshotUsage } | undefined;
}

export interface ScannedDocument {
  readonly kind: "document";
  readonly bytes: Buffer;
  readonly digest: string;
}

/** A document that is stored because it is too large to be kept in memory. */
export interface ScannedBlob {
  readonly kind: "blob";
  readonly blob: string;
  readonly blobBytes: number;
}

export type Scanned =
  | ScannedLayer
  | ScannedDocument
  | ScannedBlob
  | { readonly kind: "other"; readonly why: string };

export interface ScannedArchive {
  /** By normalized name. */
  readonly members: ReadonlyMap<string, Scanned>;
  readonly links: ReadonlyMap<string, string>;
}

/** A layer blob that the store has, and what it unpacks to. */
export interface KnownLayer {
  readonly blob: string;
  readonly sizeBytes: number;
  readonly mediaType: string;
  readonly diffId: string;
}

export interface ScanDeps {
  readonly content: Content;
  readonly snapshots: Snapshotter;
  readonly holder: BlobHolder;
  readonly expansion: Expansion;
  /** Of a blob that some image refers to, so that it need be neither stored nor applied again. */
  readonly knownLayer: (blob: string) => KnownLayer | undefined;
  /** Told of every staged layer as soon as there is one; discarding it is the caller's business, also on failure. */
  readonly onStaged: (staged: StagedLayer) => void;
  readonly room?: Room | undefined;
}

const LIMITS: TarLimits = { maxEntries: 20_000, maxHeaderBytes: 1 << 20 };

/** All JSON documents of one archive together. */
const MAX_ALL_DOCUMENTS_BYTES = 64 << 20;

/** What may follow the archive's end mark before its sender is cut off: tar pads to its record size, some to more. */
const MAX_TRAILING_BYTES = 16 << 20;

const BLOB_NAME = /^blobs\/sha256\/([0-9a-f]{64})$/;

export async function scanArchive(
  archive: AsyncIterable<Uint8Array>,
  deps: ScanDeps,
  signal: AbortSignal,
): Promise<ScannedArchive> {
  const raw = new PeekedStream(deps.expansion.counted(archive));
  let tar: PeekedStream | undefined;
  try {
    const compression = tellCompression(await raw.peek(MAGIC_BYTES));
    tar = new PeekedStream(deps.expansion.limited(decompress(raw, compression)));
    const scan = new Scan(deps, signal);
    for await (const entry of readTar(tar, LIMITS)) {
      signal.throwIfAborted();
      await scan.add(entry);
    }
    await tar.drain(MAX_TRAILING_BYTES);
    await raw.drain(MAX_TRAILING_BYTES);
    return scan;
  } finally {
    await tar?.end();
    await raw.end();
  }
}

class Scan implements ScannedArchive {
  readonly members = new Map<string, Scanned>();
  readonly links = new Map<string, string>();
  readonly #deps: ScanDeps;
  readonly #signal: AbortSignal;
  #documentBytes = 0;

  constructor(deps: ScanDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
  }

  async add(entry: TarEntry): Promise<void> {
    const name = normalizeName(entry.name);
    this.members.delete(name);
    this.links.delete(name);
    switch (entry.kind) {
      case "file":
        this.members.set(name, await this.#scanFile(name, entry));
        return;
      case "symlink":
        this.links.set(name, linkTarget(name, entry.linkName));
        return;
      case "hardlink":
        this.links.set(name, normalizeName(entry.linkName));
        return;
      case "directory":
        return;
      case "other":
        this.members.set(name, { kind: "other", why: "is not a regular file" });
    }
  }

  async #scanFile(name: string, entry: TarEntry): Promise<Scanned> {
    const content = new PeekedStream(entry.content);
    const head = (await content.peek(BLOCK)).subarray(0, BLOCK);
    const compression = tellCompression(head);
    if (needsProgram(compression))
      return { kind: "other", why: `has ${compression} compression, which is not supported` };
    const scanned = looksLikeLayer(head)
      ? await this.#scanLayer(name, content)
      : await this.#scanDocument(name, entry, content, head);
    checkBlobName(name, scanned);
    return scanned;
  }

  async #scanDocument(name: string, entry: TarEntry, content: PeekedStream, head: Buffer): Promise<Scanned> {
    if (!/^[\s\uFEFF]*[[{]/.test(head.toString("utf8", 0, 64)) && !isKnownDocument(name))
      return { kind: "other", why: "is neither a layer nor a JSON document" };
    const digest = blobDigest(name);
    if (entry.sizeBytes > MAX_DOCUMENT_BYTES && digest !== undefined)
      return await this.#storeBlob(content, digest);
    if (entry.sizeBytes > MAX_DOCUMENT_BYTES)
      throw fail(
        "invalid_argument",
        `archive member "${name}" is a document of ${entry.sizeBytes} bytes, ${MAX_DOCUMENT_BYTES} are allowed`,
      );
    this.#documentBytes += entry.sizeBytes;
    if (this.#documentBytes > MAX_ALL_DOCUMENTS_BYTES)
      throw fail(
        "invalid_argument",
        `archive has more than ${MAX_ALL_DOCUMENTS_BYTES} bytes of JSON documents`,
      );
    const parts: Uint8Array[] = [];
    for await (const bytes of content) parts.push(Buffer.from(bytes));
    const bytes = Buffer.concat(parts);
    return { kind: "document", bytes, digest: sha256Of(bytes) };
  }

  /** What is in an image's bill of materials may be long. */
  async #storeBlob(source: PeekedStream, digest: string): Promise<Scanned> {
    const { content, holder } = this.#deps;
    holder.holdBlob(digest);
    const stored = await content.ingest(holder, source, { digest }, this.#signal);
    return { kind: "blob", blob: stored.digest, blobBytes: stored.sizeBytes };
  }

  async #scanLayer(name: string, content: PeekedStream): Promise<Scanned> {
    const known = this.#knownByName(name);
    return known === undefined
      ? await this.#storeLayer(content)
      : await this.#checkKnown(name, content, known);
  }

  /** The name only says where to look: what counts is the digest of what is read. */
  #knownByName(name: string): KnownLayer | undefined {
    const digest = blobDigest(name);
    if (digest === undefined) return undefined;
    this.#deps.holder.holdBlob(digest);
    return this.#deps.content.stat(digest) === undefined ? undefined : this.#deps.knownLayer(digest);
  }

  async #checkKnown(name: string, content: PeekedStream, known: KnownLayer): Promise<Scanned> {
    const hash = createHash("sha256");
    for await (const bytes of content) {
      this.#signal.throwIfAborted();
      hash.update(bytes);
    }
    const digest = `sha256:${hash.digest("hex")}`;
    if (digest !== known.blob) throw wrongDigest(name, digest);
    const { blob, sizeBytes, mediaType, diffId } = known;
    return { kind: "layer", blob, blobBytes: sizeBytes, mediaType, diffId, applied: undefined };
  }

  async #storeLayer(content: PeekedStream): Promise<Scanned> {
    const { expansion, room, content: store } = this.#deps;
    const stage = (): StagedLayer => this.#stage();
    const onFullDisk = room === undefined ? undefined : { room, content: store, stage };
    const target = { staged: stage(), ingest: await store.begin(this.#deps.holder), onFullDisk };
    const stored = await storeLayer(content, target, expansion, this.#signal);
    const { blob, diffId, compression, usage, staged } = stored;
    return {
      kind: "layer",
      blob: blob.digest,
      blobBytes: blob.sizeBytes,
      mediaType: layerMediaType(compression),
      diffId,
      applied: { staged, usage },
    };
  }

  #stage(): StagedLayer {
    const staged = this.#deps.snapshots.stageLayer();
    this.#deps.onStaged(staged);
    return staged;
  }
}

/** Compressed, or a tar header, or the end mark that is all of an empty layer. */
function looksLikeLayer(head: Buffer): boolean {
  if (isTarHeader(head) || (head.length === BLOCK && isZeroBlock(head))) return true;
  return tellCompression(head) !== "none";
}

/** A document that must be read, so that it is refused for what is wrong with it. */
function isKnownDocument(name: string): boolean {
  return name === "manifest.json" || name === "index.json";
}

function checkBlobName(name: string, scanned: Scanned): void {
  const expected = blobDigest(name);
  if (expected === undefined || scanned.kind === "other") return;
  const digest = scanned.kind === "document" ? scanned.digest : scanned.blob;
  if (digest !== expected) throw wrongDigest(name, digest);
}

function blobDigest(name: string): string | undefined {
  const hex = BLOB_NAME.exec(name)?.[1];
  return hex === undefined ? undefined : `sha256:${hex}`;
}

function wrongDigest(name: string, digest: string): Error {
  return fail("invalid_argument", `archive member "${name}" has digest "${digest}"`);
}
