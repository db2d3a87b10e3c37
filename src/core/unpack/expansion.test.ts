import { expect, test } from "bun:test";
import { rejection } from "../../base/testing/rejection.ts";
import { Expansion } from "./expansion.ts";

const LIMITS = { maxRatio: 10, freeBytes: 50, maxBytes: 1000 };

async function* bytes(count: number): AsyncGenerator<Uint8Array> {
  yield Buffer.alloc(count);
}

async function expanded(expansion: Expansion, read: number, into: number): Promise<void> {
  for await (const _ of expansion.counted(bytes(read))) continue;
  for await (const _ of expansion.limited(bytes(into))) continue;
}

test("what expands beyond its ratio is refused as a bomb", async () => {
  await expanded(new Expansion(LIMITS), 0, 50);
  await expanded(new Expansion(LIMITS), 10, 100);
  const error = await rejection(expanded(new Expansion(LIMITS), 10, 101));
  expect(error.message).toBe(
    "archive expands to more than 100 bytes from 10: refused as a decompression bomb",
  );
  expect((await rejection(expanded(new Expansion(LIMITS), 500, 1001))).message).toContain("more than 1000");
});

test("bytes that an earlier attempt has left justify as much as others", async () => {
  const expansion = new Expansion(LIMITS);
  expansion.count(10);
  await expanded(expansion, 0, 100);
});
