/** Engine API versions: 1.MINIMUM to 1.CURRENT are served. A path without a version means the newest. */
import { fail } from "../base/errors.ts";

export const CURRENT_MINOR = 51;
export const MINIMUM_MINOR = 24;
export const API_VERSION = `1.${CURRENT_MINOR}`;
export const MINIMUM_API_VERSION = `1.${MINIMUM_MINOR}`;

/** The minor version of "1.NN". Throws `invalid_argument` with Docker's wording outside of what is served. */
export function parseVersion(text: string): number {
  const match = /^(\d{1,9})\.(\d{1,9})$/.exec(text);
  if (match === null) throw fail("invalid_argument", `invalid API version "${text}"`);
  const major = Number(match[1]);
  const minor = Number(match[2]);
  if (major < 1 || (major === 1 && minor < MINIMUM_MINOR))
    throw fail(
      "invalid_argument",
      `client version ${text} is too old. Minimum supported API version is ${MINIMUM_API_VERSION}, please upgrade your client to a newer version`,
    );
  if (major > 1 || minor > CURRENT_MINOR)
    throw fail(
      "invalid_argument",
      `client version ${text} is too new. Maximum supported API version is ${API_VERSION}`,
    );
  return minor;
}
