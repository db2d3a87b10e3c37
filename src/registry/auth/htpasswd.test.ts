import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHtpasswd, parseHtpasswd } from "./htpasswd.ts";

/** Of the password "U*U". */
const HASH = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

function file(text: string): string {
  const directory = mkdtempSync(join(tmpdir(), "htpasswd-"));
  directories.push(directory);
  writeFileSync(join(directory, "users"), text);
  return join(directory, "users");
}

test("users are told from strangers, and wrong passwords from right ones", async () => {
  const users = openHtpasswd(file(`# comment\n\nalice:${HASH}\n__proto__:${HASH}\n`), Date.now);
  expect(await users.verify("alice", "U*U")).toBe(true);
  expect(await users.verify("__proto__", "U*U")).toBe(true);
  expect(await users.verify("alice", "U*V")).toBe(false);
  expect(await users.verify("bob", "U*U")).toBe(false);
  expect(await users.verify("constructor", "U*U")).toBe(false);
  expect(await users.verify("alice", "x".repeat(5000))).toBe(false);
});

test("of a long password the first 72 bytes count, as for htpasswd", async () => {
  // A published vector of crypt_blowfish.
  const long =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored";
  const users = openHtpasswd(
    file("alice:$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui\n"),
    Date.now,
  );
  expect(await users.verify("alice", long)).toBe(true);
  expect(await users.verify("alice", long.slice(0, 71))).toBe(false);
});

test("a password that was right is not computed again, until it is old", async () => {
  let now = 0;
  const costly = HASH.replace("$05$", "$09$");
  const users = openHtpasswd(file(`alice:${HASH}\nslow:${costly}\n`), () => now);
  await users.verify("alice", "U*U");
  const time = async (): Promise<number> => {
    const start = performance.now();
    for (let i = 0; i < 20; i++) expect(await users.verify("alice", "U*U")).toBe(true);
    return performance.now() - start;
  };
  const remembered = await time();
  now += 6 * 60_000;
  const start = performance.now();
  await users.verify("alice", "U*U");
  expect(remembered / 20).toBeLessThan(performance.now() - start);
});

test("nobody can tell by the time that there is no such user", async () => {
  const users = openHtpasswd(file(`alice:${HASH.replace("$05$", "$09$")}\n`), Date.now);
  const time = async (user: string): Promise<number> => {
    const start = performance.now();
    await users.verify(user, "wrong");
    return performance.now() - start;
  };
  await time("warm-up");
  const [there, notThere] = [await time("alice"), await time("nobody")];
  expect(notThere).toBeGreaterThan(there / 4);
});

test("a changed file counts at once, a missing one not at all", async () => {
  const path = file(`alice:${HASH}\n`);
  const users = openHtpasswd(path, Date.now);
  expect(await users.verify("alice", "U*U")).toBe(true);
  writeFileSync(`${path}.new`, `bob:${HASH}\n`);
  renameSync(`${path}.new`, path);
  expect(await users.verify("alice", "U*U")).toBe(false);
  expect(await users.verify("bob", "U*U")).toBe(true);
  rmSync(path);
  expect(await users.verify("bob", "U*U")).toBe(true);
});

test("too many who wait for their password are turned away", async () => {
  const users = openHtpasswd(file(`alice:${HASH}\n`), Date.now);
  const answers = await Promise.allSettled(
    Array.from({ length: 50 }, (_, i) => users.verify("alice", `wrong ${i}`)),
  );
  const refused = answers.filter(({ status }) => status === "rejected");
  expect(refused.length).toBe(18);
  expect(await users.verify("alice", "U*U")).toBe(true);
});

test.each(["alice", "alice:", `:${HASH}`, "alice:secret", "alice:{SHA}x", `ok:${HASH}\nbad:x`])(
  "%p is refused with the line",
  (text) => {
    expect(() => parseHtpasswd(text)).toThrow(/line \d is not "user:bcrypt hash"/);
  },
);

test("a file that is not there is refused by name", () => {
  expect(() => openHtpasswd("/nonexistent/users", Date.now)).toThrow(
    'cannot read the users of "/nonexistent/users"',
  );
});

/** Published test vectors of crypt_blowfish, with the letters that different writers use. */
test.each([
  ["U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"],
  ["U*U*", "$2y$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"],
  ["U*U*U", "$2b$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"],
])("%s is known by its published hash", async (password, hash) => {
  const users = openHtpasswd(file(`alice:${hash}\n`), Date.now);
  expect(await users.verify("alice", password)).toBe(true);
  expect(await users.verify("alice", `x${password}`)).toBe(false);
  expect(await users.verify("alice", "")).toBe(false);
});

test.each([
  "",
  "secret",
  "$apr1$salt$hash",
  "{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
  "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
  "$2y$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
  "$2y$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
  "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe",
])("%p is no hash that can be paid", (hash) => {
  expect(() => parseHtpasswd(`alice:${hash}\n`)).toThrow('line 1 is not "user:bcrypt hash"');
});
