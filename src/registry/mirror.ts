/**
 * A pull-through mirror: what is not here is fetched from the upstream while the client waits, kept, and served from here
 * the next time. Tags are asked for again after a while; when the upstream cannot be reached, what was last known is served.
 * Everybody who wants the same thing at the same time waits for one fetch. A fetch goes on when its client leaves.
 */
import { isCategory, messageOf } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Content } from "../core/content/content.ts";
import type { Leases } from "../core/metadata/leases.ts";
import { sha256Of } from "../specs/oci-image/digest.ts";
import { Filling, type Follow } from "./filling.ts";
import { MAX_MANIFEST_BYTES, readManifest } from "./manifest.ts";
import { refuse } from "./refusal.ts";
import type { Repositories } from "./repositories.ts";
import { SingleFlight } from "./single-flight.ts";
import type { Upstream, WantedBlob } from "./upstream.ts";

export interface MirrorDeps {
  readonly upstream: Upstream;
  readonly content: Content;
  readonly leases: Leases;
  readonly repositories: Repositories;
  readonly log: Logger;
  readonly now: () => number;
  /** How long a tag is believed without asking. */
  readonly tagMaxAgeMs: number;
}

const QUESTION_MS = 30_000;
/** A blob's bytes may take as long as they take, but not pause for longer than this. */
const STALL_MS = 60_000;
const MAX_FILLINGS = 32;
const MAX_TAGS = 100_000;

export class Mirror {
  readonly #deps: MirrorDeps;
  readonly #digests = new SingleFlight<string | undefined>();
  readonly #tags = new SingleFlight<readonly string[] | undefined>();
  readonly #fillings = new Map<string, Filling>();
  readonly #end = new AbortController();

  constructor(deps: MirrorDeps) {
    this.#deps = deps;
  }

  /** The digest that a tag names, with its manifest here; undefined when there is none. */
  async resolveTag(repository: string, tag: string): Promise<string | undefined> {
    const { repositories, now, tagMaxAgeMs } = this.#deps;
    const known = repositories.tag(repository, tag);
    if (known !== undefined && now() - known.checkedAtMs < tagMaxAgeMs) return known.digest;
    const key = `tag ${repository}:${tag}`;
    return this.#digests.run(key, () =>
      this.#ask(key, known?.digest, (signal) => this.#askTag(repository, tag, signal)),
    );
  }

  /** The digest that a tag has at the upstream. */
  async #askTag(repository: string, tag: string, signal: AbortSignal): Promise<string | undefined> {
    const { upstream, repositories, now } = this.#deps;
    const digest = await upstream.resolveTag(repository, tag, signal);
    if (digest === undefined) {
      repositories.deleteTag(repository, tag);
      return undefined;
    }
    if (repositories.manifest(repository, digest) === undefined)
      return this.#fetch(repository, tag, undefined, signal);
    repositories.setTag(repository, tag, digest, now());
    return digest;
  }

  /** Fetches a manifest by digest; false when the upstream has none. */
  async fetchManifest(repository: string, digest: string): Promise<boolean> {
    const key = `manifest ${repository}@${digest}`;
    const fetched = await this.#digests.run(key, () =>
      this.#ask(key, undefined, (signal) => this.#fetch(repository, digest, digest, signal)),
    );
    return fetched !== undefined;
  }

  /** What the repository's manifests say of a blob that need not be here yet; undefined when they do not name it. */
  blobSize(repository: string, digest: string): number | undefined {
    return this.#deps.repositories.neededSize(repository, digest);
  }

  /** Fetches a blob that one of the repository's manifests names; undefined for others: nothing else is anybody's to ask for. */
  openBlob(repository: string, digest: string): Filling | undefined {
    const key = `${repository}@${digest}`;
    const going = this.#fillings.get(key);
    if (going !== undefined) return going;
    const sizeBytes = this.blobSize(repository, digest);
    if (sizeBytes === undefined) return undefined;
    if (this.#fillings.size >= MAX_FILLINGS)
      throw refuse("TOOMANYREQUESTS", { headers: { "Retry-After": "10" } });
    const filling = this.#fill(repository, { digest, sizeBytes });
    this.#fillings.set(key, filling);
    const forget = (): boolean => this.#fillings.delete(key);
    filling.done.then(forget, forget);
    return filling;
  }

  /** All tags that are known, there or here. */
  async tags(repository: string): Promise<readonly string[] | undefined> {
    const { repositories } = this.#deps;
    const here = repositories.exists(repository) ? repositories.tags(repository, "", MAX_TAGS) : undefined;
    const key = `tags ${repository}`;
    return this.#tags.run(key, () =>
      this.#ask(key, here, async (signal) => (await this.#deps.upstream.tags(repository, signal)) ?? here),
    );
  }

  close(): void {
    this.#end.abort(refuse("UNAVAILABLE"));
  }

  /** `stale` is the answer when the upstream gives none. */
  async #ask<T>(key: string, stale: T | undefined, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await ask(AbortSignal.any([this.#end.signal, AbortSignal.timeout(QUESTION_MS)]));
    } catch (error) {
      const { log, upstream } = this.#deps;
      log.warn("the upstream gives no answer", { upstream: upstream.name, op: key, error: messageOf(error) });
      if (stale !== undefined) return stale;
      throw refuse("UNAVAILABLE", { message: "the upstream registry gives no answer", cause: error });
    }
  }

  /** Undefined: there is none. Throws when it is not what it was said to be. */
  async #fetch(
    repository: string,
    reference: string,
    digest: string | undefined,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { upstream, content, leases, repositories, now } = this.#deps;
    const found = await upstream.manifest(repository, reference, signal);
    if (found === undefined) return undefined;
    if (found.bytes.length > MAX_MANIFEST_BYTES) throw refuse("MANIFEST_INVALID", { detail: "too large" });
    const actual = sha256Of(found.bytes);
    if (digest !== undefined && actual !== digest)
      throw refuse("DIGEST_INVALID", { detail: { expected: digest, found: actual } });
    const manifest = readManifest(found.bytes, found.mediaType);
    await using lease = leases.acquire(`manifest of ${repository}`);
    const blob = await content.ingest(lease, once(found.bytes), { digest: actual }, signal);
    const tag = digest === undefined ? reference : undefined;
    repositories.putManifest(repository, blob, manifest, { tag, nowMs: now() });
    return actual;
  }

  #fill(repository: string, blob: WantedBlob): Filling {
    const { upstream, content, leases, repositories, now, log } = this.#deps;
    const { digest } = blob;
    const { signal } = this.#end;
    const store = async (follow: Follow): Promise<void> => {
      await using lease = leases.acquire(`blob of ${repository}`);
      try {
        // The layer may be here already, for another repository; that this one has it, too, its manifest says.
        if (content.stat(digest) === undefined)
          await follow(
            await content.begin(lease),
            unstalled(upstream.blob(repository, blob, signal), STALL_MS),
          );
      } catch (error) {
        log.warn("a blob did not come whole", { upstream: upstream.name, digest, error: messageOf(error) });
        if (isCategory(error, "not_found"))
          throw refuse("BLOB_UNKNOWN", { detail: { digest }, cause: error });
        throw refuse("UNAVAILABLE", {
          message: "the upstream registry does not give the blob",
          cause: error,
        });
      }
      repositories.linkBlob(repository, digest, now());
    };
    return new Filling(content, blob, store);
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Throws when the next piece takes longer than `stallMs`. */
async function* unstalled(source: AsyncIterable<Uint8Array>, stallMs: number): AsyncGenerator<Uint8Array> {
  const pieces = source[Symbol.asyncIterator]();
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(refuse("UNAVAILABLE", { message: "the upstream stalls" })), stallMs);
  late.catch(() => {});
  try {
    for (;;) {
      timer.refresh();
      const next = await Promise.race([pieces.next(), late]);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    clearTimeout(timer);
    // Not awaited: what stalls need not end soon either.
    void pieces.return?.();
  }
}
