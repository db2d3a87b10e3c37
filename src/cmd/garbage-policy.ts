/** `"gc"` of daemon.json: when garbage is collected, and which images are. docs/storage.md tells users. */
import { parseDuration } from "../base/duration.ts";
import { fail } from "../base/errors.ts";
import { parseBinarySize } from "../base/units.ts";
import {
  DEFAULT_GARBAGE_POLICY,
  DEFAULT_IMAGE_POLICY,
  type GarbagePolicy,
  type ImagePolicy,
} from "../core/gc/image-policy.ts";
import { emptyMap } from "../specs/engine/fields.decode.ts";

const MIN_INTERVAL_MS = 10_000;

/** Throws `invalid_argument` that names the key. */
export function decodeGarbagePolicy(value: unknown): GarbagePolicy {
  const keys = new Keys("gc", value);
  const intervalMs = keys.duration("interval") ?? DEFAULT_GARBAGE_POLICY.intervalMs;
  if (intervalMs < MIN_INTERVAL_MS) throw fail("invalid_argument", '"gc.interval" must be at least 10s');
  const images = keys.take("images");
  const policy: GarbagePolicy = {
    intervalMs,
    partialMaxAgeMs: keys.duration("partial-max-age") ?? DEFAULT_GARBAGE_POLICY.partialMaxAgeMs,
    images: images === undefined ? undefined : decodeImagePolicy(images),
  };
  keys.end();
  return policy;
}

function decodeImagePolicy(value: unknown): ImagePolicy {
  const keys = new Keys("gc.images", value);
  const policy: ImagePolicy = {
    watermark: marks(keys, ["high-watermark", "low-watermark"], (key) => keys.percent(key)),
    size: marks(keys, ["high-size", "low-size"], (key) => keys.size(key)),
    maxAgeMs: keys.duration("max-age"),
    minAgeMs: keys.duration("min-age") ?? DEFAULT_IMAGE_POLICY.minAgeMs,
    keepLast: keys.count("keep-last") ?? DEFAULT_IMAGE_POLICY.keepLast,
    keepLabels: keys.texts("keep-labels") ?? DEFAULT_IMAGE_POLICY.keepLabels,
    keepReferences: keys.texts("keep-references") ?? DEFAULT_IMAGE_POLICY.keepReferences,
  };
  keys.end();
  if (policy.watermark === undefined && policy.size === undefined && policy.maxAgeMs === undefined)
    throw fail(
      "invalid_argument",
      '"gc.images" never removes an image: give "high-watermark", "high-size" or "max-age"',
    );
  return policy;
}

/** Both or none: one mark alone would remove an image, find room for half an hour, and remove the next. */
function marks(
  keys: Keys,
  [highKey, lowKey]: readonly [string, string],
  read: (key: string) => number | undefined,
): { readonly high: number; readonly low: number } | undefined {
  const high = read(highKey);
  const low = read(lowKey);
  if (high === undefined && low === undefined) return undefined;
  if (high === undefined || low === undefined || low >= high)
    throw fail("invalid_argument", `"${keys.at}.${lowKey}" must be given and less than "${highKey}"`);
  return { high, low };
}

/** The keys of one object, each taken once; what is left at the end is a mistake. */
class Keys {
  readonly at: string;
  readonly #values: Map<string, unknown>;

  constructor(at: string, value: unknown) {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw fail("invalid_argument", `"${at}" must be an object`);
    this.at = at;
    this.#values = new Map(Object.entries(Object.assign(emptyMap<unknown>(), value)));
  }

  take(key: string): unknown {
    const value = this.#values.get(key);
    this.#values.delete(key);
    return value;
  }

  end(): void {
    const unknown = [...this.#values.keys()].map((key) => `${this.at}.${key}`);
    if (unknown.length > 0)
      throw fail(
        "invalid_argument",
        `the following directives don't match any configuration option: ${unknown.join(", ")}`,
      );
  }

  duration(key: string): number | undefined {
    const text = this.take(key);
    if (text === undefined) return undefined;
    const ns = typeof text === "string" ? parseDuration(text) : undefined;
    if (ns === undefined || ns < 0) throw this.#wrong(key, 'a duration like "24h"');
    return ns / 1e6;
  }

  percent(key: string): number | undefined {
    const text = this.take(key);
    if (text === undefined) return undefined;
    const percent = typeof text === "string" ? /^(\d{1,3}(?:\.\d{1,3})?)%$/.exec(text)?.[1] : undefined;
    if (percent === undefined || Number(percent) > 100) throw this.#wrong(key, 'a part like "85%"');
    return Number(percent);
  }

  size(key: string): number | undefined {
    const text = this.take(key);
    if (text === undefined) return undefined;
    const bytes = typeof text === "string" ? parseBinarySize(text) : undefined;
    if (bytes === undefined) throw this.#wrong(key, 'a size like "40g"');
    return bytes;
  }

  count(key: string): number | undefined {
    const value = this.take(key);
    if (value === undefined) return undefined;
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
      throw this.#wrong(key, "a number");
    return value;
  }

  texts(key: string): readonly string[] | undefined {
    const value = this.take(key);
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) throw this.#wrong(key, "a list of texts");
    return value.map((item) => {
      if (typeof item !== "string" || item === "" || item.length > 1024)
        throw this.#wrong(key, "a list of texts");
      return item;
    });
  }

  #wrong(key: string, what: string): Error {
    return fail("invalid_argument", `"${this.at}.${key}" must be ${what}`);
  }
}
