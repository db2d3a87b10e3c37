/** A repository at its endpoints: each operation goes to the one that answers, and its errors get the repository's name. */
import type { Logger } from "../../base/log.ts";
import { isCategory, messageOf } from "../../base/errors.ts";
import { type Descriptor, isIndexType, isManifestType } from "../../specs/oci-image/manifest.ts";
import type { Reference } from "../../specs/oci-image/reference.ts";
import { downloadBlob } from "./blob-download.ts";
import { hasBlob, mountBlob, pushBlob } from "./blob-upload.ts";
import type {
  Access,
  BlobDescriptor,
  BlobOptions,
  Credentials,
  ManifestDocument,
  PushedBlob,
  PushOptions,
  Repository,
} from "./distribution.ts";
import { type Endpoint, endpointsOf, hostOfDomain } from "./endpoints.ts";
import { listReferrers, listTags } from "./listings.ts";
import { deleteManifest, getManifest, headManifest, putManifest } from "./manifests.ts";
import { namedError } from "./named-error.ts";
import type { Place } from "./place.ts";
import { badAnswer, RegistryError } from "./registry-error.ts";
import type { RegistryOptions } from "./registry-options.ts";
import { type RetryOptions, withRetries } from "./retry.ts";
import { Session, type SessionParts } from "./session.ts";
import type { Trust } from "./trust.ts";

export interface RepositoryParts extends SessionParts {
  readonly options: RegistryOptions;
  readonly trust: Trust;
  readonly log: Logger;
  /** Which scheme a host without protection answered to, by host. */
  readonly schemes: Map<string, "https:" | "http:">;
}

export class RemoteRepository implements Repository {
  readonly reference: Reference;
  readonly #credentials: Credentials | undefined;
  readonly #access: Access;
  readonly #parts: RepositoryParts;
  #places: Promise<Place[]> | undefined;
  /** A document that resolve() had to fetch. */
  #fetched: ManifestDocument | undefined;
  #hasContact = false;

  constructor(
    reference: Reference,
    credentials: Credentials | undefined,
    access: Access,
    parts: RepositoryParts,
  ) {
    this.reference = reference;
    this.#credentials = credentials;
    this.#access = access;
    this.#parts = parts;
  }

  async resolve(signal: AbortSignal): Promise<Descriptor> {
    const { tag, digest } = this.reference;
    const target = digest ?? tag ?? "latest";
    return this.#ask(signal, async (place) => {
      const head = await headManifest(place, target, this.reference, signal);
      if (head !== undefined) return head;
      this.#fetched = await getManifest(place, target, this.reference, signal);
      return this.#fetched.descriptor;
    });
  }

  async manifest(
    target: Descriptor | { readonly tag: string },
    signal: AbortSignal,
  ): Promise<ManifestDocument> {
    if ("tag" in target)
      return this.#ask(signal, (place) => getManifest(place, target.tag, this.reference, signal));
    if (this.#fetched?.descriptor.digest === target.digest) return this.#fetched;
    return this.#ask(signal, async (place) => {
      const document = await getManifest(place, target.digest, this.reference, signal);
      checkAgainst(target, document);
      return { descriptor: target, bytes: document.bytes };
    });
  }

  blob(blob: BlobDescriptor, options: BlobOptions): AsyncIterable<Uint8Array> {
    return downloadBlob(blob, options, {
      placesInOrder: () => this.#placesInOrder(),
      foreign: { ...this.#parts, registry: this.#registry() },
      retries: this.#retries(options.signal, options.onRetry),
      named: (error) => namedError(error, this.reference, "pull"),
    });
  }

  mayHoldNondistributable(): Promise<boolean> {
    return this.#parts.trust.mayHoldNondistributable(this.#registry());
  }

  hasBlob(digest: string, signal: AbortSignal): Promise<boolean> {
    return this.#ask(signal, (place) => hasBlob(place, digest, this.#access, signal));
  }

  mountBlob(digest: string, from: string, signal: AbortSignal): Promise<boolean> {
    return this.#ask(signal, async (place) => (await mountBlob(place, digest, from, signal)) === "mounted");
  }

  async pushBlob(
    blob: BlobDescriptor,
    source: (offset: number) => AsyncIterable<Uint8Array>,
    options: PushOptions,
  ): Promise<PushedBlob> {
    // The first question finds the endpoint; the rest of the work has its own attempts.
    if (await this.hasBlob(blob.digest, options.signal)) return { kind: "exists" };
    const [place] = await this.#placesInOrder();
    if (place === undefined) throw badAnswer("no registry to push to");
    try {
      return await pushBlob(place, blob, source, options, this.#retries(options.signal, options.onRetry));
    } catch (error) {
      throw namedError(error, this.reference, "push");
    }
  }

  pushManifest(
    target: { readonly tag: string } | "digest",
    mediaType: string,
    bytes: Uint8Array,
    signal: AbortSignal,
  ): Promise<string> {
    return this.#ask(signal, (place) =>
      putManifest(place, target === "digest" ? undefined : target.tag, mediaType, bytes, signal),
    );
  }

  tags(signal: AbortSignal): Promise<readonly string[]> {
    return this.#ask(signal, (place) => listTags(place, signal));
  }

  referrers(digest: string, signal: AbortSignal): Promise<readonly Descriptor[]> {
    return this.#ask(signal, (place) => listReferrers(place, digest, this.reference, signal));
  }

  deleteManifest(
    target: { readonly tag: string } | { readonly digest: string },
    signal: AbortSignal,
  ): Promise<void> {
    return this.#ask(signal, (place) =>
      deleteManifest(place, "tag" in target ? target.tag : target.digest, signal),
    );
  }

  /** Asks the endpoints in their order, all of them again when that may help. */
  async #ask<T>(signal: AbortSignal, work: (place: Place) => Promise<T>): Promise<T> {
    try {
      return await withRetries(this.#retries(signal, undefined), () => this.#askOnce(signal, work));
    } catch (error) {
      throw namedError(error, this.reference, this.#access);
    }
  }

  async #askOnce<T>(signal: AbortSignal, work: (place: Place) => Promise<T>): Promise<T> {
    const places = await this.#placesInOrder();
    let passing: { readonly error: RegistryError; readonly place: Place } | undefined;
    for (const [at, place] of places.entries()) {
      try {
        const result = await work(place);
        this.#prefer(place);
        return result;
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (at === places.length - 1 || !mayGoOn(place, error)) {
          // That https is not spoken is no news of a registry that is known to speak http: what failed there is.
          if (passing !== undefined && isUnspoken(error))
            throw this.#firstContact(passing.error, passing.place);
          throw this.#firstContact(error, place);
        }
        if (!place.endpoint.isMirror && error instanceof RegistryError && error.mayRetry)
          passing = { error, place };
        this.#parts.log.debug("asking the next endpoint", {
          endpoint: place.endpoint.origin,
          error: messageOf(error),
        });
      }
    }
    throw badAnswer("no registry to ask");
  }

  /** A registry that was never reached is as likely misspelt as it is restarting: said at once. */
  #firstContact(error: unknown, { endpoint }: Place): unknown {
    if (!(error instanceof RegistryError)) return error;
    if (error.status !== 0) {
      this.#hasContact = true;
      this.#remember(endpoint);
    } else if (!this.#hasContact && error.mayRetry && / dial tcp[ :]/.test(error.message))
      return new RegistryError(error.category, error.message, { cause: error.cause });
    return error;
  }

  /** Once a registry has answered over one scheme, the other one is no place to ask any more. */
  #prefer(place: Place): void {
    this.#hasContact = true;
    this.#remember(place.endpoint);
    const { host } = new URL(place.endpoint.origin);
    this.#places = this.#placesInOrder().then((places) => [
      place,
      ...places.filter((other) => other !== place && new URL(other.endpoint.origin).host !== host),
    ]);
  }

  #remember({ origin, isMirror }: Endpoint): void {
    const url = new URL(origin);
    if (isMirror) return;
    const { schemes } = this.#parts;
    if (schemes.size > 1000) schemes.clear();
    schemes.set(url.host, url.protocol === "http:" ? "http:" : "https:");
  }

  #registry(): URL {
    return new URL(`https://${hostOfDomain(this.reference.domain)}`);
  }

  #placesInOrder(): Promise<Place[]> {
    this.#places ??= this.#findPlaces();
    return this.#places;
  }

  async #findPlaces(): Promise<Place[]> {
    const { options, trust, schemes } = this.#parts;
    const own = this.#registry();
    const isInsecure = await trust.isInsecure(own);
    const both =
      schemes.get(own.host) === "http:" ? (["http:", "https:"] as const) : (["https:", "http:"] as const);
    const endpoints = endpointsOf(this.reference, this.#access, options, isInsecure ? both : ["https:"]);
    return Promise.all(
      endpoints.map(async (endpoint) => {
        const origin = new URL(endpoint.origin);
        // Given for the registry, not for whoever mirrors it.
        const credentials = endpoint.isMirror ? await this.#mirrorAccount(origin) : this.#credentials;
        return { endpoint, session: new Session(origin, credentials, this.#parts) };
      }),
    );
  }

  /** The daemon's own account, if it has one there; not in the clear, unless the operator says that this is fine. */
  async #mirrorAccount(mirror: URL): Promise<Credentials | undefined> {
    const { options, trust, log } = this.#parts;
    const account = options.mirrorAccounts.get(mirror.host);
    if (account === undefined || mirror.protocol === "https:" || (await trust.isInsecure(mirror)))
      return account;
    log.warn("a mirror without TLS gets no account: list it in insecure-registries", {
      mirror: mirror.origin,
    });
    return undefined;
  }

  #retries(signal: AbortSignal, onRetry: RetryOptions["onRetry"]): RetryOptions {
    const { limits, maxAttempts } = this.#parts.options;
    return { maxAttempts, limits, signal, onRetry };
  }
}

function isUnspoken(error: unknown): boolean {
  return error instanceof RegistryError && error.status === 0 && !error.mayRetry;
}

/**
 * A mirror may fail in any way; the registry itself is asked over its other scheme when the first was not spoken there. A
 * server that has learnt TLS since answers plain requests with 400.
 */
function mayGoOn({ endpoint }: Place, error: unknown): boolean {
  if (endpoint.isMirror) return true;
  if (!(error instanceof RegistryError)) return false;
  if (error.status === 400) return endpoint.origin.startsWith("http:");
  return error.status === 0 && isCategory(error, "unavailable");
}

function checkAgainst(wanted: Descriptor, { descriptor }: ManifestDocument): void {
  if (descriptor.digest !== wanted.digest)
    throw badAnswer(
      `manifest verification failed for digest ${wanted.digest}: the registry sent ${descriptor.digest}`,
    );
  if (wanted.sizeBytes !== descriptor.sizeBytes)
    throw badAnswer(
      `manifest ${wanted.digest} has ${descriptor.sizeBytes} bytes, ${wanted.sizeBytes} were announced`,
    );
  const isKnown = isIndexType(wanted.mediaType) || isManifestType(wanted.mediaType);
  if (isKnown && wanted.mediaType !== descriptor.mediaType)
    throw badAnswer(
      `manifest ${wanted.digest} is of type "${descriptor.mediaType}", "${wanted.mediaType}" was announced`,
    );
}
