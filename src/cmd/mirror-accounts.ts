/**
 * `"registry-mirror-accounts"` of daemon.json: a file like Docker's config.json with the daemon's own accounts at mirrors, as
 * `gantry --config DIRECTORY login mirror.example` makes one. What users log in with is for registries and never goes there.
 */
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { fail, messageOf } from "../base/errors.ts";
import { placeOfKey } from "../cli/registry/account-key.ts";
import { accountOf } from "../cli/registry/accounts.ts";
import { child, fieldsOf } from "../client/fields.ts";
import type { Credentials } from "../core/distribution/distribution.ts";

const MAX_BYTES = 1 << 20;

/** By host. Throws `invalid_argument` that names the file, for one that others may read, too. */
export function readMirrorAccounts(path: string): ReadonlyMap<string, Credentials> {
  try {
    return decodeMirrorAccounts(readPrivate(path));
  } catch (error) {
    throw fail("invalid_argument", `cannot use the accounts of "${path}": ${messageOf(error)}`, error);
  }
}

function readPrivate(path: string): string {
  const file = openSync(path, "r");
  try {
    const { mode, size } = fstatSync(file);
    if ((mode & 0o077) !== 0) throw fail("invalid_argument", "others than its owner may read or write it");
    if (size > MAX_BYTES) throw fail("invalid_argument", `it is larger than ${MAX_BYTES} bytes`);
    return readFileSync(file, "utf8");
  } finally {
    closeSync(file);
  }
}

/** Exported for its test. */
export function decodeMirrorAccounts(text: string): ReadonlyMap<string, Credentials> {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    // The parser's message may quote a secret.
    throw fail("invalid_argument", "it is not JSON");
  }
  const fields = fieldsOf(document);
  for (const key of ["credsStore", "credHelpers"])
    if (Object.hasOwn(fields, key))
      throw fail("invalid_argument", `"${key}" is not for daemons: keep the accounts in "auths"`);
  const auths = child(fields, "auths");
  const accounts = new Map<string, Credentials>();
  for (const key of Object.keys(auths)) {
    const place = placeOfKey(key);
    if (place.includes("/")) throw fail("invalid_argument", `"${key}" is no host: a mirror has one account`);
    const {
      username = "",
      password = "",
      identitytoken = "",
      registrytoken = "",
    } = accountOf(child(auths, key), key) ?? {};
    if (username === "" && identitytoken === "" && registrytoken === "") continue;
    const credentials = { username, password, identityToken: identitytoken, registryToken: registrytoken };
    accounts.set(place.toLowerCase(), credentials);
  }
  return accounts;
}
