/** Lists that registries give: tags of a repository, referrers of a manifest. */
import { asString, Fields, parseJson } from "../../specs/engine/fields.decode.ts";
import { decodeIndex, type Descriptor, isIndexType } from "../../specs/oci-image/manifest.ts";
import { decodeDocument, MAX_DOCUMENT_BYTES } from "../../specs/oci-image/document.ts";
import { messageOf } from "../../base/errors.ts";
import type { Reference } from "../../specs/oci-image/reference.ts";
import { readDocument } from "./documents.ts";
import { urlAt } from "./endpoints.ts";
import { getManifest } from "./manifests.ts";
import { badAnswer, RegistryError } from "./registry-error.ts";
import { isSameOrigin, resolveLocation } from "./redirects.ts";
import type { Place } from "./place.ts";
import { repositoryScope } from "./scopes.ts";

const MAX_TAGS = 100_000;
const MAX_PAGES = 1_000;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

export async function listTags(place: Place, signal: AbortSignal): Promise<readonly string[]> {
  const { endpoint } = place;
  const tags: string[] = [];
  const seen = new Set<string>();
  for (let url: URL | undefined = urlAt(endpoint, "tags/list?n=1000"); url !== undefined; ) {
    if (seen.has(url.href) || seen.size >= MAX_PAGES) throw badAnswer("the list of tags has no end");
    seen.add(url.href);
    const page: Page = await readPage(place, url, "the list of tags", signal);
    // As some registries say it: a repository without tags has null.
    for (const tag of page.fields.list("tags", asString) ?? []) {
      if (!TAG.test(tag)) throw badAnswer("the list of tags has one that is none");
      if (tags.push(tag) > MAX_TAGS) throw badAnswer(`the repository has more than ${MAX_TAGS} tags`);
    }
    url = page.next;
  }
  return tags;
}

export async function listReferrers(
  place: Place,
  digest: string,
  reference: Reference,
  signal: AbortSignal,
): Promise<readonly Descriptor[]> {
  try {
    const url = urlAt(place.endpoint, `referrers/${digest}`);
    const scopes = [repositoryScope(place.endpoint.repository, "pull")];
    const answer = await place.session.send({ method: "GET", url, scopes, signal });
    const bytes = await readDocument(answer, {
      maxBytes: MAX_DOCUMENT_BYTES,
      documentMs: place.session.limits.documentMs,
      what: "the list of referrers",
    });
    return decodeDocument("the list of referrers", bytes, decodeIndex).manifests;
  } catch (error) {
    if (!(error instanceof RegistryError) || error.status !== 404) throw error;
  }
  return taggedReferrers(place, digest.replace(":", "-"), reference, signal);
}

/** "Referrers tag schema" of the specification, for registries that know no better. */
async function taggedReferrers(
  place: Place,
  tag: string,
  reference: Reference,
  signal: AbortSignal,
): Promise<readonly Descriptor[]> {
  try {
    const { descriptor, bytes } = await getManifest(place, tag, reference, signal);
    if (!isIndexType(descriptor.mediaType)) return [];
    return decodeDocument("the list of referrers", bytes, decodeIndex).manifests;
  } catch (error) {
    if (error instanceof RegistryError && error.status === 404) return [];
    throw error;
  }
}

interface Page {
  readonly fields: Fields;
  readonly next: URL | undefined;
}

async function readPage(
  { endpoint, session }: Place,
  url: URL,
  what: string,
  signal: AbortSignal,
): Promise<Page> {
  const scopes = [repositoryScope(endpoint.repository, "pull")];
  const answer = await session.send({ method: "GET", url, scopes, signal });
  const next = nextPage(url, answer.header("link"));
  const { documentMs } = session.limits;
  const bytes = await readDocument(answer, { maxBytes: MAX_DOCUMENT_BYTES, documentMs, what });
  try {
    return { fields: new Fields(parseJson(bytes.toString()), ""), next };
  } catch (cause) {
    throw badAnswer(`${what} is no document: ${messageOf(cause)}`, cause);
  }
}

/** `<url>; rel="next"` (RFC 8288). */
function nextPage(url: URL, link: string | undefined): URL | undefined {
  const target = /^\s*<([^>]{1,4096})>\s*;\s*rel="?next"?\s*$/i.exec(link ?? "")?.[1];
  if (target === undefined) return undefined;
  const next = resolveLocation(url, target);
  if (!isSameOrigin(url, next)) throw badAnswer("the list of tags goes on at another registry");
  return next;
}
