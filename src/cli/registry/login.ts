import { readAllInput } from "./password-input.ts";
import { isCategory, messageOf } from "../../base/errors.ts";
import { fieldsOf, text } from "../../client/fields.ts";
import type { Cli } from "../cli.ts";
import type { Command } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { isTerminal } from "../terminal.ts";
import { HUB_KEY, keyOfServer, placeOfKey } from "./account-key.ts";
import { type Account, accountFor, helperFor } from "./accounts.ts";
import { storeAccount } from "./keep.ts";

const HUB_HELP = `Log in with your Docker ID or email address to push and pull images from Docker Hub. If you don't have a Docker ID, head over to https://hub.docker.com/ to create one.
You can log in with your password or a Personal Access Token (PAT). Using a limited-scope PAT grants better security and is required for organizations using SSO. Learn more at https://docs.docker.com/go/access-tokens/
`;

interface Given {
  readonly username: string;
  readonly password: string;
}

export function command(): Command {
  const flags = new FlagSet();
  const password = flags.string("password", "", "Password", { short: "p" });
  const fromInput = flags.bool("password-stdin", false, "Take the password from stdin");
  const username = flags.string("username", "", "Username", { short: "u" });
  return {
    usage: "[OPTIONS] [SERVER]",
    flags,
    arguments: { least: 0, most: 1 },
    async run(cli, [server = ""]) {
      const given = { username: username.value, password: password.value };
      if (password.value !== "") {
        await cli.warn("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
        if (fromInput.value) throw new Exit(1, "--password and --password-stdin are mutually exclusive");
      }
      if (fromInput.value && username.value === "")
        throw new Exit(1, "Must provide --username with --password-stdin");
      const key = keyOfServer(server);
      const known = given.username === "" && given.password === "" ? await knownAccount(cli, key) : undefined;
      if (!fromInput.value && known !== undefined && (await logInAgain(cli, known))) return 0;
      const account = fromInput.value
        ? { username: given.username, password: await readAllInput() }
        : await questions(cli, key, given, known?.username ?? "");
      await logIn(cli, { ...account, serveraddress: key });
      return 0;
    },
  };
}

/** A secret that is kept for just this key. */
async function knownAccount(cli: Cli, key: string): Promise<Account | undefined> {
  const account = await accountFor(cli, placeOfKey(key));
  return account !== undefined && placeOfKey(account.serveraddress) === placeOfKey(key) ? account : undefined;
}

async function logInAgain(cli: Cli, account: Account): Promise<boolean> {
  await cli.print("Authenticating with existing credentials...");
  try {
    await logIn(cli, account);
    return true;
  } catch (error) {
    if (!isCategory(error, "unauthorized")) throw error;
    await cli.warn(`Login did not succeed, error: Error response from daemon: ${messageOf(error)}`);
    return false;
  }
}

async function questions(cli: Cli, key: string, given: Given, before: string): Promise<Given> {
  if (given.username !== "" && given.password !== "") return given;
  if (!(await isTerminal(0)))
    throw new Exit(1, "Error: Cannot perform an interactive login from a non TTY device");
  const { ask } = await import("./prompt.ts");
  let { username } = given;
  if (username === "") {
    if (key === HUB_KEY) await cli.print(HUB_HELP);
    const answer = (await ask(cli, before === "" ? "Username: " : `Username (${before}): `, true)).trim();
    username = answer === "" ? before : answer;
  }
  if (username === "") throw new Exit(1, "Error: Non-null Username Required");
  const password = given.password === "" ? await ask(cli, "Password: ", false) : given.password;
  if (password === "") throw new Exit(1, "Error: Password Required");
  return { username, password };
}

async function logIn(cli: Cli, account: Account): Promise<void> {
  const engine = await cli.engine();
  const answer = fieldsOf(await engine.json({ method: "POST", path: "/auth", json: account }));
  const identityToken = text(answer, "IdentityToken");
  const secret = identityToken === "" ? (account.password ?? "") : identityToken;
  const key = account.serveraddress;
  const config = await cli.config();
  if (helperFor(config, key) === "" && identityToken === "" && secret !== "")
    await cli.warn(
      `WARNING! Your password will be stored unencrypted in ${config.directory}/config.json.\nConfigure a credential helper to remove this warning. See\nhttps://docs.docker.com/go/credential-store/\n`,
    );
  if (secret !== "")
    await storeAccount(cli, key, { username: account.username ?? "", secret, isToken: identityToken !== "" });
  await cli.print(text(answer, "Status") || "Login Succeeded");
}
