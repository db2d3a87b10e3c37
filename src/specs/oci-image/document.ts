import { fail, messageOf } from "../../base/errors.ts";
import { Fields, parseJson } from "../engine/fields.decode.ts";

/** The most bytes that any JSON document of an image may have: manifests, indexes, configurations. */
export const MAX_DOCUMENT_BYTES = 4 << 20;

/** Reads one JSON document with `decode`; every error is `invalid_argument` and begins with `what`. */
export function decodeDocument<T>(what: string, bytes: Uint8Array, decode: (value: unknown) => T): T {
  if (bytes.length > MAX_DOCUMENT_BYTES)
    throw fail(
      "invalid_argument",
      `${what}: a document of ${bytes.length} bytes, ${MAX_DOCUMENT_BYTES} are allowed`,
    );
  try {
    // Go's decoder and this one alike put U+FFFD in the place of bytes that are not UTF-8.
    return decode(parseJson(new TextDecoder().decode(bytes)));
  } catch (error) {
    throw fail("invalid_argument", `${what}: ${messageOf(error)}`, error);
  }
}

/** As a getter of a required list of objects. */
export function requiredList<T>(fields: Fields, key: string, item: (fields: Fields) => T): T[] {
  const list = fields.list(key, (value, path) => item(new Fields(value, path)));
  if (list === null) throw missing(fields, key);
  return list;
}

export function requiredString(fields: Fields, key: string): string {
  const text = fields.str(key);
  if (text === "") throw missing(fields, key);
  return text;
}

function missing(fields: Fields, key: string): Error {
  return fail("invalid_argument", `field "${fields.at(key)}" is missing`);
}
