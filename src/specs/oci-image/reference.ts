/**
 * Image references as Docker reads them (github.com/distribution/reference, "Grammar" in its package documentation):
 * what a user types is *familiar* ("busybox"), what is stored is *full* ("docker.io/library/busybox:latest"). Error
 * texts are Docker's own: clients match on them.
 */
import { fail, type GantryError } from "../../base/errors.ts";

export interface Reference {
  /** Registry host, with port if any: "docker.io". */
  readonly domain: string;
  /** Repository within it: "library/busybox". */
  readonly path: string;
  readonly tag: string | undefined;
  /** "sha256:…"; with a tag beside it, the digest is what counts. */
  readonly digest: string | undefined;
}

const DEFAULT_DOMAIN = "docker.io";
const OFFICIAL = "library/";
const DEFAULT_TAG = "latest";
/** Of the path, without the domain. */
const MAX_PATH_LENGTH = 255;

const PATH_COMPONENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const DOMAIN_COMPONENT = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const DOMAIN = `(?:${DOMAIN_COMPONENT}(?:\\.${DOMAIN_COMPONENT})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const TAG = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
const DIGEST = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";
const REFERENCE = new RegExp(
  `^(${DOMAIN})/(${PATH_COMPONENT}(?:/${PATH_COMPONENT})*)(?::(${TAG}))?(?:@(${DIGEST}))?$`,
);
const IDENTIFIER = /^[a-f0-9]{64}$/;
/** Nothing longer can be a reference; regular expressions are not asked about more. */
const MAX_TEXT_LENGTH = 1024;

/** Throws `invalid_argument` with Docker's words. */
export function parseReference(text: string): Reference {
  if (IDENTIFIER.test(text))
    throw invalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  const { domain, rest } = splitDomain(text);
  const nameEnd = rest.search(/[:@]/);
  const name = nameEnd === -1 ? rest : rest.slice(0, nameEnd);
  if (text.length <= MAX_TEXT_LENGTH && name.toLowerCase() !== name)
    throw invalid(`invalid reference format: repository name (${name}) must be lowercase`);
  const match = text.length <= MAX_TEXT_LENGTH ? REFERENCE.exec(`${domain}/${rest}`) : null;
  const path = match?.[2];
  if (path === undefined) throw invalid("invalid reference format");
  if (path.length > MAX_PATH_LENGTH)
    throw invalid(`repository name must not be more than ${MAX_PATH_LENGTH} characters`);
  const digest = match?.[4];
  if (digest !== undefined) checkReferencedDigest(digest);
  return { domain, path, tag: match?.[3], digest };
}

/** Hexadecimal digits of the algorithms that Docker knows. */
const DIGEST_LENGTHS: ReadonlyMap<string, number> = new Map([
  ["sha256", 64],
  ["sha384", 96],
  ["sha512", 128],
]);

function checkReferencedDigest(digest: string): void {
  const colon = digest.indexOf(":");
  const encoded = digest.slice(colon + 1);
  const length = DIGEST_LENGTHS.get(digest.slice(0, colon));
  if (length === undefined) throw invalid("unsupported digest algorithm");
  if (encoded.length !== length) throw invalid("invalid checksum digest length");
  if (encoded.toLowerCase() !== encoded) throw invalid("invalid checksum digest format");
}

/** What stands before the first "/" is a registry only when it looks like a host. */
function splitDomain(text: string): { readonly domain: string; readonly rest: string } {
  const slash = text.indexOf("/");
  const first = slash === -1 ? "" : text.slice(0, slash);
  const isHost = /[.:]/.test(first) || first === "localhost" || first.toLowerCase() !== first;
  let domain = isHost ? first : DEFAULT_DOMAIN;
  let rest = isHost ? text.slice(slash + 1) : text;
  if (domain === "index.docker.io") domain = DEFAULT_DOMAIN;
  if (domain === DEFAULT_DOMAIN && !rest.includes("/")) rest = OFFICIAL + rest;
  return { domain, rest };
}

/** The same with ":latest" when it has neither tag nor digest. */
export function withDefaultTag(reference: Reference): Reference {
  if (reference.tag !== undefined || reference.digest !== undefined) return reference;
  return { ...reference, tag: DEFAULT_TAG };
}

/** "docker.io/library/busybox:latest" */
export function fullReference(reference: Reference): string {
  return `${reference.domain}/${reference.path}${suffixOf(reference)}`;
}

/** "docker.io/library/busybox", for names that share a repository. */
export function repositoryOf(reference: Reference): string {
  return `${reference.domain}/${reference.path}`;
}

/** "busybox:latest": what Docker prints. */
export function familiarReference(reference: Reference): string {
  const { domain, path } = reference;
  let name = `${domain}/${path}`;
  if (domain === DEFAULT_DOMAIN)
    name =
      path.startsWith(OFFICIAL) && !path.slice(OFFICIAL.length).includes("/")
        ? path.slice(OFFICIAL.length)
        : path;
  return name + suffixOf(reference);
}

function suffixOf({ tag, digest }: Reference): string {
  return (tag === undefined ? "" : `:${tag}`) + (digest === undefined ? "" : `@${digest}`);
}

function invalid(message: string): GantryError {
  return fail("invalid_argument", message);
}
