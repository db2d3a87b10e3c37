/**
 * `docker load`: scan (store and unpack while reading), plan (what the manifests say), commit (layers get their places,
 * configurations are stored, all images are entered in one transaction).
 *
 * Until the last step nothing of it is an image. A lease keeps garbage collection off what was made so far; when the
 * load fails or the process dies, the lease is gone and collection takes it all.
 */
import type { Readable } from "node:stream";
import { withRoom } from "../../base/disk-full.ts";
import { chainIdsOf } from "../../specs/oci-image/digest.ts";
import type { Platform } from "../../specs/oci-image/manifest.ts";
import type { Lease } from "../metadata/leases.ts";
import type { NamedLayer, StagedLayer } from "../snapshots/snapshotter.ts";
import { Expansion } from "../unpack/expansion.ts";
import { applyStoredLayer } from "../unpack/layer.ts";
import { uploadedBytes } from "../unpack/upload.ts";
import { type PlannedDocument, type PlannedImage, planArchive } from "./archive-plan.ts";
import { type KnownLayer, scanArchive, type ScannedLayer } from "./archive-scan.ts";
import type { DocumentRef, LoadedImage } from "./images.ts";
import { cannotMake, type CompleteImage, type MakingDeps, oneChunk } from "./making.ts";

export interface LoadDeps extends MakingDeps {
  readonly knownLayer: (blob: string) => KnownLayer | undefined;
  readonly platform: Platform | undefined;
}

export async function loadArchive(
  deps: LoadDeps,
  archive: Readable,
  signal: AbortSignal,
): Promise<readonly LoadedImage[]> {
  const staged: StagedLayer[] = [];
  try {
    await using lease = deps.leases.acquire("load");
    const expansion = new Expansion(deps.expansion);
    const onStaged = (layer: StagedLayer): void => void staged.push(layer);
    const scanned = await scanArchive(
      uploadedBytes(archive, signal),
      { ...deps, holder: lease, expansion, onStaged },
      signal,
    );
    const planned = planArchive(scanned, {
      host: { os: "linux", architecture: deps.architecture, variant: "" },
      platform: deps.platform,
    });
    const complete = await new Commit(deps, lease, expansion, signal).run(planned);
    return deps.add(complete);
  } catch (error) {
    throw cannotMake("load the archive", error);
  } finally {
    for (const layer of staged) layer.discard();
  }
}

/** Puts the layers of all planned images in their places with as few syncs as possible, then their configurations. */
class Commit {
  readonly #deps: LoadDeps;
  readonly #lease: Lease;
  readonly #expansion: Expansion;
  readonly #signal: AbortSignal;
  /** Named and not yet committed, base first. */
  #batch: NamedLayer[] = [];
  /** ChainIDs that are committed or in the batch. */
  readonly #placed = new Set<string>();
  readonly #used = new Set<StagedLayer>();

  constructor(deps: LoadDeps, lease: Lease, expansion: Expansion, signal: AbortSignal) {
    this.#deps = deps;
    this.#lease = lease;
    this.#expansion = expansion;
    this.#signal = signal;
  }

  async run(planned: readonly PlannedImage[]): Promise<readonly CompleteImage[]> {
    const complete: CompleteImage[] = [];
    for (const { config, document, layers, names, manifest, target, attestations } of planned) {
      const chainIds = chainIdsOf(config.diffIds);
      for (const [i, chainId] of chainIds.entries()) {
        const layer = layers[i];
        if (layer !== undefined) await this.#place(layer, chainId, chainIds[i - 1]);
      }
      for (const { bytes, digest } of [document, manifest ?? document, target ?? document])
        await this.#store(bytes, digest);
      for (const { bytes, digest } of attestations) if (bytes !== undefined) await this.#store(bytes, digest);
      complete.push({
        id: document.digest,
        config,
        names,
        manifest: refOf(manifest),
        target: refOf(target),
        attestations: attestations.map(({ digest }) => digest),
        layers: layers.map(({ diffId, blob, mediaType, blobBytes: sizeBytes }, i) => ({
          diffId,
          chainId: chainIds[i] ?? diffId,
          blob,
          mediaType,
          sizeBytes,
        })),
      });
    }
    await this.#flush();
    return complete;
  }

  async #store(bytes: Buffer, digest: string): Promise<void> {
    const { content } = this.#deps;
    this.#lease.holdBlob(digest);
    if (content.stat(digest) === undefined)
      await content.ingest(this.#lease, oneChunk(bytes), { digest }, this.#signal);
  }

  async #place(layer: ScannedLayer, chainId: string, parent: string | undefined): Promise<void> {
    this.#lease.holdLayer(chainId);
    if (this.#placed.has(chainId) || this.#deps.snapshots.hasLayer(chainId)) return;
    const { applied } = layer;
    if (applied !== undefined && !this.#used.has(applied.staged)) {
      this.#used.add(applied.staged);
      this.#placed.add(chainId);
      this.#batch.push({ staged: applied.staged, chainId, parent, usage: applied.usage });
      return;
    }
    // The same diff at a second place, or a blob that was here without this stack: unpacked from the blob.
    await this.#flush();
    const { content, snapshots, room } = this.#deps;
    await withRoom(room, () =>
      snapshots.createLayer(chainId, parent, (staged) =>
        applyStoredLayer(content, layer, { staged, expansion: this.#expansion }, this.#signal),
      ),
    );
  }

  async #flush(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    this.#signal.throwIfAborted();
    await withRoom(this.#deps.room, () => this.#deps.snapshots.commitLayers(batch));
  }
}

function refOf(document: PlannedDocument | undefined): DocumentRef | undefined {
  if (document === undefined) return undefined;
  const { digest, mediaType, bytes } = document;
  return { digest, mediaType, sizeBytes: bytes.length };
}
