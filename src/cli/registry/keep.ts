/** Keeping a secret after a login, and forgetting it: with a credential helper where one is configured, else in the file. */
import { messageOf } from "../../base/errors.ts";
import type { Cli } from "../cli.ts";
import { Exit } from "../exit.ts";
import { placeOfKey } from "./account-key.ts";
import { helperFor } from "./accounts.ts";
import { changeAuths } from "../change-config.ts";
import { eraseFromHelper, storeInHelper, TOKEN_USER } from "./credential-helper.ts";

export interface Secret {
  readonly username: string;
  readonly secret: string;
  /** An identity token: it takes the password's place. */
  readonly isToken: boolean;
}

export async function storeAccount(cli: Cli, key: string, secret: Secret): Promise<void> {
  const config = await cli.config();
  const helper = helperFor(config, key);
  try {
    if (helper !== "")
      await storeInHelper(helper, key, {
        username: secret.isToken ? TOKEN_USER : secret.username,
        secret: secret.secret,
      });
    // With a helper the file says only that there is something, as Docker's does.
    const entry = helper === "" ? entryOf(secret) : {};
    await changeAuths(config.directory, (auths) => ({ ...auths, [key]: entry }));
  } catch (error) {
    throw new Exit(1, `Error saving credentials: ${messageOf(error)}`);
  }
}

function entryOf({ username, secret, isToken }: Secret): Record<string, string> {
  const password = isToken ? "" : secret;
  const auth = Buffer.from(`${username}:${password}`).toString("base64");
  return { auth, ...(isToken ? { identitytoken: secret } : {}) };
}

/** Every spelling of the key. What the helper cannot erase is thrown after the file has been changed. */
export async function eraseAccount(cli: Cli, key: string): Promise<void> {
  const config = await cli.config();
  const helper = helperFor(config, key);
  const place = placeOfKey(key);
  const isOther = ([other]: [string, unknown]): boolean => placeOfKey(other) !== place;
  if (Object.keys(config.auths).some((other) => placeOfKey(other) === place))
    await changeAuths(config.directory, (auths) => Object.fromEntries(Object.entries(auths).filter(isOther)));
  if (helper !== "") await eraseFromHelper(helper, key);
}
