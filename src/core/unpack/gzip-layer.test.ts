import { expect, test } from "bun:test";
import { gunzipSync } from "node:zlib";
import { rejection } from "../../base/testing/rejection.ts";
import { gzipped } from "./gzip-layer.ts";

async function* chunks(...parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

async function all(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}

test("gzipped() gives the same bytes however they come, with nothing of the time or host in them", async () => {
  const bytes = Buffer.from("a layer ".repeat(50_000));
  const whole = await all(gzipped(chunks(bytes)));
  const parted = await all(
    gzipped(chunks(bytes.subarray(0, 7), bytes.subarray(7, 100_000), bytes.subarray(100_000))),
  );
  expect(parted.equals(whole)).toBe(true);
  expect(gunzipSync(whole).equals(bytes)).toBe(true);
  expect(whole.subarray(4, 8).readUInt32LE()).toBe(0);
});

test("gzipped() throws what its source throws", async () => {
  const broken = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from("x");
    throw new Error("torn");
  };
  expect((await rejection(all(gzipped(broken())))).message).toBe("torn");
});
