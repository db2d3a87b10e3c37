/**
 * A manifest as the registry sees it: not what it means, but what it refers to. Any artifact is welcome, so media types of
 * configurations and layers are not looked at; a document that two readers could understand differently is not.
 */
import { asList, Fields, parseJson } from "../specs/engine/fields.decode.ts";
import { isIndexType, isManifestType } from "../specs/oci-image/manifest.ts";
import { isAnyDigest } from "./names.ts";
import { invalidManifest, refuse } from "./refusal.ts";

/** The distribution specification's least upper limit ("Pushing Manifests"), and everybody's actual one. */
export const MAX_MANIFEST_BYTES = 4 << 20;
/** Layers of an image or images of an index. */
const MAX_ENTRIES = 4096;

/** What a manifest needs to be in its repository before it. */
export interface Needed {
  readonly kind: "blob" | "manifest";
  readonly digest: string;
  readonly sizeBytes: number;
  /** It is somewhere else, as its `urls` say: it need not be here. */
  readonly isForeign: boolean;
}

export interface ReadManifest {
  readonly mediaType: string;
  /** What referrers are filtered by: its own, else an image's type of configuration, else "". */
  readonly artifactType: string;
  readonly needs: readonly Needed[];
  /** The manifest that this one is about; it need not exist. */
  readonly subject: string | undefined;
  /** JSON, "{}" for none. */
  readonly annotations: string;
}

/** `contentType` is the request's header. Throws MANIFEST_INVALID with the field at fault. */
export function readManifest(bytes: Uint8Array, contentType: string | undefined): ReadManifest {
  const mediaType = (contentType ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (!isIndexType(mediaType) && !isManifestType(mediaType))
    throw invalid(`unsupported manifest media type "${mediaType.slice(0, 200)}"`);
  try {
    // A byte order mark stays and is refused with everything else that JSON does not have.
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    const fields = new Fields(parseJson(text), "");
    checkHead(fields, mediaType);
    return isIndexType(mediaType) ? readIndex(fields, mediaType) : readImage(fields, mediaType);
  } catch (error) {
    throw invalidManifest(error);
  }
}

function checkHead(fields: Fields, mediaType: string): void {
  const version = fields.int("schemaVersion");
  if (version !== 2) throw invalid(`unsupported schema version ${version}`);
  const own = fields.str("mediaType");
  if (own !== "" && own !== mediaType)
    throw invalid(`field "mediaType" is "${own.slice(0, 200)}", the content type "${mediaType}"`);
  // Schema 1 in the clothes of schema 2: what old readers would take for the image.
  for (const key of ["fsLayers", "history"]) if (fields.has(key)) throw invalid(`unexpected field "${key}"`);
}

function readIndex(fields: Fields, mediaType: string): ReadManifest {
  for (const key of ["config", "layers"])
    if (fields.has(key)) throw invalid(`an index has no field "${key}"`);
  return {
    mediaType,
    artifactType: artifactTypeOf(fields),
    needs: descriptors(fields, "manifests", "manifest"),
    ...aboutOf(fields),
  };
}

function readImage(fields: Fields, mediaType: string): ReadManifest {
  if (fields.has("manifests")) throw invalid('an image manifest has no field "manifests"');
  const config = fields.object("config");
  if (config === null) throw invalid('field "config" is missing');
  const ownType = artifactTypeOf(fields);
  return {
    mediaType,
    artifactType: ownType === "" ? config.str("mediaType") : ownType,
    needs: [descriptorOf(config, "blob"), ...descriptors(fields, "layers", "blob")],
    ...aboutOf(fields),
  };
}

function artifactTypeOf(fields: Fields): string {
  return checkedType(fields.str("artifactType"), "artifactType");
}

function aboutOf(fields: Fields): Pick<ReadManifest, "subject" | "annotations"> {
  const subject = fields.object("subject");
  return {
    subject: subject === null ? undefined : descriptorOf(subject, "manifest").digest,
    annotations: JSON.stringify(fields.stringMap("annotations") ?? {}),
  };
}

function descriptors(fields: Fields, key: string, kind: Needed["kind"]): Needed[] {
  const raw = fields.raw(key);
  if (!Array.isArray(raw)) throw invalid(`field "${key}" must be a list`);
  if (raw.length > MAX_ENTRIES)
    throw invalid(`field "${key}" has ${raw.length} entries, ${MAX_ENTRIES} are allowed`);
  return asList(raw, key, (value, path) => descriptorOf(new Fields(value, path), kind));
}

function descriptorOf(fields: Fields, kind: Needed["kind"]): Needed {
  const digest = fields.str("digest");
  if (!isAnyDigest(digest)) throw invalid(`field "${fields.at("digest")}" is no digest`);
  const sizeBytes = fields.int("size");
  if (!fields.has("size") || sizeBytes < 0) throw invalid(`field "${fields.at("size")}" is no size`);
  const mediaType = checkedType(fields.str("mediaType"), fields.at("mediaType"));
  if (mediaType === "") throw invalid(`field "${fields.at("mediaType")}" is missing`);
  const urls = fields.strings("urls") ?? [];
  const isForeign = kind === "blob" && urls.length > 0 && /foreign|nondistributable/.test(mediaType);
  return { kind, digest, sizeBytes, isForeign };
}

/** RFC 6838, section 4.2: what may be in a header or a list can be trusted to be one. */
function checkedType(text: string, path: string): string {
  if (text !== "" && !/^[A-Za-z0-9][\w!#$&^.+-]{0,126}\/[A-Za-z0-9][\w!#$&^.+-]{0,126}$/.test(text))
    throw invalid(`field "${path}" is no media type`);
  return text;
}

function invalid(detail: string): Error {
  return refuse("MANIFEST_INVALID", { detail });
}
