/** What a manifest's bytes are, before anybody acts on them. Pure. */
import { Fields, parseJson } from "../../specs/engine/fields.decode.ts";
import { messageOf } from "../../base/errors.ts";
import { isIndexType, isManifestType } from "../../specs/oci-image/manifest.ts";
import { badAnswer, clean } from "./registry-error.ts";

/** In the order of preference. */
export const ACCEPTED_TYPES: readonly string[] = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];

const SCHEMA_1 = /^application\/vnd\.docker\.distribution\.manifest\.v1\+(json|prettyjws)$/;
/** What servers call a JSON document that they know nothing of: the document itself counts then. */
const UNSPECIFIC: ReadonlySet<string> = new Set([
  "",
  "application/json",
  "application/octet-stream",
  "text/plain",
]);

/** Of a Content-Type header. Throws for what can be no manifest; "" when it says nothing. */
export function announcedType(header: string | undefined, name: string): string {
  const type = (header ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (UNSPECIFIC.has(type)) return "";
  if (isIndexType(type) || isManifestType(type)) return type;
  if (SCHEMA_1.test(type)) throw schemaOne(name);
  throw badAnswer(`unsupported manifest media type and no default available: ${clean(type, 200)}`);
}

/**
 * The media type of a document: header, document and shape must agree. One that is an index to one reader and a manifest to
 * another is refused.
 */
export function documentType(bytes: Uint8Array, announced: string, name: string): string {
  let fields: Fields;
  try {
    fields = new Fields(parseJson(new TextDecoder().decode(bytes)), "");
  } catch (cause) {
    throw badAnswer(`the manifest of ${name} is no document: ${messageOf(cause)}`, cause);
  }
  if (fields.raw("schemaVersion") === 1) throw schemaOne(name);
  const given = fields.raw("mediaType");
  const stated = typeof given === "string" ? given : "";
  if (given !== undefined && stated !== given) throw badAnswer(`the manifest of ${name} has no media type`);
  const isIndex = fields.has("manifests");
  if (isIndex && (fields.has("layers") || fields.has("config") || fields.has("fsLayers")))
    throw badAnswer(`the manifest of ${name} is both an index and a manifest`);
  const type = stated !== "" ? stated : announced !== "" ? announced : inferredType(isIndex);
  if (announced !== "" && type !== announced)
    throw badAnswer(`the manifest of ${name} says "${clean(type, 200)}" and came as "${announced}"`);
  if (isIndex ? !isIndexType(type) : !isManifestType(type))
    throw badAnswer(`the manifest of ${name} is not what its media type "${clean(type, 200)}" says`);
  return type;
}

function inferredType(isIndex: boolean): string {
  return isIndex ? "application/vnd.oci.image.index.v1+json" : "application/vnd.oci.image.manifest.v1+json";
}

function schemaOne(name: string): Error {
  return badAnswer(
    `Docker Image Format v1 and Docker Image manifest version 2, schema 1 support has been removed. Suggest the author of ${name} to upgrade the image to the OCI Format or Docker Image manifest v2, schema 2. More information at https://docs.docker.com/go/deprecated-image-specs/`,
  );
}
