/** Where a redirect may lead. Pure. */
import { badAnswer, shownUrl } from "./registry-error.ts";

export const MAX_REDIRECTS = 10;

const FOLLOWED: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * The next URL, undefined for an answer that is no redirect. Registries hand blobs to their storage this way, so other hosts
 * are fine; they get no credentials (the caller's part). Protection that was there is never given up. Throws
 * `invalid_argument`.
 */
export function redirectTarget(from: URL, status: number, location: string | undefined): URL | undefined {
  if (!FOLLOWED.has(status)) return undefined;
  if (location === undefined || location === "") throw badAnswer(`"${shownUrl(from)}" redirects to nowhere`);
  return resolveLocation(from, location);
}

/** A Location header, relative or absolute; also that of an upload. Throws `invalid_argument`. */
export function resolveLocation(from: URL, location: string): URL {
  let url: URL;
  try {
    if (location.length > 16 << 10) throw new Error("too long");
    url = new URL(location, from);
  } catch (cause) {
    throw badAnswer(`"${shownUrl(from)}" answered with a Location that is no URL`, cause);
  }
  if (url.protocol !== "https:" && url.protocol !== "http:")
    throw badAnswer(
      `refusing to follow "${shownUrl(from)}" to a URL of the kind "${url.protocol.slice(0, 20)}"`,
    );
  if (from.protocol === "https:" && url.protocol !== "https:")
    throw badAnswer(`refusing to follow "${shownUrl(from)}" from https to http`);
  url.username = "";
  url.password = "";
  url.hash = "";
  return url;
}

/** Credentials for one go to the other. */
export function isSameOrigin(a: URL, b: URL): boolean {
  return a.origin === b.origin;
}
