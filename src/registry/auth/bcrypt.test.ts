import { describe, expect, test } from "bun:test";
import { blowfishTables } from "./blowfish-tables.ts";
import { matchesBcrypt, parseBcrypt } from "./bcrypt.ts";

/** Published test vectors of crypt_blowfish, with the letters that different writers use. */
const VECTORS = [
  ["U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"],
  ["U*U*", "$2y$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"],
  ["U*U*U", "$2b$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"],
  [
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored",
    "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
  ],
] as const;

describe("bcrypt", () => {
  test.each(VECTORS)("%s matches its published hash and no other password does", async (password, text) => {
    const hash = parseBcrypt(text);
    if (hash === undefined) throw new Error("not parsed");
    expect(await matchesBcrypt(password, hash)).toBe(true);
    expect(await matchesBcrypt(`x${password}`, hash)).toBe(false);
    expect(await matchesBcrypt("", hash)).toBe(false);
  });

  test.each(["secret", "pässwörd 𝄞", "a".repeat(71)])(
    "agrees with the runtime's own about %s",
    async (password) => {
      const hash = parseBcrypt(await Bun.password.hash(password, { algorithm: "bcrypt", cost: 4 }));
      if (hash === undefined) throw new Error("not parsed");
      expect(await matchesBcrypt(password, hash)).toBe(true);
    },
  );

  test.each([
    "",
    "secret",
    "$apr1$salt$hash",
    "{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
    "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "$2y$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "$2y$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe",
  ])("%p is none that can be paid", (text) => {
    expect(parseBcrypt(text)).toBeUndefined();
  });

  test("lets others run while it works", async () => {
    const hash = parseBcrypt("$2y$10$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW");
    if (hash === undefined) throw new Error("not parsed");
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await matchesBcrypt("anything", hash);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(5);
  });
});

test("the tables begin and end with the known digits of π", () => {
  const { subkeys, boxes } = blowfishTables();
  const hex = (word: number | undefined): string => ((word ?? 0) >>> 0).toString(16);
  expect([hex(subkeys[0]), hex(subkeys[17]), hex(boxes[0]), hex(boxes[1023])]).toEqual([
    "243f6a88",
    "8979fb1b",
    "d1310ba6",
    "3ac372e6",
  ]);
});
