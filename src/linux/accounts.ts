/** Users and groups of the host, by name or number, as its own programs see them: getent(1) asks every source that it has. */
import { fail } from "../base/errors.ts";
import { runProgram } from "../base/process.ts";

export interface Account {
  readonly name: string;
  readonly id: number;
}

export type FindAccount = (kind: "passwd" | "group", key: string) => Promise<Account | undefined>;

const LIMITS = { timeoutMs: 10_000, maxBytes: 1 << 20 };

/** What getent exits with when it has not found the key. */
const NOT_FOUND = 2;

/** Throws `invalid_argument` for what cannot be a name, `unavailable` when the host cannot be asked. */
export const findAccount: FindAccount = async (kind, key) => {
  if (!/^[A-Za-z0-9_][\w.@-]{0,255}\$?$/.test(key))
    throw fail("invalid_argument", `${JSON.stringify(key.slice(0, 100))} is not the name of a user or group`);
  const { exitCode, stdout, stderr } = await runProgram("getent", [kind, key], LIMITS);
  if (exitCode === NOT_FOUND) return undefined;
  if (exitCode !== 0) throw fail("unavailable", `cannot look up "${key}": ${stderr.trim()}`);
  return accountIn(stdout);
};

/** NAME:PASSWORD:ID:… passwd(5), group(5) */
export function accountIn(text: string): Account {
  const [name = "", , id = ""] = text.split("\n", 1)[0]?.split(":") ?? [];
  if (name === "" || !/^\d{1,10}$/.test(id))
    throw fail("unavailable", `${JSON.stringify(text.slice(0, 100))} is not a user or group`);
  return { name, id: Number(id) };
}
