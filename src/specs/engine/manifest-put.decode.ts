/** The body of POST /distribution/{name}/manifest. */
import { fail } from "../../base/errors.ts";
import { asString, Fields } from "./fields.decode.ts";

export interface ManifestPut {
  readonly mediaType: string;
  readonly bytes: Buffer;
  /** Where the images of the list come from. */
  readonly sources: readonly string[];
}

const MAX_SOURCES = 200;

/** Throws `invalid_argument`. */
export function decodeManifestPut(body: unknown): ManifestPut {
  const fields = new Fields(body, "");
  const list = {
    mediaType: fields.str("MediaType"),
    bytes: Buffer.from(fields.str("Raw"), "base64"),
    sources: fields.list("Sources", asString) ?? [],
  };
  if (list.sources.length > MAX_SOURCES)
    throw fail("invalid_argument", `a manifest list of more than ${MAX_SOURCES} images`);
  return list;
}
