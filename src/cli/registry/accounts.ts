/** What the user's configuration knows of accounts at registries: in the file itself, with helpers, in DOCKER_AUTH_CONFIG. */
import { messageOf } from "../../base/errors.ts";
import { child, type Fields, fieldsOf, text } from "../../client/fields.ts";
import type { Cli } from "../cli.ts";
import type { Config } from "../config.ts";
import { HUB_KEY, placeOfKey, placesOf } from "./account-key.ts";

/** As the Engine API wants it; absent = none. */
export interface Account {
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
  /** The key that it was found under. */
  readonly serveraddress: string;
}

/** The account for a repository, "docker.io/library/busybox"; undefined = none. */
export async function accountFor(cli: Cli, repository: string): Promise<Account | undefined> {
  const config = await cli.config();
  const given = await environmentAuths(cli);
  const tables = [given, config.auths].map((auths) => keysByPlace(Object.keys(auths)));
  for (const place of placesOf(repository)) {
    const [fromEnvironment, fromFile] = tables.map((keys) => keys.get(place));
    const entry =
      fromEnvironment === undefined ? undefined : accountOf(child(given, fromEnvironment), fromEnvironment);
    if (entry !== undefined) return entry;
    const found = await kept(config, place, fromFile);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Every account, for a build that may need any of them, by key. */
export async function allAccounts(cli: Cli): Promise<ReadonlyMap<string, Account>> {
  const config = await cli.config();
  const given = await environmentAuths(cli);
  const accounts = new Map<string, Account>();
  const add = (key: string, account: Account | undefined): void => {
    if (account !== undefined) accounts.set(key, account);
  };
  for (const key of Object.keys(config.auths)) add(key, accountOf(child(config.auths, key), key));
  const { getFromHelper, listHelper } = await import("./credential-helper.ts");
  if (config.credsStore !== "")
    for (const key of await listHelper(config.credsStore))
      add(key, helperAccount(key, await getFromHelper(config.credsStore, key)));
  for (const [key, helper] of config.credHelpers)
    add(key, helperAccount(key, await getFromHelper(helper, key)));
  for (const key of Object.keys(given)) add(key, accountOf(child(given, key), key));
  return accounts;
}

/** Which helper keeps a key's secret, "" = the file itself does. */
export function helperFor({ credHelpers, credsStore }: Config, key: string): string {
  return credHelpers.get(key) ?? credHelpers.get(placeOfKey(key)) ?? credsStore;
}

/** `key` is the file's own for this place, if it has one. */
async function kept(config: Config, place: string, key: string | undefined): Promise<Account | undefined> {
  const isHost = !place.includes("/");
  const asked = key ?? (place === "docker.io" ? HUB_KEY : place);
  const isNamed = config.credHelpers.has(asked) || config.credHelpers.has(place);
  const helper = helperFor(config, asked);
  // A helper is asked about hosts, and about paths that the user has logged in to: each question is a program's start.
  if (helper !== "" && (isHost || key !== undefined || isNamed)) {
    const { getFromHelper } = await import("./credential-helper.ts");
    const account = helperAccount(asked, await getFromHelper(helper, asked));
    if (account !== undefined) return account;
  }
  return key === undefined ? undefined : accountOf(child(config.auths, key), key);
}

function helperAccount(
  key: string,
  answer: { readonly username: string; readonly secret: string } | undefined,
): Account | undefined {
  if (answer === undefined || answer.secret === "") return undefined;
  return answer.username === "<token>"
    ? { identitytoken: answer.secret, serveraddress: key }
    : { username: answer.username, password: answer.secret, serveraddress: key };
}

/** An entry of `auths`: "auth" is user and password in one. */
export function accountOf(entry: Fields, key: string): Account | undefined {
  const joined = Buffer.from(text(entry, "auth"), "base64").toString();
  const colon = joined.indexOf(":");
  const username = colon > 0 ? joined.slice(0, colon) : text(entry, "username");
  const password = colon > 0 ? joined.slice(colon + 1).replace(/\0+$/, "") : text(entry, "password");
  const identitytoken = text(entry, "identitytoken");
  const registrytoken = text(entry, "registrytoken");
  if (username === "" && identitytoken === "" && registrytoken === "") return undefined;
  return {
    ...(username === "" ? {} : { username, password }),
    ...(identitytoken === "" ? {} : { identitytoken }),
    ...(registrytoken === "" ? {} : { registrytoken }),
    serveraddress: key,
  };
}

function keysByPlace(keys: readonly string[]): ReadonlyMap<string, string> {
  return new Map(keys.map((key) => [placeOfKey(key), key]));
}

/** DOCKER_AUTH_CONFIG: {"auths": …}, for pipelines that have no file; it goes first. */
async function environmentAuths(cli: Cli): Promise<Fields> {
  const value = cli.variable("DOCKER_AUTH_CONFIG");
  if (value === undefined || value === "") return {};
  try {
    const document: unknown = JSON.parse(value);
    return child(fieldsOf(document), "auths");
  } catch (error) {
    // Its text is a secret: the parser's message may quote it.
    await cli.warn(
      `WARNING: DOCKER_AUTH_CONFIG is not JSON${error instanceof SyntaxError ? "" : `: ${messageOf(error)}`}`,
    );
    return {};
  }
}
