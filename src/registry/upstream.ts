/**
 * The registry that a mirror stands before, as the mirror needs it. Implementations log in, follow redirects and retry; they
 * do not verify: what arrives is held against its digest here.
 *
 * Undefined is "the upstream says that there is none", and is believed. A throw is "cannot tell", whereupon the mirror
 * serves what it has.
 */
export interface UpstreamManifest {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
}

/** As a manifest names it. */
export interface WantedBlob {
  readonly digest: string;
  readonly sizeBytes: number;
}

export interface Upstream {
  /** For the log. */
  readonly name: string;
  /** The digest of what a tag names now. */
  resolveTag(repository: string, tag: string, signal: AbortSignal): Promise<string | undefined>;
  /** `reference`: a tag or a digest. At most 4 MiB. */
  manifest(repository: string, reference: string, signal: AbortSignal): Promise<UpstreamManifest | undefined>;
  /** Its bytes, to the end or until the signal fires; throws `not_found` when there is none. */
  blob(repository: string, blob: WantedBlob, signal: AbortSignal): AsyncIterable<Uint8Array>;
  tags(repository: string, signal: AbortSignal): Promise<readonly string[] | undefined>;
}
