/** What every implementation of Content must do. Each test gets a fresh store; `reopen` is what the next start finds. */
import { describe, expect, test } from "bun:test";
import { isCategory } from "../../base/errors.ts";
import { rejection } from "../../base/testing/rejection.ts";
import { sha256Of } from "../../specs/oci-image/digest.ts";
import type { BlobHolder, Content } from "./content.ts";

export interface ContentUnderTest {
  readonly content: Content;
  /** As if the process had been killed here and started again. */
  readonly reopen: () => Promise<Content>;
  /** Overwrites the first byte of a stored blob behind the store's back. */
  readonly damage: (digest: string) => Promise<void>;
}

const NOBODY: BlobHolder = { holdBlob: () => {} };
const NEVER = new AbortController().signal;

export function contentSuite(name: string, make: () => Promise<ContentUnderTest>): void {
  describe(name, () => {
    test("a committed blob can be read, listed and found by the next start", async () => {
      const { content, reopen } = await make();
      const blob = await content.ingest(NOBODY, chunks("hello ", "world"), {}, NEVER);
      expect(blob).toEqual({ digest: sha256Of("hello world"), sizeBytes: 11 });
      for (const store of [content, await reopen()]) {
        expect(store.stat(blob.digest)).toEqual(blob);
        expect(store.list()).toEqual([blob]);
        expect(await textOf(store.open(blob.digest, { verify: true }))).toBe("hello world");
        expect((await store.read(blob.digest, 11)).toString()).toBe("hello world");
      }
    });

    test("an empty blob is a blob", async () => {
      const { content, reopen } = await make();
      const { digest } = await content.ingest(NOBODY, chunks(), {}, NEVER);
      expect((await content.read(digest, 0)).length).toBe(0);
      expect((await reopen()).stat(digest)?.sizeBytes).toBe(0);
    });

    test("what is not committed does not exist, now or after a crash", async () => {
      const { content, reopen } = await make();
      const ingest = await content.begin(NOBODY);
      await ingest.write(Buffer.from("half"));
      expect(content.list()).toEqual([]);
      const next = await reopen();
      expect(next.list()).toEqual([]);
      await ingest.abort();
      expect(next.list()).toEqual([]);
    });

    test("a blob larger than all buffers comes back byte for byte", async () => {
      const { content } = await make();
      const part = Buffer.alloc(1 << 20);
      for (let i = 0; i < part.length; i++) part[i] = (i * 31 + (i >> 8)) & 0xff;
      const ingest = await content.begin(NOBODY);
      for (let i = 0; i < 20; i++) await ingest.write(Buffer.concat([Buffer.from([i]), part]));
      const blob = await ingest.commit({ sizeBytes: 20 * (part.length + 1) });
      let at = 0;
      for await (const bytes of content.open(blob.digest, { verify: true })) at += bytes.length;
      expect(at).toBe(blob.sizeBytes);
    });

    test("commit() refuses another digest or size than expected and leaves nothing", async () => {
      const { content, reopen } = await make();
      const wrong = await rejection(
        content.ingest(NOBODY, chunks("hello"), { digest: sha256Of("other") }, NEVER),
      );
      expect(isCategory(wrong, "invalid_argument")).toBe(true);
      expect(wrong.message).toContain(`instead of "${sha256Of("other")}"`);
      const short = await rejection(content.ingest(NOBODY, chunks("hello"), { sizeBytes: 6 }, NEVER));
      expect(short.message).toBe("blob has 5 bytes instead of 6");
      const long = await rejection(content.ingest(NOBODY, chunks("hel", "lo"), { sizeBytes: 4 }, NEVER));
      expect(long.message).toBe("blob is longer than the expected 4 bytes");
      expect(content.list()).toEqual([]);
      expect((await reopen()).list()).toEqual([]);
    });

    test("ingest() ends with the signal and leaves nothing", async () => {
      const { content } = await make();
      const abort = new AbortController();
      async function* endless(): AsyncGenerator<Uint8Array> {
        for (let i = 0; ; i++) {
          if (i === 3) abort.abort(new Error("client went away"));
          yield Buffer.from("more");
        }
      }
      const error = await rejection(content.ingest(NOBODY, endless(), {}, abort.signal));
      expect(error.message).toBe("client went away");
      expect(content.list()).toEqual([]);
    });

    test("ingest() passes on what its source throws", async () => {
      const { content } = await make();
      async function* broken(): AsyncGenerator<Uint8Array> {
        yield Buffer.from("some");
        throw new Error("connection reset");
      }
      expect((await rejection(content.ingest(NOBODY, broken(), {}, NEVER))).message).toBe("connection reset");
    });

    test("many writers of one digest all succeed", async () => {
      const { content, reopen } = await make();
      const blobs = await Promise.all(
        Array.from({ length: 8 }, () =>
          content.ingest(NOBODY, chunks("same"), { digest: sha256Of("same") }, NEVER),
        ),
      );
      expect(new Set(blobs.map((blob) => blob.digest)).size).toBe(1);
      expect((await reopen()).list().length).toBe(1);
    });

    test("the holder knows the digest before the blob exists", async () => {
      const { content } = await make();
      const held: unknown[] = [];
      const holder = { holdBlob: (digest: string) => held.push(digest, content.stat(digest)) };
      const { digest } = await content.ingest(holder, chunks("hello"), {}, NEVER);
      expect(held).toEqual([digest, undefined]);
    });

    test("abort() is fine twice and after commit()", async () => {
      const { content } = await make();
      const ingest = await content.begin(NOBODY);
      await ingest.abort();
      await ingest.abort();
      const committed = await content.begin(NOBODY);
      const { digest } = await committed.commit();
      await committed.abort();
      expect(content.stat(digest)).toBeDefined();
    });

    test("delete() forgets at once, is fine twice, and lets a reader finish", async () => {
      const { content, reopen } = await make();
      const { digest } = await content.ingest(NOBODY, chunks("x".repeat(600_000)), {}, NEVER);
      let read = 0;
      for await (const bytes of content.open(digest, { verify: true })) {
        if (read === 0) await content.delete(digest);
        read += bytes.length;
      }
      expect(read).toBe(600_000);
      await content.delete(digest);
      expect(content.stat(digest)).toBeUndefined();
      expect(isCategory(await rejection(content.read(digest, 1 << 20)), "not_found")).toBe(true);
      expect((await reopen()).list()).toEqual([]);
    });

    test("a damaged blob is reported by a verifying reader", async () => {
      const { content, damage } = await make();
      const { digest } = await content.ingest(NOBODY, chunks("hello"), {}, NEVER);
      await damage(digest);
      const error = await rejection(textOf(content.open(digest, { verify: true })));
      expect(isCategory(error, "internal")).toBe(true);
      expect(error.message).toContain("is damaged");
      expect((await rejection(content.read(digest, 100))).message).toContain("is damaged");
      expect(await textOf(content.open(digest, { verify: false }))).not.toBe("hello");
    });

    test("read() refuses a blob that is larger than the caller can take", async () => {
      const { content } = await make();
      const { digest } = await content.ingest(NOBODY, chunks("hello"), {}, NEVER);
      expect(isCategory(await rejection(content.read(digest, 4)), "invalid_argument")).toBe(true);
    });
  });
}

async function* chunks(...parts: string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

async function textOf(source: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const bytes of source) parts.push(bytes);
  return Buffer.concat(parts).toString();
}
