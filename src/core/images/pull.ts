/**
 * A pull: what the reference means now, the manifest for the platform, its configuration and layers at the same time,
 * then places for the layers, and at last one transaction. Until that nothing of it is an image; a lease keeps garbage
 * collection off.
 */
import { isDiskFull, withRoom } from "../../base/disk-full.ts";
import { fail, isCategory, messageOf } from "../../base/errors.ts";
import type { KeyedLock } from "../../base/keyed-lock.ts";
import type { Logger } from "../../base/log.ts";
import { chainIdsOf } from "../../specs/oci-image/digest.ts";
import { decodeDocument, MAX_DOCUMENT_BYTES } from "../../specs/oci-image/document.ts";
import { decodeImageConfig, type ImageConfig } from "../../specs/oci-image/image-config.ts";
import {
  decodeIndex,
  decodeManifest,
  type Descriptor,
  isAttestation,
  isIndexType,
  type Manifest,
  type Platform,
} from "../../specs/oci-image/manifest.ts";
import { bestFor, platformText } from "../../specs/oci-image/platform.ts";
import type { Reference } from "../../specs/oci-image/reference.ts";
import type { Repository } from "../distribution/distribution.ts";
import type { Lease } from "../metadata/leases.ts";
import { MAX_LAYERS, type NamedLayer } from "../snapshots/snapshotter.ts";
import { Expansion } from "../unpack/expansion.ts";
import { applyStoredLayer } from "../unpack/layer.ts";
import type {
  DocumentRef,
  Image,
  ImageLayer,
  LayerStep,
  PulledImage,
  PullRequest,
  TransferReport,
} from "./images.ts";
import { attestationBlobs, attestationsOf } from "./attestations.ts";
import type { FetchedLayer, LayerDownloads } from "./layer-downloads.ts";
import { cannotMake, type CompleteImage, type MakingDeps, oneChunk } from "./making.ts";

export interface PullDeps extends MakingDeps {
  readonly log: Logger;
  readonly downloads: LayerDownloads;
  /** Held while layers get their places, so that of two pulls of one image the second finds those of the first. */
  readonly placing: KeyedLock;
  /** A whole image, by its configuration's digest. */
  readonly image: (id: string) => Image | undefined;
  /** Of an image that has the layer in this place, with the blob that it keeps. */
  readonly layerAt: (chainId: string) => ImageLayer | undefined;
  /** Whether some image has this blob as a layer, so that it is worth knowing the configuration first. */
  readonly knowsBlob: (digest: string) => boolean;
  readonly imagesOfName: (reference: Reference) => readonly Image[];
  /** Where blobs were had from, for pushes that would rather have them mounted. */
  readonly remember: (repository: Reference, blobs: readonly string[]) => void;
}

export async function pullImage(
  deps: PullDeps,
  request: PullRequest,
  report: TransferReport,
  signal: AbortSignal,
): Promise<PulledImage> {
  try {
    await using lease = deps.leases.acquire("pull");
    return await new Pull(deps, request, report, { lease, signal }).run();
  } catch (error) {
    throw cannotMake("pull the image", error);
  }
}

/** An index below an index below an index: more than any registry has a use for. */
const MAX_INDEX_DEPTH = 3;

interface Chosen {
  readonly manifest: Manifest;
  readonly document: DocumentRef;
  /** What the name stands for: the manifest itself, or the index that led to it. */
  readonly target: DocumentRef;
  readonly attestations: readonly Descriptor[];
}

/** A layer that has its place, or one that waits for it. */
type Obtained =
  | { readonly kind: "here"; readonly layer: ImageLayer }
  | { readonly kind: "fetched"; readonly layer: FetchedLayer };

class Pull {
  readonly #deps: PullDeps;
  readonly #repository: Repository;
  readonly #platform: Platform;
  readonly #report: TransferReport;
  readonly #lease: Lease;
  readonly #signal: AbortSignal;
  readonly #fetched: FetchedLayer[] = [];

  constructor(
    deps: PullDeps,
    { repository, platform }: PullRequest,
    report: TransferReport,
    { lease, signal }: { readonly lease: Lease; readonly signal: AbortSignal },
  ) {
    this.#deps = deps;
    this.#repository = repository;
    this.#platform = platform ?? { os: "linux", architecture: deps.architecture, variant: "" };
    this.#report = report;
    this.#lease = lease;
    this.#signal = signal;
  }

  async run(): Promise<PulledImage> {
    const chosen = await this.#choose();
    const { manifest, target } = chosen;
    const name = nameOf(this.#repository.reference);
    const isUpToDate = this.#deps.imagesOfName(name).some(({ id }) => id === manifest.config.digest);
    const here = this.#deps.image(manifest.config.digest);
    const image = here === undefined ? await this.#obtain(chosen) : await this.#asItIs(chosen, here);
    const complete = { ...image, attestations: await this.#attestations(chosen) };
    this.#signal.throwIfAborted();
    const blobs = [manifest.config, ...manifest.layers].map(({ digest }) => digest);
    this.#deps.remember(name, blobs);
    const [added] = this.#deps.add([{ ...complete, names: [name], target, inRegistry: true }]);
    if (added === undefined) throw fail("internal", "the pulled image was not entered");
    await this.#giveBack(manifest);
    return { image: added.image, target, isUpToDate };
  }

  async #choose(): Promise<Chosen> {
    let descriptor = await this.#repository.resolve(this.#signal);
    let target: DocumentRef | undefined;
    let attestations: readonly Descriptor[] = [];
    for (let depth = 0; ; depth++) {
      const bytes = await this.#document(descriptor);
      if (depth === 0) this.#report({ kind: "resolved" });
      const { digest, mediaType } = descriptor;
      const document = { digest, mediaType, sizeBytes: bytes.length };
      target ??= document;
      const what = `manifest "${digest}"`;
      if (!isIndexType(mediaType)) {
        const manifest = decodeDocument(what, bytes, decodeManifest);
        // Docker's words; told before anything is fetched for nothing.
        if (manifest.layers.length > MAX_LAYERS) throw fail("invalid_argument", "max depth exceeded");
        return { manifest, document, target, attestations };
      }
      if (depth === MAX_INDEX_DEPTH) throw fail("invalid_argument", `index "${digest}" is nested too deeply`);
      const { manifests } = decodeDocument(what, bytes, decodeIndex);
      descriptor = this.#best(manifests);
      attestations = attestationsOf(manifests, descriptor.digest);
    }
  }

  #best(manifests: readonly Descriptor[]): Descriptor {
    const images = manifests.filter((descriptor) => !isAttestation(descriptor));
    const best = bestFor(
      images.filter(({ platform }) => platform !== undefined),
      ({ platform }) => platform ?? this.#platform,
      this.#platform,
    );
    const found = best ?? images.find(({ platform }) => platform === undefined);
    if (found !== undefined) return found;
    // Docker's words.
    throw fail(
      "not_found",
      `no matching manifest for ${platformText(this.#platform)} in the manifest list entries`,
    );
  }

  /** From the store if it is there, else from the registry into the store. */
  async #document(descriptor: Descriptor): Promise<Uint8Array> {
    const { content } = this.#deps;
    const { digest } = descriptor;
    const stored = await this.#stored(digest);
    if (stored !== undefined) return stored;
    const { bytes } = await this.#repository.manifest(descriptor, this.#signal);
    await content.ingest(this.#lease, oneChunk(bytes), { digest }, this.#signal);
    return bytes;
  }

  /** A blob that is here and undamaged; a damaged one goes, so that it is fetched again. */
  async #stored(digest: string): Promise<Buffer | undefined> {
    const { content } = this.#deps;
    this.#lease.holdBlob(digest);
    if (content.stat(digest) === undefined) return undefined;
    try {
      return await content.read(digest, MAX_DOCUMENT_BYTES);
    } catch (error) {
      if (!isCategory(error, "internal") && !isCategory(error, "not_found")) throw error;
      await content.delete(digest);
      return undefined;
    }
  }

  /** The blobs of all that are there; an image does without the others. */
  async #attestations({ attestations }: Chosen): Promise<readonly string[]> {
    const kept: string[] = [];
    for (const descriptor of attestations) {
      try {
        kept.push(...(await this.#attestation(descriptor)));
      } catch (error) {
        if (!isCategory(error, "not_found") && !isCategory(error, "invalid_argument")) throw error;
        const { digest } = descriptor;
        this.#deps.log.warn("an attestation is left out", { digest, error: messageOf(error) });
      }
    }
    return kept;
  }

  async #attestation(descriptor: Descriptor): Promise<readonly string[]> {
    const blobs = attestationBlobs(descriptor.digest, await this.#document(descriptor));
    for (const { digest, sizeBytes } of blobs) {
      this.#lease.holdBlob(digest);
      if (this.#deps.content.stat(digest) !== undefined) continue;
      const source = this.#repository.blob({ digest, sizeBytes }, { offset: 0, signal: this.#signal });
      await this.#deps.content.ingest(this.#lease, source, { digest, sizeBytes }, this.#signal);
    }
    return [descriptor, ...blobs].map(({ digest }) => digest);
  }

  /** The image is here, perhaps by another manifest: its layers stay what they are. */
  async #asItIs({ document }: Chosen, image: Image): Promise<CompleteImage> {
    this.#lease.holdBlob(image.id);
    for (const { blob, chainId } of image.layers) {
      this.#lease.holdBlob(blob);
      this.#lease.holdLayer(chainId);
    }
    const bytes = await this.#deps.content.read(image.id, MAX_DOCUMENT_BYTES);
    const config = decodeDocument("configuration", bytes, decodeImageConfig);
    return { id: image.id, config, layers: image.layers, manifest: image.manifest ?? document, names: [] };
  }

  async #obtain({ manifest, document }: Chosen): Promise<CompleteImage> {
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#signal, stop.signal]);
    try {
      const config = this.#config(manifest, signal);
      const work = manifest.layers.map((layer, i) => this.#layer(layer, i, config, signal));
      const obtained = await allOrNone([config, ...work], (error) => stop.abort(error)).then(() =>
        Promise.all(work),
      );
      const layers = await this.#deps.placing.run("place", async () =>
        this.#place(await config, manifest, obtained),
      );
      return { id: manifest.config.digest, config: await config, layers, manifest: document, names: [] };
    } catch (error) {
      if (isDiskFull(error)) await this.#giveBack(manifest);
      throw error;
    } finally {
      for (const layer of this.#fetched) layer.release();
    }
  }

  /**
   * Of the layers nothing partial is to stay: they are an image's blobs now. Or one found no room; then those that were under
   * way beside it are not to keep theirs.
   */
  async #giveBack({ layers }: Manifest): Promise<void> {
    for (const { digest } of layers) {
      try {
        await this.#deps.content.discard(digest);
      } catch (error) {
        if (!isCategory(error, "conflict")) throw error; // another pull has it
      }
    }
  }

  async #config(manifest: Manifest, signal: AbortSignal): Promise<ImageConfig> {
    const { content } = this.#deps;
    const { digest, sizeBytes } = manifest.config;
    if (sizeBytes > MAX_DOCUMENT_BYTES)
      throw fail(
        "invalid_argument",
        `configuration of ${sizeBytes} bytes, ${MAX_DOCUMENT_BYTES} are allowed`,
      );
    let bytes = await this.#stored(digest);
    if (bytes === undefined) {
      const source = this.#repository.blob(manifest.config, { offset: 0, signal });
      await content.ingest(this.#lease, source, { digest, sizeBytes }, signal);
      bytes = await content.read(digest, MAX_DOCUMENT_BYTES);
    }
    const config = decodeDocument("configuration", bytes, decodeImageConfig);
    // Docker's words, both.
    if (config.os !== "" && config.os !== "linux")
      throw fail(
        "invalid_argument",
        `image operating system "${config.os.slice(0, 50)}" cannot be used on this platform: operating system is not supported`,
      );
    if (config.diffIds.length !== manifest.layers.length) throw noMatch();
    return config;
  }

  async #layer(
    descriptor: Descriptor,
    position: number,
    config: Promise<ImageConfig>,
    signal: AbortSignal,
  ): Promise<Obtained> {
    const tell = this.#teller(descriptor.digest);
    this.#lease.holdBlob(descriptor.digest);
    if (this.#deps.knowsBlob(descriptor.digest)) {
      const layer = this.#here(await config, position);
      if (layer !== undefined) {
        tell({ step: "exists" });
        return { kind: "here", layer };
      }
    }
    tell({ step: "announced" });
    const layer = await this.#deps.downloads.fetch(this.#repository, descriptor, tell, signal);
    this.#fetched.push(layer);
    return { kind: "fetched", layer };
  }

  #teller(layer: string): (step: LayerStep) => void {
    return (step) => this.#report({ kind: "layer", layer, step });
  }

  /** The layer in this very place, if it is complete with its blob. */
  #here(config: ImageConfig, position: number): ImageLayer | undefined {
    const chainId = chainIdsOf(config.diffIds)[position] ?? "";
    const layer = this.#deps.layerAt(chainId);
    if (layer === undefined) return undefined;
    this.#lease.holdLayer(chainId);
    this.#lease.holdBlob(layer.blob);
    const isWhole =
      this.#deps.snapshots.hasLayer(chainId) && this.#deps.content.stat(layer.blob) !== undefined;
    return isWhole ? layer : undefined;
  }

  async #place(
    config: ImageConfig,
    manifest: Manifest,
    obtained: readonly Obtained[],
  ): Promise<readonly ImageLayer[]> {
    const { snapshots, content, room } = this.#deps;
    const chainIds = chainIdsOf(config.diffIds);
    const placed = new Set<string>();
    let batch: NamedLayer[] = [];
    const flush = async (): Promise<void> => {
      this.#signal.throwIfAborted();
      const committing = batch;
      await withRoom(room, () => snapshots.commitLayers(committing));
      batch = [];
    };
    const layers: ImageLayer[] = [];
    for (const [i, each] of obtained.entries()) {
      const descriptor = manifest.layers[i];
      const diffId = config.diffIds[i];
      const chainId = chainIds[i];
      if (descriptor === undefined || diffId === undefined || chainId === undefined) throw noMatch();
      this.#lease.holdLayer(chainId);
      if (each.kind === "here") {
        layers.push(each.layer);
        continue;
      }
      if (each.layer.diffId !== diffId) throw noMatch();
      const { digest: blob, mediaType, sizeBytes } = descriptor;
      layers.push({ diffId, chainId, blob, mediaType, sizeBytes });
      if (placed.has(chainId) || snapshots.hasLayer(chainId)) continue;
      placed.add(chainId);
      const parent = chainIds[i - 1];
      const staged = each.layer.claim();
      if (staged !== undefined) {
        batch.push({ staged, chainId, parent, usage: each.layer.usage });
        continue;
      }
      // The same diff at a second place, or one that another pull has put elsewhere.
      await flush();
      await withRoom(room, () => {
        const expansion = new Expansion(this.#deps.expansion);
        return snapshots.createLayer(chainId, parent, (fresh) =>
          applyStoredLayer(content, { blob, diffId }, { staged: fresh, expansion }, this.#signal),
        );
      });
    }
    await flush();
    manifest.layers.forEach(({ digest }, i) => {
      if (obtained[i]?.kind === "fetched") this.#teller(digest)({ step: "complete" });
    });
    return layers;
  }
}

/** With a digest, that is the name. */
function nameOf(reference: Reference): Reference {
  return reference.digest === undefined
    ? { ...reference, tag: reference.tag ?? "latest" }
    : { ...reference, tag: undefined };
}

/** Docker's words. */
function noMatch(): Error {
  return fail("invalid_argument", "layers from manifest don't match image configuration");
}

/** Waits for all to end, whatever becomes of them; the first failure is told at once and thrown at the end. */
async function allOrNone(
  work: readonly Promise<unknown>[],
  onFailure: (error: unknown) => void,
): Promise<void> {
  let first: { readonly error: unknown } | undefined;
  await Promise.allSettled(
    work.map((each) =>
      each.catch((error: unknown) => {
        first ??= { error };
        onFailure(error);
      }),
    ),
  );
  if (first !== undefined) throw first.error;
}
