/**
 * Distribution: images at registries (OCI distribution specification 1.1, Docker's registry protocol 2). A *repository* is
 * one name at one registry, with the credentials it was opened with; it moves manifests and blobs and knows nothing of what
 * they mean or where they are kept.
 *
 * Everything a registry says is a stranger's word. What comes through here is capped and bounded in time; documents are
 * checked against their digest before the caller sees them; a blob's bytes are the caller's to check, because it hashes them
 * anyway while it stores them. Credentials go to the registry they were given for, over a connection that is allowed to carry
 * them, and into no message, log or other host.
 *
 * Endpoints: a pull asks the registry's mirrors in their order and then the registry itself; where a mirror fails, the next
 * one is asked, and errors are the registry's own. A push goes to the registry. Whatever can be had again is tried again:
 * connection errors, 429 and 5xx, as often as the options say, after waits that grow.
 *
 * On crash: nothing here is kept. A registry forgets an unfinished upload by itself; an unfinished download is the ingest's
 * matter (core/content), which asks for the rest by `offset`.
 *
 * Errors have Docker's words: `not_found` "manifest for … not found: …", "pull access denied for …", "repository … not
 * found: …"; `unauthorized` "unauthorized: …", "no basic auth credentials"; `forbidden` "denied: …"; `unavailable` for
 * connections, time-outs and registries that are out of order; `invalid_argument` for answers that are not what was asked
 * for (a wrong digest, a wrong size, a document that is none).
 */
import type { Descriptor } from "../../specs/oci-image/manifest.ts";
import type { Reference } from "../../specs/oci-image/reference.ts";

/** All "" when not given; a registry token wins over an identity token, and that over a password. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
  /** A refresh token, exchanged for tokens at the registry's token server. */
  readonly identityToken: string;
  /** A bearer token, sent to the registry as it is. */
  readonly registryToken: string;
}

export type Access = "pull" | "push";

export interface Registries {
  /** No traffic yet. `credentials` are those for this registry, undefined = anonymous. */
  open(reference: Reference, credentials: Credentials | undefined, access: Access): Repository;
  /**
   * Whether a registry takes these credentials. `server` as in "docker login": a host with port if any, or a URL; "" means
   * Docker Hub. Throws `unauthorized` with the registry's words when it does not.
   */
  checkLogin(server: string, credentials: Credentials, signal: AbortSignal): Promise<LoginResult>;
  /** Asks the index of a registry ("host/term", Docker Hub's without a host) for repositories. */
  search(term: string, options: SearchOptions, signal: AbortSignal): Promise<readonly SearchResult[]>;
  /**
   * Any file, by http or https; at most ten redirects. Throws `not_found`, `unauthorized`, `forbidden`, `invalid_argument` or
   * `internal` "failed to GET … with status …" when its server does not give it.
   */
  download(url: URL, signal: AbortSignal): Promise<Downloaded>;
  /** What `info` shows. */
  settings(): RegistrySettings;
}

export interface Downloaded {
  /** As announced; 0 = it was not. */
  readonly sizeBytes: number;
  /** Once. Fails when less comes than was announced, or none for too long; breaking off frees the connection. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

export interface LoginResult {
  /** "Login Succeeded" */
  readonly status: string;
  /** To be kept in the password's place; "" = none was given. */
  readonly identityToken: string;
}

export interface SearchOptions {
  readonly limit: number;
  readonly credentials: Credentials | undefined;
}

export interface SearchResult {
  readonly name: string;
  readonly description: string;
  readonly starCount: number;
  readonly isOfficial: boolean;
  readonly isAutomated: boolean;
}

export interface RegistrySettings {
  readonly mirrors: readonly string[];
  readonly insecureCidrs: readonly string[];
  /** Without their passwords. */
  readonly proxies: { readonly http: string; readonly https: string; readonly exceptions: string };
  /** docker.io, and each host that is configured. */
  readonly indexes: readonly {
    readonly name: string;
    readonly mirrors: readonly string[];
    readonly isSecure: boolean;
    readonly isOfficial: boolean;
  }[];
}

/** A manifest or index as it was answered: `sha256(bytes)` is the descriptor's digest. */
export interface ManifestDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** Called before each wait for a further attempt: Docker shows "Retrying in 5 seconds". */
export type RetryNotice = (wait: { readonly attempt: number; readonly waitMs: number }) => void;

export interface BlobOptions {
  /** Where to begin; 0 = at the start. */
  readonly offset: number;
  readonly signal: AbortSignal;
  readonly onRetry?: RetryNotice;
}

export interface PushOptions {
  readonly signal: AbortSignal;
  /** Repositories of the same registry ("library/busybox") that probably have the blob: it is mounted from the first that does. */
  readonly mountFrom: readonly string[];
  /** Bytes that the registry has taken so far; falls back when an attempt has to begin again. */
  readonly onProgress: (sentBytes: number) => void;
  readonly onRetry?: RetryNotice;
}

export type PushedBlob =
  | { readonly kind: "exists" }
  | { readonly kind: "mounted"; readonly from: string }
  | { readonly kind: "uploaded" };

export interface Repository {
  readonly reference: Reference;

  /**
   * What the reference's tag or digest means now ("latest" when it has neither). Usually one HEAD request, which registries
   * do not count as a pull. The digest is the registry's word until manifest() has checked it; of a registry that does not
   * say one the document itself is fetched, once, and manifest() of its descriptor answers from memory.
   */
  resolve(signal: AbortSignal): Promise<Descriptor>;

  /**
   * A whole manifest or index of at most 4 MiB. By descriptor: digest and size are verified, and the answer's media type
   * must be the descriptor's. By tag: the digest is computed. Throws `invalid_argument` for media types that are neither
   * (schema 1 by name).
   */
  manifest(target: Descriptor | { readonly tag: string }, signal: AbortSignal): Promise<ManifestDocument>;

  /**
   * The blob's bytes from `offset` to its end. A connection that breaks or stalls is replaced and the rest asked for; more
   * than `sizeBytes` is an error, and so is an end before them when no attempt is left. Bytes that were handed out are never
   * handed out again. Unverified: compare the digest. Breaking off the iteration frees the connection. A blob that the
   * registry does not have comes from the descriptor's own URLs, if it has any: over https, without credentials, never from
   * this machine (unless the registry is on it).
   */
  blob(blob: BlobDescriptor, options: BlobOptions): AsyncIterable<Uint8Array>;

  /** Whether the operator lets layers be pushed here whose media type says that they are not to be distributed. */
  mayHoldNondistributable(): Promise<boolean>;

  hasBlob(digest: string, signal: AbortSignal): Promise<boolean>;

  /** True when the registry took it from there; false when it would rather have it uploaded. */
  mountBlob(digest: string, from: string, signal: AbortSignal): Promise<boolean>;

  /**
   * Brings a blob there: asks whether it is there already, tries to mount it, uploads it. `source` gives the bytes from an
   * offset on, anew for each attempt. The registry verifies the digest.
   */
  pushBlob(
    blob: BlobDescriptor,
    source: (offset: number) => AsyncIterable<Uint8Array>,
    options: PushOptions,
  ): Promise<PushedBlob>;

  /** Under a tag, or under its own digest alone. Returns the digest. Everything it refers to must be there. */
  pushManifest(
    target: { readonly tag: string } | "digest",
    mediaType: string,
    bytes: Uint8Array,
    signal: AbortSignal,
  ): Promise<string>;

  /** As the registry sorts them; at most 100,000. */
  tags(signal: AbortSignal): Promise<readonly string[]>;

  /** Manifests whose subject is this digest; of registries without that endpoint those listed under the digest's tag. */
  referrers(digest: string, signal: AbortSignal): Promise<readonly Descriptor[]>;

  /** Removes a tag or, by digest, a manifest. Many registries refuse. */
  deleteManifest(
    target: { readonly tag: string } | { readonly digest: string },
    signal: AbortSignal,
  ): Promise<void>;
}

/** As much of a descriptor as moving a blob takes. */
export type BlobDescriptor = Pick<Descriptor, "digest" | "sizeBytes" | "urls">;
