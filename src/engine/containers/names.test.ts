import { expect, test } from "bun:test";
import { ADJECTIVES, checkName, generateName, SURNAMES } from "./names.ts";

test("checkName() accepts Docker's grammar with and without the slash", () => {
  for (const name of ["ab", "a1", "A.b_c-d", "0x", "/web"])
    expect(checkName(name)).toBe(name.replace("/", ""));
});

test("checkName() refuses everything else", () => {
  for (const name of ["", "a", "-ab", ".ab", "a/b", "a b", "ab\n", "é1", "//ab", "a".repeat(256), "../x"])
    expect(() => checkName(name)).toThrow("Invalid container name");
});

test("the lists are long enough and every pair is a name", () => {
  expect(ADJECTIVES.length).toBeGreaterThanOrEqual(100);
  expect(SURNAMES.length).toBeGreaterThanOrEqual(200);
  for (const word of [...ADJECTIVES, ...SURNAMES]) expect(word).toMatch(/^[a-z]{3,}$/);
});

test("generateName() adds a digit when the first pair is taken", () => {
  let asked = 0;
  const name = generateName("f".repeat(64), () => ++asked === 1);
  expect(name).toMatch(/^[a-z]+_[a-z]+[0-9]$/);
});

test("generateName() falls back to the short id when all are taken", () => {
  expect(generateName("0123456789abcdef", () => true)).toBe("0123456789ab");
});
