/** Engine API versions: 1.MINIMUM to 1.CURRENT are served, or from a higher one on that the daemon is told. A path without a version means the newest. */
import { fail } from "../base/errors.ts";

export const CURRENT_MINOR = 51;
export const MINIMUM_MINOR = 24;
export const API_VERSION = `1.${CURRENT_MINOR}`;
export const MINIMUM_API_VERSION = `1.${MINIMUM_MINOR}`;

/** The minor version of "1.NN". Throws `invalid_argument` with Docker's wording outside of what is served. */
export function parseVersion(text: string, least = MINIMUM_MINOR): number {
  const match = /^(\d{1,9})\.(\d{1,9})$/.exec(text);
  if (match === null) throw fail("invalid_argument", `invalid API version "${text}"`);
  const major = Number(match[1]);
  const minor = Number(match[2]);
  if (major < 1 || (major === 1 && minor < least))
    throw fail(
      "invalid_argument",
      `client version ${text} is too old. Minimum supported API version is 1.${least}, please upgrade your client to a newer version`,
    );
  if (major > 1 || minor > CURRENT_MINOR)
    throw fail(
      "invalid_argument",
      `client version ${text} is too new. Maximum supported API version is ${API_VERSION}`,
    );
  return minor;
}

/** What the daemon is told to serve at least. Throws `invalid_argument`, in Docker's words. */
export function parseMinimumVersion(text: string): number {
  const wrong = (why: string): never => {
    throw fail("invalid_argument", `invalid "min-api-version": ${why}`);
  };
  if (text === "") return wrong("value is empty");
  if (/^v/i.test(text)) return wrong('API version must be provided without "v" prefix');
  const match = /^(\d{1,9})\.(\d{1,9})$/.exec(text);
  if (match === null) return wrong(`"${text.slice(0, 100)}" is no API version`);
  const minor = Number(match[2]);
  if (Number(match[1]) < 1 || (match[1] === "1" && minor < MINIMUM_MINOR))
    return wrong(`minimum supported API version is ${MINIMUM_API_VERSION}: ${text}`);
  if (match[1] !== "1" || minor > CURRENT_MINOR)
    return wrong(`maximum supported API version is ${API_VERSION}: ${text}`);
  return minor;
}
