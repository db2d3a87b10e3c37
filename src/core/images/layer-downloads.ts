/**
 * Layers on their way from registries, each fetched, stored, unpacked and applied once however many pulls want it. A
 * download belongs to those who joined it: all of them see its steps, and when the last one leaves it ends. Its bytes
 * stay in a named ingest, from where the next one goes on.
 */
import { type Room, withRoom } from "../../base/disk-full.ts";
import { withDeadline } from "../../base/deadline.ts";
import { fail, isCategory } from "../../base/errors.ts";
import type { Limiter } from "../../base/limiter.ts";
import type { Descriptor } from "../../specs/oci-image/manifest.ts";
import type { Content } from "../content/content.ts";
import type { Repository } from "../distribution/distribution.ts";
import type { Lease, Leases } from "../metadata/leases.ts";
import type { Snapshotter, SnapshotUsage, StagedLayer } from "../snapshots/snapshotter.ts";
import { Expansion, type ExpansionLimits } from "../unpack/expansion.ts";
import { applyBlob, storeLayer } from "../unpack/layer.ts";
import type { LayerStep } from "./images.ts";

export interface DownloadDeps {
  readonly content: Content;
  readonly snapshots: Snapshotter;
  readonly leases: Leases;
  readonly expansion: ExpansionLimits;
  /** The engine's max-concurrent-downloads. */
  readonly limiter: Limiter;
  readonly room?: Room | undefined;
}

/** One pull's share in a layer that is here; to be released when the pull is over. */
export interface FetchedLayer {
  readonly diffId: string;
  readonly usage: SnapshotUsage;
  /** The applied layer, for the first who asks; who comes later finds it committed or applies the blob again. */
  claim(): StagedLayer | undefined;
  release(): void;
}

type Watcher = (step: LayerStep) => void;

/** Between two messages about the same download: as often as a terminal is worth redrawing. */
const REPORT_MS = 100;
const END_MS = 10_000;

export class LayerDownloads {
  readonly #deps: DownloadDeps;
  readonly #running = new Map<string, Download>();

  constructor(deps: DownloadDeps) {
    this.#deps = deps;
  }

  async fetch(
    repository: Repository,
    layer: Descriptor,
    watcher: Watcher,
    signal: AbortSignal,
  ): Promise<FetchedLayer> {
    for (;;) {
      const download = await this.#join(repository, layer, watcher, signal);
      const leave = (): void => download.leave(watcher);
      try {
        const { diffId, usage } = await unlessAborted(download.result, signal);
        return { diffId, usage, claim: () => download.claim(), release: leave };
      } catch (error) {
        leave();
        await download.ended();
        // Somebody else's download failed, perhaps for what only his registry or credentials are to blame: then it is our turn.
        if (signal.aborted || download.repository === repository) throw error;
      }
    }
  }

  async #join(
    repository: Repository,
    layer: Descriptor,
    watcher: Watcher,
    signal: AbortSignal,
  ): Promise<Download> {
    for (;;) {
      signal.throwIfAborted();
      const running = this.#running.get(layer.digest);
      if (running?.join(watcher) === true) return running;
      // It is ending because nobody wanted it any more; its ingest is free in a moment.
      if (running !== undefined) {
        await unlessAborted(running.over, signal);
        continue;
      }
      const forget = (): void => void this.#running.delete(layer.digest);
      const download = new Download(this.#deps, repository, layer, forget);
      this.#running.set(layer.digest, download);
      download.join(watcher);
      return download;
    }
  }
}

interface Result {
  readonly diffId: string;
  readonly usage: SnapshotUsage;
}

class Download {
  readonly repository: Repository;
  /** Settles when nothing works on it any more, or when the last one has left a finished one. */
  readonly over: Promise<void>;
  readonly result: Promise<Result>;
  readonly #deps: DownloadDeps;
  readonly #layer: Descriptor;
  readonly #lease: Lease;
  readonly #watchers = new Set<Watcher>();
  readonly #controller = new AbortController();
  readonly #end: () => void;
  #last: LayerStep | undefined;
  #staged: StagedLayer | undefined;
  #isClaimed = false;
  #isDone = false;

  constructor(deps: DownloadDeps, repository: Repository, layer: Descriptor, forget: () => void) {
    this.#deps = deps;
    this.repository = repository;
    this.#layer = layer;
    this.#lease = deps.leases.acquire(`download of ${layer.digest}`);
    this.#lease.holdBlob(layer.digest);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.over = promise;
    this.#end = () => {
      if (!this.#isClaimed) this.#staged?.discard();
      void this.#lease[Symbol.asyncDispose]();
      forget();
      resolve();
    };
    this.result = this.#run();
    void this.#watch();
  }

  async #watch(): Promise<void> {
    const failure = await this.result.then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    this.#isDone = failure === undefined;
    if (failure !== undefined || this.#watchers.size === 0) this.#end();
  }

  /** False when it is ending. */
  join(watcher: Watcher): boolean {
    if (this.#controller.signal.aborted) return false;
    this.#watchers.add(watcher);
    if (this.#last !== undefined) watcher(this.#last);
    return true;
  }

  leave(watcher: Watcher): void {
    if (!this.#watchers.delete(watcher) || this.#watchers.size > 0) return;
    this.#controller.abort(new Error("nobody wants the layer any more"));
    if (this.#isDone) this.#end();
  }

  /** When nobody wants it any more: waits until it lets go of what it holds, which its signal makes it do soon. */
  async ended(): Promise<void> {
    if (this.#watchers.size === 0) await withDeadline("the end of a download", END_MS, this.over);
  }

  claim(): StagedLayer | undefined {
    if (this.#isClaimed) return undefined;
    this.#isClaimed = true;
    return this.#staged;
  }

  #tell(step: LayerStep): void {
    this.#last = step;
    for (const watcher of this.#watchers) watcher(step);
  }

  async #run(): Promise<Result> {
    const { content, limiter } = this.#deps;
    const { signal } = this.#controller;
    if (content.stat(this.#layer.digest) !== undefined) {
      try {
        return await withRoom(this.#deps.room, () => this.#applyStored());
      } catch (error) {
        if (signal.aborted || (await this.#isSound())) throw error;
        // What the disk did to it, the registry mends.
        await content.delete(this.#layer.digest);
      }
    }
    if (limiter.isFull) this.#tell({ step: "waiting" });
    return await limiter.run(async () => {
      try {
        return await this.#download();
      } catch (error) {
        // A partial blob that turned out to be damaged is gone now.
        if (!(error instanceof DamagedResume) || signal.aborted) throw error;
        return await this.#download();
      }
    }, signal);
  }

  /** Whether the stored blob still has its digest; damage shows as anything, before its end is reached. */
  async #isSound(): Promise<boolean> {
    try {
      for await (const _ of this.#deps.content.open(this.#layer.digest, { verify: true }))
        this.#controller.signal.throwIfAborted();
      return true;
    } catch (error) {
      if (isCategory(error, "internal") || isCategory(error, "not_found")) return false;
      throw error;
    }
  }

  #stage(): StagedLayer {
    this.#staged?.discard();
    this.#staged = this.#deps.snapshots.stageLayer();
    return this.#staged;
  }

  async #applyStored(): Promise<Result> {
    const { digest, sizeBytes } = this.#layer;
    const target = { staged: this.#stage(), expansion: new Expansion(this.#deps.expansion) };
    this.#tell({ step: "extracting", current: 0, total: sizeBytes });
    const { signal } = this.#controller;
    const { diffId, usage } = await applyBlob(this.#deps.content, digest, target, signal);
    this.#tell({ step: "extracting", current: sizeBytes, total: sizeBytes });
    return { diffId, usage };
  }

  async #download(): Promise<Result> {
    const { digest, sizeBytes } = this.#layer;
    const { content, room } = this.#deps;
    const { signal } = this.#controller;
    const onFullDisk = room === undefined ? undefined : { room, content, stage: () => this.#stage() };
    const ingest = await content.begin(this.#lease, digest, signal);
    const found = ingest.sizeBytes;
    try {
      if (found > sizeBytes) throw fail("invalid_argument", `blob "${digest}" is longer than it may be`);
      const expansion = new Expansion(this.#deps.expansion);
      expansion.count(found);
      const source = expansion.counted(this.#bytes(found));
      const expected = { digest, sizeBytes, staysPartial: true };
      const target = { ingest, staged: this.#stage(), expected, onFullDisk };
      const { diffId, usage } = await storeLayer(source, target, expansion, signal);
      this.#tell({ step: "extracting", current: sizeBytes, total: sizeBytes });
      return { diffId, usage };
    } catch (error) {
      await ingest.abort();
      throw found > 0 && isCategory(error, "invalid_argument") ? new DamagedResume(error) : error;
    }
  }

  async *#bytes(offset: number): AsyncGenerator<Uint8Array> {
    const { sizeBytes } = this.#layer;
    let current = offset;
    let toldAt = 0;
    if (current < sizeBytes) {
      const onRetry = ({ waitMs }: { readonly waitMs: number }): void =>
        this.#tell({ step: "retrying", waitMs });
      const options = { offset, signal: this.#controller.signal, onRetry };
      for await (const bytes of this.repository.blob(this.#layer, options)) {
        current += bytes.length;
        const now = performance.now();
        if (now - toldAt >= REPORT_MS) {
          toldAt = now;
          this.#tell({ step: "downloading", current, total: sizeBytes });
        }
        yield bytes;
      }
    }
    this.#tell({ step: "verifying" });
    this.#tell({ step: "downloaded" });
  }
}

class DamagedResume extends Error {
  constructor(cause: unknown) {
    super("the blob was damaged where an earlier download ended", { cause });
  }
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort);
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
