import { expect, test } from "bun:test";
import { type Deed, Ledger, randomDeed } from "./network-deeds.ts";
import { fits } from "./network-reach.ts";
import { seeded } from "../support/random.ts";

const deed = (about: readonly string[], ...claims: Deed["claims"]): Deed => ({ words: [], about, claims });

test("what was answered counts until the next deed about it", () => {
  const ledger = new Ledger();
  ledger.note([[deed(["n1"], ["network n1", true]), true]]);
  ledger.note([[deed(["c1"], ["running c1", true], ["c1 in n1", true]), true]]);
  expect(ledger.all()).toEqual([
    ["network n1", true],
    ["running c1", true],
    ["c1 in n1", true],
  ]);
  // Cut off: nobody knows.
  ledger.note([[deed(["n1", "c1"], ["c1 in n1", false]), false]]);
  expect(ledger.all()).toEqual([
    ["network n1", true],
    ["running c1", true],
  ]);
  ledger.note([[deed(["c1"], ["running c1", false]), true]]);
  expect(ledger.all()).toEqual([
    ["network n1", true],
    ["running c1", false],
  ]);
});

test("of two at a time about the same nothing is known, and a prune may be about every network", () => {
  const ledger = new Ledger();
  ledger.note([
    [deed(["n1"], ["network n1", true]), true],
    [deed(["n1"], ["network n1", false]), true],
    [deed(["n2"], ["network n2", true]), true],
  ]);
  expect(ledger.all()).toEqual([["network n2", true]]);
  ledger.note([[deed([]), true]]);
  expect(ledger.all()).toEqual([]);
});

test("deeds are mostly about what there is", () => {
  const random = seeded("deeds");
  const seen = { networks: ["n1"], running: ["c1"], stopped: [] };
  const deeds = Array.from({ length: 500 }, () => randomDeed(random, seen));
  const connects = deeds.filter(({ words }) => words[1] === "connect");
  expect(connects.length).toBeGreaterThan(20);
  expect(connects.filter(({ about }) => about.join(" ") === "n1 c1").length).toBeGreaterThan(
    connects.length / 2,
  );
});

test("a name is answered with at least one of its addresses and no other", () => {
  expect(
    ["10.0.0.2", "10.0.0.2 fd00::2", "", "10.0.0.3"].map((answer) => fits(answer, "10.0.0.2 fd00::2")),
  ).toEqual([true, true, false, false]);
});
