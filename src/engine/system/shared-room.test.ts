import { expect, test } from "bun:test";
import { sharedRoom } from "./make-room.ts";

test("calls at the same time share one search", async () => {
  const gate = Promise.withResolvers<boolean>();
  let searches = 0;
  const room = sharedRoom(() => {
    searches++;
    return gate.promise;
  });
  const both = Promise.all([room.make(0), room.make(0)]);
  gate.resolve(true);
  expect(await both).toEqual([true, true]);
  expect([searches, room.times]).toEqual([1, 1]);
});

test("room that was made since somebody's work began is his, too, and no longer", async () => {
  const found = [true, false, false];
  const room = sharedRoom(() => Promise.resolve(found.shift() ?? false));
  const seen = room.times;
  expect(await room.make(seen)).toBe(true);
  expect(await room.make(seen)).toBe(true); // he hears of the full disk only now
  expect(await room.make(room.times)).toBe(false);
});
