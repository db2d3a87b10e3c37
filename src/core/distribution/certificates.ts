/**
 * Certificates for one registry, as Docker's certs.d keeps them: in a directory named like the host (with its port) every
 * `*.crt` is an authority, and every `*.cert` with the `*.key` of the same name a pair to show. They are read at each use, so
 * that a new one counts without a restart.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, fail } from "../../base/errors.ts";

export interface HostCertificates {
  /** PEM. */
  readonly authorities: readonly string[];
  readonly pairs: readonly { readonly cert: string; readonly key: string }[];
}

const MAX_FILE_BYTES = 1 << 20;
const MAX_FILES = 100;

/** Of all directories together. Throws `invalid_argument` with Docker's words for a pair that lacks a half. */
export async function readHostCertificates(
  directories: readonly string[],
  host: string,
): Promise<HostCertificates> {
  const authorities: string[] = [];
  const pairs: { cert: string; key: string }[] = [];
  // Registry hosts come from references and headers: nothing but a host becomes part of a path.
  if (!/^[A-Za-z0-9[][A-Za-z0-9.:\]-]*$/.test(host)) return { authorities, pairs };
  for (const directory of directories) {
    const place = join(directory, host);
    const names = await namesIn(place);
    for (const name of names.filter((name) => name.endsWith(".crt")))
      authorities.push(await readPem(join(place, name)));
    for (const name of names.filter((name) => name.endsWith(".cert"))) {
      const keyName = `${name.slice(0, -".cert".length)}.key`;
      if (!names.includes(keyName))
        throw fail(
          "invalid_argument",
          `missing key ${keyName} for client certificate ${name}. CA certificates must use the extension .crt`,
        );
      pairs.push({ cert: await readPem(join(place, name)), key: await readPem(join(place, keyName)) });
    }
    for (const name of names.filter((name) => name.endsWith(".key"))) {
      const certName = `${name.slice(0, -".key".length)}.cert`;
      if (!names.includes(certName))
        throw fail("invalid_argument", `missing client certificate ${certName} for key ${name}`);
    }
  }
  return { authorities, pairs };
}

async function namesIn(directory: string): Promise<readonly string[]> {
  let names: string[];
  try {
    names = await readdir(directory);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return [];
    throw fail("unavailable", `cannot read the certificates in "${directory}"`, error);
  }
  if (names.length > MAX_FILES)
    throw fail("invalid_argument", `"${directory}" has more than ${MAX_FILES} files`);
  return names.sort();
}

async function readPem(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES)
      throw fail("invalid_argument", `"${path}" is larger than ${MAX_FILE_BYTES} bytes`);
    return await readFile(path, "latin1");
  } catch (error) {
    if (errnoOf(error) !== undefined)
      throw fail("unavailable", `cannot read the certificate "${path}"`, error);
    throw error;
  }
}

/** The first of the bundles that is there; undefined when none is. */
export async function readAuthorities(files: readonly string[]): Promise<string | undefined> {
  for (const file of files) {
    try {
      return await readFile(file, "latin1");
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw fail("unavailable", `cannot read "${file}"`, error);
    }
  }
  return undefined;
}
