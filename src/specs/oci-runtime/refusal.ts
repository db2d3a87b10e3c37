/** How a specification is refused: one error, naming the field by its full path. */
import { fail, GantryError } from "../../base/errors.ts";

/** `invalid(fields.at("cwd"), "is not absolute")` */
export function invalid(path: string, why: string): GantryError {
  return fail("invalid_argument", `config.json: ${path} ${why}`);
}

/** A property that the specification has and this runtime has not. */
export function unsupported(path: string, why = ""): GantryError {
  return fail("not_implemented", `config.json: "${path}" is not supported${why === "" ? "" : `: ${why}`}`);
}

/** What `work` refuses without knowing where it stands in the document gets the path in front. */
export function at<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof GantryError)) throw error;
    throw new GantryError(error.category, `config.json: ${path}: ${error.message}`, { cause: error });
  }
}

/** A value in an error message: on one line, and not the whole of what somebody sent. */
export function quoted(value: string): string {
  return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}...` : value);
}

/** PATH_MAX, without its NUL. */
const MAX_PATH_BYTES = 4095;

/** `field` names it. The kernel takes nothing longer, and relative to what would be anybody's guess. */
export function checkAbsolute(path: string, field: string): string {
  if (!path.startsWith("/")) throw invalid(field, `${quoted(path)} is not absolute`);
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) throw invalid(field, "is longer than any path may be");
  return path;
}
