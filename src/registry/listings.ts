/** Lists: repositories, tags, and what refers to a manifest. */
import { asMap, asString, parseJson } from "../specs/engine/fields.decode.ts";
import type { Call } from "./call.ts";
import { MAX_MANIFEST_BYTES } from "./manifest.ts";
import type { Mirror } from "./mirror.ts";
import { isAnyDigest } from "./names.ts";
import { nextLink, pageOf } from "./page.ts";
import { refuse } from "./refusal.ts";
import type { ManifestRow, Repositories } from "./repositories.ts";

export interface ListingDeps {
  readonly repositories: Repositories;
  readonly mirror: Mirror | undefined;
}

/** docker-registry's page of the catalog; of tags it sends all, which here is ten thousand. */
const CATALOG = { usual: 100, most: 1000 };
const TAGS = { usual: 10_000, most: 10_000 };
const REFERRERS = { usual: 1000, most: 1000 };
const INDEX_TYPE = "application/vnd.oci.image.index.v1+json";

export async function listCatalog({ repositories }: ListingDeps, call: Call): Promise<void> {
  const page = pageOf(call.query, CATALOG);
  const found = repositories.names(page.after, page.limit + 1);
  await sendPage(call, found, page.limit, (names) => ({ repositories: names }));
}

export async function listTags(deps: ListingDeps, call: Call, repository: string): Promise<void> {
  const page = pageOf(call.query, TAGS);
  const found = await tagsAfter(deps, repository, page.after, page.limit + 1);
  await sendPage(call, found, page.limit, (tags) => ({ name: repository, tags }));
}

async function tagsAfter(
  { repositories, mirror }: ListingDeps,
  repository: string,
  after: string,
  limit: number,
): Promise<readonly string[]> {
  if (mirror !== undefined) {
    const tags = await mirror.tags(repository);
    if (tags === undefined) throw unknownName(repository);
    return [...tags]
      .sort()
      .filter((tag) => tag > after)
      .slice(0, limit);
  }
  if (!repositories.exists(repository)) throw unknownName(repository);
  return repositories.tags(repository, after, limit);
}

/** `found` has one more than the page when there is a next one. */
async function sendPage(
  call: Call,
  found: readonly string[],
  limit: number,
  document: (entries: readonly string[]) => unknown,
): Promise<void> {
  const entries = found.slice(0, limit);
  const last = entries.at(-1);
  if (found.length > limit && last !== undefined)
    call.reply.add({ Link: nextLink(call.path, { limit, last }) });
  await call.reply.json(200, document(entries));
}

function unknownName(repository: string): Error {
  return refuse("NAME_UNKNOWN", { detail: { name: repository } });
}

/** An index of manifests whose subject the digest is: empty for whatever nobody refers to, also when it is not there. */
export async function listReferrers(
  { repositories }: ListingDeps,
  call: Call,
  repository: string,
  digest: string,
): Promise<void> {
  if (!isAnyDigest(digest)) throw refuse("DIGEST_INVALID", { detail: { digest: digest.slice(0, 200) } });
  const page = pageOf(call.query, REFERRERS);
  const artifactType = call.query.get("artifactType") ?? "";
  const { rows, isLast } = repositories.referrers(repository, digest, {
    ...page,
    artifactType,
    maxBytes: MAX_MANIFEST_BYTES,
  });
  const last = rows.at(-1)?.digest;
  const filter: Readonly<Record<string, string>> = artifactType === "" ? {} : { artifactType };
  if (!isLast && last !== undefined)
    call.reply.add({ Link: nextLink(call.path, { limit: page.limit, last }, filter) });
  if (artifactType !== "") call.reply.add({ "OCI-Filters-Applied": "artifactType" });
  await call.reply.json(
    200,
    { schemaVersion: 2, mediaType: INDEX_TYPE, manifests: rows.map(descriptorOf) },
    { "Content-Type": INDEX_TYPE },
  );
}

function descriptorOf(row: ManifestRow): unknown {
  const annotations = asMap(parseJson(row.annotations), "annotations", asString);
  return {
    mediaType: row.mediaType,
    digest: row.digest,
    size: row.sizeBytes,
    ...(row.artifactType === "" ? {} : { artifactType: row.artifactType }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
}
