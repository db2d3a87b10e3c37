import { gunzipSync } from "node:zlib";
import { expect, test } from "bun:test";
import { rejection } from "../../base/testing/rejection.ts";
import { GzipWriter } from "./gzip.ts";

async function packed(bytes: Uint8Array, size: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  const writer = new GzipWriter({
    write: (part) => {
      parts.push(part);
      return Promise.resolve();
    },
  });
  for (let at = 0; at < bytes.length; at += size) await writer.write(bytes.subarray(at, at + size));
  await writer.end();
  return Buffer.concat(parts);
}

test.each([0, 1, (1 << 20) - 1, 1 << 20, (5 << 20) + 7])(
  "%i bytes come back, and are the same however they came",
  async (size) => {
    const bytes = Buffer.alloc(size, "some text that repeats\n");
    const once = await packed(bytes, 65_536);
    expect(gunzipSync(once).equals(bytes)).toBe(true);
    expect((await packed(bytes, 1_000_003)).equals(once)).toBe(true);
  },
);

test("a full disk is told to who writes", async () => {
  const writer = new GzipWriter({ write: () => Promise.reject(new Error("no space left on device")) });
  const writing = (async () => {
    for (let i = 0; i < 20; i++) await writer.write(Buffer.alloc(1 << 20));
  })();
  expect((await rejection(writing)).message).toBe("no space left on device");
});
