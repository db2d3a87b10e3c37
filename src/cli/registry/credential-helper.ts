/**
 * Credential helpers: programs `docker-credential-NAME` that keep secrets elsewhere. They are asked on standard input:
 *
 *     get    SERVER                          {"ServerURL", "Username", "Secret"}
 *     store  {"ServerURL", "Username", "Secret"}
 *     erase  SERVER
 *     list                                   {SERVER: USERNAME, …}
 *
 * A user name of "<token>" means that the secret is an identity token.
 */
import { fail, messageOf } from "../../base/errors.ts";
import { runProgram } from "../../base/process.ts";
import { fieldsOf, text } from "../../client/fields.ts";

export interface HelperAnswer {
  readonly username: string;
  readonly secret: string;
}

/** Some ask the user, or a machine far away. */
const ANSWER_MS = 60_000;
const MAX_ANSWER_BYTES = 1 << 20;
const NOT_FOUND = "credentials not found in native keychain";
export const TOKEN_USER = "<token>";

/** Undefined when the helper has none for this server. */
export async function getFromHelper(name: string, server: string): Promise<HelperAnswer | undefined> {
  const answer = await ask(name, "get", server);
  if (answer === undefined) return undefined;
  const fields = fieldsOf(parse(name, answer));
  return { username: text(fields, "Username"), secret: text(fields, "Secret") };
}

export async function storeInHelper(
  name: string,
  server: string,
  { username, secret }: HelperAnswer,
): Promise<void> {
  await ask(name, "store", JSON.stringify({ ServerURL: server, Username: username, Secret: secret }));
}

/** One that it does not have is fine. */
export async function eraseFromHelper(name: string, server: string): Promise<void> {
  await ask(name, "erase", server);
}

/** Servers that it has something for. */
export async function listHelper(name: string): Promise<readonly string[]> {
  const answer = await ask(name, "list", "");
  return answer === undefined ? [] : Object.keys(fieldsOf(parse(name, answer)));
}

async function ask(name: string, action: string, input: string): Promise<string | undefined> {
  // It becomes the name of a program that is looked for in the search path, nowhere else.
  if (!/^[\w.-]{1,64}$/.test(name))
    throw fail(
      "invalid_argument",
      `invalid name of a credential helper: ${JSON.stringify(name.slice(0, 80))}`,
    );
  const program = `docker-credential-${name}`;
  let result: Awaited<ReturnType<typeof runProgram>>;
  try {
    const limits = { timeoutMs: ANSWER_MS, maxBytes: MAX_ANSWER_BYTES, stdin: Buffer.from(input) };
    result = await runProgram(program, [action], limits);
  } catch (error) {
    const isMissing = /ENOENT|not found/.test(messageOf(error));
    const why = isMissing ? `exec: "${program}": executable file not found in $PATH` : messageOf(error);
    throw fail("unavailable", `error calling credential helper - err: ${why}`, error);
  }
  if (result.exitCode === 0) return result.stdout;
  const said = (result.stdout.trim() || result.stderr.trim()).slice(0, 500);
  if (said.includes(NOT_FOUND)) return undefined;
  throw fail(
    "unavailable",
    `error calling credential helper - err: ${program} ${action} exited with status ${result.exitCode}, out: ${JSON.stringify(said)}`,
  );
}

/** What it printed holds a secret: it is in no message. */
function parse(name: string, answer: string): unknown {
  try {
    const document: unknown = JSON.parse(answer);
    return document;
  } catch {
    throw fail("unavailable", `the answer of docker-credential-${name} is not JSON`);
  }
}
