/** An upstream in memory, which can be slow, wrong, or gone. */
import { fail } from "../../base/errors.ts";
import { sha256Of } from "../../specs/oci-image/digest.ts";
import type { Upstream, UpstreamManifest, WantedBlob } from "../upstream.ts";
import { imageOf, OCI_MANIFEST } from "./registry-host.ts";

const PIECE = 64 << 10;

export class FakeUpstream implements Upstream {
  readonly name = "fake";
  /** What was asked, in order. */
  readonly asked: string[] = [];
  readonly manifests = new Map<string, UpstreamManifest>();
  readonly blobs = new Map<string, Buffer>();
  readonly tagDigests = new Map<string, string>();
  isGone = false;
  /** Runs before each piece of a blob. */
  beforePiece: (index: number) => Promise<void> = async () => {};

  /** An image with one layer; answers the digests. */
  addImage(tag: string, layer: Buffer): { readonly manifest: string; readonly layer: string } {
    const config = this.#addBlob(Buffer.from("{}"));
    const blob = this.#addBlob(layer);
    const bytes = Buffer.from(JSON.stringify(imageOf(config, blob)));
    const digest = sha256Of(bytes);
    this.manifests.set(digest, { bytes, mediaType: OCI_MANIFEST });
    this.tagDigests.set(tag, digest);
    return { manifest: digest, layer: blob.digest };
  }

  #addBlob(bytes: Buffer): { readonly digest: string; readonly size: number } {
    const digest = sha256Of(bytes);
    this.blobs.set(digest, bytes);
    return { digest, size: bytes.length };
  }

  async resolveTag(_repository: string, tag: string): Promise<string | undefined> {
    this.#ask(`resolve ${tag}`);
    return this.tagDigests.get(tag);
  }

  async manifest(_repository: string, reference: string): Promise<UpstreamManifest | undefined> {
    this.#ask(`manifest ${reference}`);
    return this.manifests.get(this.tagDigests.get(reference) ?? reference);
  }

  async *blob(_repository: string, blob: WantedBlob, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    this.#ask(`blob ${blob.digest}`);
    const bytes = this.blobs.get(blob.digest);
    if (bytes === undefined) throw fail("not_found", "blob unknown");
    for (let i = 0; i * PIECE < bytes.length; i++) {
      await this.beforePiece(i);
      signal.throwIfAborted();
      yield bytes.subarray(i * PIECE, (i + 1) * PIECE);
    }
  }

  async tags(): Promise<readonly string[] | undefined> {
    this.#ask("tags");
    return this.tagDigests.size === 0 ? undefined : [...this.tagDigests.keys()];
  }

  #ask(what: string): void {
    this.asked.push(what);
    if (this.isGone) throw fail("unavailable", "connection refused");
  }
}
