/** The headers that carry credentials to the engine: X-Registry-Auth for one image, X-Registry-Config for a build. */
import { messageOf } from "../base/errors.ts";
import { parseReference, repositoryOf } from "../specs/oci-image/reference.ts";
import type { Cli } from "./cli.ts";
import { type Account, accountFor, allAccounts } from "./registry/accounts.ts";

const NO_HEADERS: ReadonlyMap<string, string> = new Map();

/** For pulling, pushing or creating from an image; none when no account is known. `image` as users type it. */
export async function registryAuth(cli: Cli, image: string): Promise<ReadonlyMap<string, string>> {
  const repository = repositoryOf(parseReference(image));
  let account: Account | undefined;
  try {
    account = await accountFor(cli, repository);
  } catch (error) {
    // Most images need no account: the registry will say if this one does.
    await cli.warn(`WARNING: going on without credentials: ${messageOf(error)}`);
  }
  return account === undefined ? NO_HEADERS : new Map([["X-Registry-Auth", encoded(account)]]);
}

/** For a build, which may pull from anywhere: all accounts. */
export async function registryConfig(cli: Cli): Promise<ReadonlyMap<string, string>> {
  const accounts = await allAccounts(cli);
  if (accounts.size === 0) return NO_HEADERS;
  return new Map([["X-Registry-Config", encoded(Object.fromEntries(accounts))]]);
}

/** base64url with padding, as Go writes it. */
export function encoded(document: unknown): string {
  return Buffer.from(JSON.stringify(document)).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}
