/** What may go by itself, as `"gc"` of daemon.json says: docs/storage.md has the words for users. */
import { DEFAULT_PARTIAL_MAX_AGE_MS } from "../content/content.ts";

export interface ImagePolicy {
  /** Percent of the file system that may be used; at more than `high` images go until it is `low`. */
  readonly watermark: { readonly high: number; readonly low: number } | undefined;
  /** The same in bytes of what the images take. */
  readonly size: { readonly high: number; readonly low: number } | undefined;
  /** Images that nobody has used for so long go, however much room there is. */
  readonly maxAgeMs: number | undefined;
  /** Images that were used or came so recently stay. */
  readonly minAgeMs: number;
  /** The newest images of every repository stay: so many. */
  readonly keepLast: number;
  /** "key" or "key=value": images with one of these labels stay. */
  readonly keepLabels: readonly string[];
  /** Patterns of references: images with such a name stay. */
  readonly keepReferences: readonly string[];
}

export interface GarbagePolicy {
  readonly intervalMs: number;
  readonly partialMaxAgeMs: number;
  /** undefined: no image goes unless somebody removes it, as with Docker. */
  readonly images: ImagePolicy | undefined;
}

export const DEFAULT_GARBAGE_POLICY: GarbagePolicy = {
  intervalMs: 3600 * 1000,
  partialMaxAgeMs: DEFAULT_PARTIAL_MAX_AGE_MS,
  images: undefined,
};

/** What an image policy says that does not say it. */
export const DEFAULT_IMAGE_POLICY: Omit<ImagePolicy, "watermark" | "size" | "maxAgeMs"> = {
  minAgeMs: 24 * 3600 * 1000,
  keepLast: 1,
  keepLabels: ["gantry.pin=true"],
  keepReferences: [],
};
