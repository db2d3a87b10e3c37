import { expect, test } from "bun:test";
import { spent } from "./spent.ts";

async function* given(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}

test("a piece is there until the next is asked for, and no longer", async () => {
  const pieces = [1, 2, 3].map((fill) => Buffer.alloc(10_000, fill));
  const seen: (readonly number[])[] = [];
  for await (const piece of spent(given(pieces))) {
    expect(piece.length).toBe(10_000);
    seen.push(pieces.map(({ length }) => length));
  }
  expect(seen).toEqual([
    [10_000, 10_000, 10_000],
    [0, 10_000, 10_000],
    [0, 0, 10_000],
  ]);
  expect(pieces.map(({ length }) => length)).toEqual([0, 0, 0]);
});

test("what else is in a piece's memory stays", async () => {
  const whole = Buffer.alloc(20_000, 7);
  const shared = new Uint8Array(new SharedArrayBuffer(10));
  for await (const _ of spent(given([whole.subarray(0, 10_000), whole.subarray(10_000), shared]))) continue;
  expect([whole.length, whole[15_000], shared.length]).toEqual([20_000, 7, 10]);
});
