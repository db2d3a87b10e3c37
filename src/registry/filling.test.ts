import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NO_LOG } from "../base/log.ts";
import { rejection } from "../base/testing/rejection.ts";
import { openContent } from "../core/content/local-store.ts";
import { sha256Of } from "../specs/oci-image/digest.ts";
import { Filling } from "./filling.ts";

const root = mkdtempSync(join(tmpdir(), "filling-"));
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A blob whose bytes all arrive, and whose end does not before `release`. */
function begun(bytes: Buffer, digest: string) {
  const content = openContent(root, NO_LOG);
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  async function* source(): AsyncGenerator<Uint8Array> {
    yield bytes;
    await released;
  }
  const filling = new Filling(content, { digest, sizeBytes: bytes.length }, async (follow) =>
    follow(await content.begin({ holdBlob: () => {} }), source()),
  );
  return { filling, release };
}

async function nextOf(reader: AsyncGenerator<Uint8Array>): Promise<string> {
  const { value } = await reader.next();
  return value === undefined ? "the end" : Buffer.from(value).toString();
}

test("a reader has all but the last byte until the digest is known to be right", async () => {
  const { filling, release } = begun(Buffer.from("hello"), sha256Of("hello"));
  const reader = filling.read();
  expect(await nextOf(reader)).toBe("hell");
  const last = nextOf(reader);
  release();
  expect(await last).toBe("o");
  expect(await nextOf(reader)).toBe("the end");
  await filling.done;
});

test("a reader never has the last byte of a blob that is another one", async () => {
  const { filling, release } = begun(Buffer.from("hullo"), sha256Of("hello"));
  const reader = filling.read();
  expect(await nextOf(reader)).toBe("hull");
  const last = reader.next();
  last.catch(() => {});
  release();
  expect((await rejection(last)).message).toContain("instead of");
  expect((await rejection(filling.done)).message).toContain("instead of");
});

test("one byte and none are blobs, too", async () => {
  for (const text of ["x", ""]) {
    const { filling, release } = begun(Buffer.from(text), sha256Of(text));
    release();
    const all: Uint8Array[] = [];
    for await (const bytes of filling.read()) all.push(bytes);
    expect(Buffer.concat(all).toString()).toBe(text);
  }
});
