/**
 * A push: the plan, the blobs at the same time, then the documents, the one with the tag last. A registry that loses us
 * half-way has blobs that nothing refers to, which is its garbage collection's matter.
 */
import { fail } from "../../base/errors.ts";
import type { Limiter } from "../../base/limiter.ts";
import { isIndexType } from "../../specs/oci-image/manifest.ts";
import type { Reference } from "../../specs/oci-image/reference.ts";
import type { Content } from "../content/content.ts";
import type { PushedBlob, Repository } from "../distribution/distribution.ts";
import type { Lease, Leases } from "../metadata/leases.ts";
import { gzipped } from "../unpack/gzip-layer.ts";
import { layerMediaType } from "../unpack/layer.ts";
import type { Image, ImageLayer, LayerStep, PushedImage, PushRequest, TransferReport } from "./images.ts";
import { cannotMake } from "./making.ts";
import {
  imageToPush,
  isPlain,
  planGenerated,
  planIndex,
  planManifest,
  type PushBlob,
  type PushPlan,
} from "./push-plan.ts";

export interface PushDeps {
  readonly content: Content;
  readonly leases: Leases;
  /** The engine's max-concurrent-uploads. */
  readonly limiter: Limiter;
  /** Other repositories of the registry that may have the blob. */
  readonly sourcesOf: (repository: Reference, blob: string) => readonly string[];
  readonly remember: (repository: Reference, blobs: readonly string[]) => void;
  /** The image has these blobs as its layers from now on; it stays what it is. */
  readonly setLayers: (image: Image, layers: readonly ImageLayer[]) => Promise<Image>;
  /** The name's registry has this from now on. */
  readonly setTarget: (request: PushRequest, pushed: PushedImage) => void;
}

export async function pushImage(
  deps: PushDeps,
  request: PushRequest,
  report: TransferReport,
  signal: AbortSignal,
): Promise<PushedImage> {
  try {
    await using lease = deps.leases.acquire("push");
    return await new Push(deps, request, report, { lease, signal }).run();
  } catch (error) {
    throw cannotMake("push the image", error);
  }
}

const REPORT_MS = 100;

class Push {
  readonly #deps: PushDeps;
  readonly #request: PushRequest;
  readonly #repository: Repository;
  readonly #report: TransferReport;
  readonly #lease: Lease;
  readonly #signal: AbortSignal;
  readonly #announced = new Set<string>();

  constructor(
    deps: PushDeps,
    request: PushRequest,
    report: TransferReport,
    { lease, signal }: { readonly lease: Lease; readonly signal: AbortSignal },
  ) {
    this.#deps = deps;
    this.#request = request;
    this.#repository = request.repository;
    this.#report = report;
    this.#lease = lease;
    this.#signal = signal;
  }

  async run(): Promise<PushedImage> {
    this.#report({ kind: "resolved" });
    const plan = await this.#plan();
    for (const { descriptor } of plan.blobs) this.#lease.holdBlob(descriptor.digest);
    const blobs = await this.#withoutKept(plan.blobs);
    await this.#pushBlobs(blobs);
    const last = plan.documents.at(-1);
    if (last === undefined) throw fail("internal", "a push without a manifest");
    const { reference } = this.#repository;
    for (const { mediaType, bytes, digest } of plan.documents) {
      const tag = reference.tag ?? "latest";
      const isLast = digest === last.digest;
      await this.#repository.pushManifest(isLast ? { tag } : "digest", mediaType, bytes, this.#signal);
    }
    this.#deps.remember(
      reference,
      blobs.map(({ descriptor }) => descriptor.digest),
    );
    const { digest, mediaType, bytes } = last;
    const pushed = { digest, mediaType, sizeBytes: bytes.length, insteadOf: plan.insteadOf };
    this.#deps.setTarget(this.#request, pushed);
    return pushed;
  }

  /** What its maker does not want distributed stays here, unless the operator says otherwise of this registry. */
  async #withoutKept(blobs: readonly PushBlob[]): Promise<readonly PushBlob[]> {
    if (await this.#repository.mayHoldNondistributable()) return blobs;
    for (const { shownAs, isNondistributable } of blobs)
      if (isNondistributable) this.#teller(shownAs)({ step: "skipped" });
    return blobs.filter(({ isNondistributable }) => !isNondistributable);
  }

  async #plan(): Promise<PushPlan> {
    const { name, platform } = this.#request;
    const { content } = this.#deps;
    // Who names a platform wants no more than that.
    if (platform !== undefined) return await this.#planOne(imageToPush(name, platform));
    const whole = await planIndex(content, name);
    if (whole !== undefined) return whole;
    const { target } = name;
    const insteadOf = target !== undefined && isIndexType(target.mediaType) ? target : undefined;
    return { ...(await this.#planOne(imageToPush(name, undefined))), insteadOf };
  }

  async #planOne(image: Image): Promise<PushPlan> {
    const { content } = this.#deps;
    for (const manifest of [this.#request.name.target, image.manifest]) {
      const plan = manifest === undefined ? undefined : await planManifest(content, manifest, [image]);
      if (plan !== undefined) return plan;
    }
    const takesAll = await this.#repository.mayHoldNondistributable();
    return planGenerated(content, await this.#compressed(image), takesAll);
  }

  /** Once: the image keeps the compressed layers in the plain ones' place, so that it is the same at the next push. */
  async #compressed(image: Image): Promise<Image> {
    if (!image.layers.some(isPlain)) return image;
    const layers = await Promise.all(image.layers.map((layer) => this.#compress(layer)));
    return await this.#deps.setLayers(image, layers);
  }

  async #compress(layer: ImageLayer): Promise<ImageLayer> {
    if (!isPlain(layer)) return layer;
    const tell = this.#teller(layer.diffId);
    this.#announce(layer.diffId);
    return await this.#deps.limiter.run(async () => {
      const { content } = this.#deps;
      let current = 0;
      const counted = async function* (): AsyncGenerator<Uint8Array> {
        let toldAt = 0;
        for await (const bytes of content.open(layer.blob, { verify: true })) {
          current += bytes.length;
          const now = performance.now();
          if (now - toldAt >= REPORT_MS) tell({ step: "compressing", current, total: layer.sizeBytes });
          if (now - toldAt >= REPORT_MS) toldAt = now;
          yield bytes;
        }
      };
      const { digest, sizeBytes } = await content.ingest(this.#lease, gzipped(counted()), {}, this.#signal);
      return { ...layer, blob: digest, sizeBytes, mediaType: layerMediaType("gzip") };
    }, this.#signal);
  }

  async #pushBlobs(blobs: readonly PushBlob[]): Promise<void> {
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#signal, stop.signal]);
    const each = new Map(blobs.map((blob) => [blob.descriptor.digest, blob]));
    for (const { shownAs } of each.values()) this.#announce(shownAs);
    let first: { readonly error: unknown } | undefined;
    await Promise.all(
      [...each.values()].map((blob) =>
        this.#pushBlob(blob, signal).catch((error: unknown) => {
          first ??= { error };
          stop.abort(error);
        }),
      ),
    );
    if (first !== undefined) throw first.error;
  }

  async #pushBlob({ descriptor, shownAs }: PushBlob, signal: AbortSignal): Promise<void> {
    const { content, limiter, sourcesOf } = this.#deps;
    const { digest, sizeBytes: total } = descriptor;
    const tell = this.#teller(shownAs);
    if (limiter.isFull) tell({ step: "waiting" });
    const source = (offset: number): AsyncIterable<Uint8Array> =>
      content.open(digest, { verify: false, range: { offset } });
    let toldAt = 0;
    const onProgress = (current: number): void => {
      const now = performance.now();
      if (now - toldAt < REPORT_MS && current < total) return;
      toldAt = now;
      tell({ step: "pushing", current, total });
    };
    const options = {
      signal,
      mountFrom: sourcesOf(this.#repository.reference, digest),
      onProgress,
      onRetry: ({ waitMs }: { readonly waitMs: number }) => tell({ step: "retrying", waitMs }),
    };
    const pushed = await limiter.run(() => this.#repository.pushBlob(descriptor, source, options), signal);
    tell(stepOf(pushed, total));
  }

  /** Once, whether it has to be compressed first or not. */
  #announce(shownAs: string | undefined): void {
    if (shownAs === undefined || this.#announced.has(shownAs)) return;
    this.#announced.add(shownAs);
    this.#teller(shownAs)({ step: "announced" });
  }

  #teller(shownAs: string | undefined): (step: LayerStep) => void {
    return (step) => {
      if (shownAs !== undefined) this.#report({ kind: "layer", layer: shownAs, step });
    };
  }
}

function stepOf(pushed: PushedBlob, sizeBytes: number): LayerStep {
  switch (pushed.kind) {
    case "exists":
      return { step: "exists" };
    case "mounted":
      return { step: "mounted", from: pushed.from };
    case "uploaded":
      return { step: "pushed", sizeBytes };
  }
}
