/** Image references as users type them: `[HOST/]PATH[:TAG][@DIGEST]`. */

export interface Reference {
  /** As people know it: without docker.io and library. */
  readonly name: string;
  readonly tag: string;
  readonly digest: string;
}

const NAME =
  /^(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*(?::\d+)?\/)?[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;
const MAX_NAME_LENGTH = 255;

/** Throws an Error with Docker's words. */
export function parseReference(text: string): Reference {
  const invalid = new Error("invalid reference format");
  const [withTag = "", digest = "", ...more] = text.split("@");
  if (more.length > 0 || (text.includes("@") && !DIGEST.test(digest))) throw invalid;
  const colon = withTag.lastIndexOf(":");
  const hasTag = colon > withTag.lastIndexOf("/");
  const full = hasTag ? withTag.slice(0, colon) : withTag;
  const tag = hasTag ? withTag.slice(colon + 1) : "";
  if (hasTag && !TAG.test(tag)) throw invalid;
  if (/^[0-9a-f]{64}$/.test(full))
    throw new Error(`invalid repository name (${full}), cannot specify 64-byte hexadecimal strings`);
  const path = full.slice(full.indexOf("/") + 1);
  if (!NAME.test(full)) {
    if (/[A-Z]/.test(path) && NAME.test(full.toLowerCase()))
      throw new Error(`invalid reference format: repository name (${qualified(full)}) must be lowercase`);
    throw invalid;
  }
  const name = familiar(full);
  if (name.length > MAX_NAME_LENGTH) throw new Error("repository name must not be more than 255 characters");
  return { name, tag, digest };
}

function qualified(name: string): string {
  return name.includes("/") ? name : `library/${name}`;
}

function familiar(name: string): string {
  const short = name.replace(/^(?:index\.)?docker\.io\//, "");
  return short.replace(/^library\/(?=[^/]+$)/, "");
}

/** With the tag that is meant when there is neither tag nor digest. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === "" && reference.digest === "" ? { ...reference, tag: "latest" } : reference;
}

export function formatReference(reference: Reference): string {
  const tag = reference.tag === "" ? "" : `:${reference.tag}`;
  const digest = reference.digest === "" ? "" : `@${reference.digest}`;
  return `${reference.name}${tag}${digest}`;
}
