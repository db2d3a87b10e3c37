/** A registry in memory: repositories by name, with what was asked of them written down. */
import { once } from "node:events";
import { fail } from "../../../base/errors.ts";
import { sha256Of } from "../../../specs/oci-image/digest.ts";
import type { Descriptor } from "../../../specs/oci-image/manifest.ts";
import { parseReference, type Reference } from "../../../specs/oci-image/reference.ts";
import type {
  BlobDescriptor,
  BlobOptions,
  ManifestDocument,
  PushedBlob,
  PushOptions,
  Repository,
} from "../../distribution/distribution.ts";
import type { LayoutBlob } from "./archives.ts";

export class FakeRegistry {
  /** By path. */
  readonly #contents = new Map<string, Contents>();
  /** "GET path sha256:… from 5", in the order of asking. */
  readonly asked: string[] = [];
  /** Called before a chunk of a blob is handed out, for tests that break off or wait. */
  onChunk: (digest: string, offset: number) => void | Promise<void> = () => {};
  chunkBytes = 64 << 10;
  mayHoldNondistributable = false;

  contents(path: string): Contents {
    let contents = this.#contents.get(path);
    if (contents === undefined)
      this.#contents.set(path, (contents = { blobs: new Map(), manifests: new Map(), tags: new Map() }));
    return contents;
  }

  /** Puts documents and blobs there; the first one gets the tag. */
  put(text: string, blobs: readonly LayoutBlob[]): void {
    const { path, tag = "latest" } = parseReference(text);
    const contents = this.contents(path);
    blobs.forEach(({ bytes, descriptor }, i) => {
      if (/manifest|index/.test(descriptor.mediaType))
        contents.manifests.set(descriptor.digest, { bytes, mediaType: descriptor.mediaType });
      else contents.blobs.set(descriptor.digest, bytes);
      if (i === 0) contents.tags.set(tag, descriptor.digest);
    });
  }

  open(text: string): Repository {
    return new FakeRepository(this, parseReference(text));
  }
}

interface Contents {
  readonly blobs: Map<string, Buffer>;
  readonly manifests: Map<string, { readonly bytes: Buffer; readonly mediaType: string }>;
  readonly tags: Map<string, string>;
}

class FakeRepository implements Repository {
  readonly reference: Reference;
  readonly #registry: FakeRegistry;
  readonly #contents: Contents;

  constructor(registry: FakeRegistry, reference: Reference) {
    this.#registry = registry;
    this.reference = reference;
    this.#contents = registry.contents(reference.path);
  }

  #ask(what: string): void {
    this.#registry.asked.push(
      `${what.split(" ", 1)[0]} ${this.reference.path} ${what.slice(what.indexOf(" ") + 1)}`,
    );
  }

  async resolve(signal: AbortSignal): Promise<Descriptor> {
    signal.throwIfAborted();
    this.#ask("HEAD manifest");
    const { tag = "latest", digest = this.#contents.tags.get(tag) } = this.reference;
    const found = digest === undefined ? undefined : this.#contents.manifests.get(digest);
    if (digest === undefined || found === undefined)
      throw fail("not_found", `manifest for ${this.reference.path}:${tag} not found: manifest unknown`);
    return {
      digest,
      mediaType: found.mediaType,
      sizeBytes: found.bytes.length,
      platform: undefined,
      annotations: {},
    };
  }

  async manifest(target: Descriptor | { readonly tag: string }): Promise<ManifestDocument> {
    const digest = "tag" in target ? (this.#contents.tags.get(target.tag) ?? "") : target.digest;
    this.#ask(`GET ${digest}`);
    const found = this.#contents.manifests.get(digest);
    if (found === undefined) throw fail("not_found", "manifest unknown");
    const { bytes, mediaType } = found;
    return {
      bytes,
      descriptor: { digest, mediaType, sizeBytes: bytes.length, platform: undefined, annotations: {} },
    };
  }

  async *blob({ digest }: BlobDescriptor, { offset, signal }: BlobOptions): AsyncGenerator<Uint8Array> {
    this.#ask(`GET ${digest}${offset > 0 ? ` from ${offset}` : ""}`);
    const bytes = this.#contents.blobs.get(digest);
    if (bytes === undefined) throw fail("not_found", `blob ${digest} unknown`);
    const { chunkBytes } = this.#registry;
    for (let at = offset; at < bytes.length; at += chunkBytes) {
      await Promise.race([this.#registry.onChunk(digest, at), abortOf(signal)]);
      signal.throwIfAborted();
      yield bytes.subarray(at, at + chunkBytes);
    }
  }

  async mayHoldNondistributable(): Promise<boolean> {
    return this.#registry.mayHoldNondistributable;
  }

  async hasBlob(digest: string): Promise<boolean> {
    return this.#contents.blobs.has(digest);
  }

  async mountBlob(digest: string, from: string): Promise<boolean> {
    const bytes = this.#registry.contents(from).blobs.get(digest);
    if (bytes !== undefined) this.#contents.blobs.set(digest, bytes);
    return bytes !== undefined;
  }

  async pushBlob(
    { digest, sizeBytes }: BlobDescriptor,
    source: (offset: number) => AsyncIterable<Uint8Array>,
    { mountFrom, onProgress, signal }: PushOptions,
  ): Promise<PushedBlob> {
    if (this.#contents.blobs.has(digest)) return { kind: "exists" };
    for (const from of mountFrom) if (await this.mountBlob(digest, from)) return { kind: "mounted", from };
    this.#ask(`PUT ${digest}`);
    const parts: Uint8Array[] = [];
    let sent = 0;
    for await (const part of source(0)) {
      await this.#registry.onChunk(digest, sent);
      signal.throwIfAborted();
      parts.push(part);
      onProgress((sent += part.length));
    }
    const bytes = Buffer.concat(parts);
    if (sha256Of(bytes) !== digest || bytes.length !== sizeBytes)
      throw fail("invalid_argument", "digest invalid");
    this.#contents.blobs.set(digest, bytes);
    return { kind: "uploaded" };
  }

  async pushManifest(
    target: { readonly tag: string } | "digest",
    mediaType: string,
    bytes: Uint8Array,
  ): Promise<string> {
    const digest = sha256Of(bytes);
    this.#ask(`PUT ${target === "digest" ? digest : target.tag}`);
    this.#contents.manifests.set(digest, { bytes: Buffer.from(bytes), mediaType });
    if (target !== "digest") this.#contents.tags.set(target.tag, digest);
    return digest;
  }

  async tags(): Promise<readonly string[]> {
    return [...this.#contents.tags.keys()].toSorted();
  }

  async referrers(): Promise<readonly Descriptor[]> {
    return [];
  }

  async deleteManifest(target: { readonly tag: string } | { readonly digest: string }): Promise<void> {
    if ("tag" in target) this.#contents.tags.delete(target.tag);
    else this.#contents.manifests.delete(target.digest);
  }
}

async function abortOf(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, "abort");
}
