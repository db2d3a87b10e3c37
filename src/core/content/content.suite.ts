/** What every implementation of Content must do. Each test gets a fresh store; `reopen` is what the next start finds. */
import { describe, expect, test } from "bun:test";
import { isCategory } from "../../base/errors.ts";
import { rejection } from "../../base/testing/rejection.ts";
import { sha256Of } from "../../specs/oci-image/digest.ts";
import type { BlobHolder, Content, Ingest } from "./content.ts";

export interface ContentUnderTest {
  readonly content: Content;
  /** As if the process had been killed here and started again. */
  readonly reopen: () => Promise<Content>;
  /** Overwrites the first byte of a stored blob behind the store's back. */
  readonly damage: (digest: string) => Promise<void>;
  /** The same with a partial blob. */
  readonly damagePartial: (name: string) => Promise<void>;
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

    test("read() follows the writer, and stops with the ingest", async () => {
      const { content } = await make();
      for (const name of [undefined, "followed"]) {
        const ingest = await content.begin(NOBODY, name);
        expect((await ingest.read(0, 10)).toString()).toBe("");
        await ingest.write(Buffer.from("hello "));
        expect((await ingest.read(0, 3)).toString()).toBe("hel");
        await ingest.write(Buffer.from("world"));
        expect((await ingest.read(6, 100)).toString()).toBe("world");
        expect((await ingest.read(3, 100)).toString()).toBe("lo world");
        expect((await ingest.read(11, 100)).toString()).toBe("");
        expect((await ingest.read(99, 100)).toString()).toBe("");
        await ingest.commit({ digest: sha256Of("hello world") });
        expect((await rejection(ingest.read(0, 1))).message).toContain("has ended");
      }
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

    test("open() reads a range, and refuses one that the blob does not have", async () => {
      const { content } = await make();
      const { digest } = await content.ingest(NOBODY, chunks("hello ", "world"), {}, NEVER);
      const range = (offset: number, length?: number): Promise<string> => {
        const wanted = length === undefined ? { offset } : { offset, length };
        return textOf(content.open(digest, { verify: false, range: wanted }));
      };
      expect(await range(6)).toBe("world");
      expect(await range(4, 4)).toBe("o wo");
      expect(await range(11)).toBe("");
      expect(await range(3, 0)).toBe("");
      for (const [offset, length] of [[12], [-1], [0, 12], [5, -1], [0.5], [0, Number.NaN]] as const)
        expect(isCategory(await rejection(range(offset, length)), "invalid_argument")).toBe(true);
    });

    test("a named ingest goes on where it was suspended", async () => {
      const { content } = await make();
      await left(content, "sha256:ab", "hello ");
      expect(content.partials()).toMatchObject([{ name: "sha256:ab", sizeBytes: 6, isBeingWritten: false }]);
      const ingest = await content.begin(NOBODY, "sha256:ab");
      expect(ingest.sizeBytes).toBe(6);
      await ingest.write(Buffer.from("world"));
      expect(content.partials()).toMatchObject([{ sizeBytes: 11, isBeingWritten: true }]);
      expect(await ingest.commit({ digest: sha256Of("hello world") })).toMatchObject({ sizeBytes: 11 });
      expect(content.partials()).toEqual([]);
      expect(await textOf(content.open(sha256Of("hello world"), { verify: true }))).toBe("hello world");
      const again = await content.begin(NOBODY, "sha256:ab");
      expect(again.sizeBytes).toBe(0);
      await again.abort();
    });

    test("a named ingest gives back what it found, and nothing that was written since", async () => {
      const { content } = await make();
      const bytes = "found ".repeat(100_000);
      await left(content, "upload", bytes);
      const second = await content.begin(NOBODY, "upload");
      await second.write(Buffer.from("more"));
      expect(await textOf(second.found())).toBe(bytes);
      await second.commit({ sizeBytes: bytes.length + 4 });
      expect((await rejection(textOf(second.found()))).message).toContain("its ingest has ended");
      const unnamed = await content.begin(NOBODY);
      await unnamed.write(Buffer.from("x"));
      expect(await textOf(unnamed.found())).toBe("");
      await unnamed.abort();
    });

    test("a named ingest goes on after a crash, from suspend() or from the middle", async () => {
      const { content, reopen } = await make();
      await left(content, "suspended", "hello ");
      const lost = await content.begin(NOBODY, "lost");
      for (const part of ["hello", " "]) await lost.write(Buffer.from(part));
      const next = await reopen();
      expect(next.partials().map(({ name }) => name)).toContain("suspended");
      for (const name of ["suspended", "lost"]) {
        const ingest = await next.begin(NOBODY, name);
        await ingest.write(Buffer.from("hello world".slice(ingest.sizeBytes)));
        await ingest.commit({ digest: sha256Of("hello world") });
      }
      expect(next.partials()).toEqual([]);
      expect((await reopen()).partials()).toEqual([]);
      await lost.abort();
    });

    test("what stays partial is all there for the next attempt when the blob is collected, also after a crash", async () => {
      const { content, reopen } = await make();
      const digest = sha256Of("hello world");
      const first = await content.begin(NOBODY, digest);
      await first.write(Buffer.from("hello world"));
      await first.commit({ digest, staysPartial: true });
      expect(content.stat(digest)).toMatchObject({ sizeBytes: 11 });
      expect(content.partials()).toMatchObject([{ name: digest, sizeBytes: 11, isBeingWritten: false }]);
      const next = await reopen();
      await next.delete(digest);
      const second = await next.begin(NOBODY, digest);
      expect(second.sizeBytes).toBe(11);
      await second.commit({ digest });
      expect(next.partials()).toEqual([]);
      expect(await textOf(next.open(digest, { verify: true }))).toBe("hello world");
    });

    test("what stayed partial is never written to while it is a blob, and discard() takes its name alone", async () => {
      const { content } = await make();
      const digest = sha256Of("hello world");
      const commit = async (): Promise<void> => {
        const ingest = await content.begin(NOBODY, digest);
        expect(ingest.sizeBytes).toBe(0);
        await ingest.write(Buffer.from("hello world"));
        await ingest.commit({ digest, staysPartial: true });
      };
      await commit();
      await commit();
      await content.discard(digest);
      expect(content.partials()).toEqual([]);
      expect(await textOf(content.open(digest, { verify: true }))).toBe("hello world");
    });

    test("a large named ingest comes back byte for byte", async () => {
      const { content } = await make();
      const parts = Array.from({ length: 40 }, (_, i) => Buffer.alloc(1 << 18, i));
      const first = await content.begin(NOBODY, "large");
      for (const part of parts.slice(0, 25)) await first.write(part);
      await first.suspend();
      const second = await content.begin(NOBODY, "large");
      expect(second.sizeBytes).toBe(25 << 18);
      for (const part of parts.slice(25)) await second.write(part);
      await second.commit({ digest: sha256Of(Buffer.concat(parts)) });
    });

    test("a name has one writer, and another may follow", async () => {
      const { content } = await make();
      const first = await content.begin(NOBODY, "upload");
      expect(isCategory(await rejection(content.begin(NOBODY, "upload")), "conflict")).toBe(true);
      expect(isCategory(await rejection(content.discard("upload")), "conflict")).toBe(true);
      const other = await content.begin(NOBODY, "upload2");
      await other.abort();
      await first.suspend();
      await first.suspend();
      await first.abort();
      expect(content.partials().map(({ name }) => name)).toEqual(["upload"]);
      await (await content.begin(NOBODY, "upload")).suspend();
      await content.discard("upload");
    });

    test("abort(), discard() and a failed commit() leave no partial blob", async () => {
      const { content, reopen } = await make();
      for (const name of ["aborted", "discarded", "refused"]) await left(content, name, "hello");
      await (await content.begin(NOBODY, "aborted")).abort();
      await content.discard("discarded");
      await content.discard("never-was");
      const refused = await content.begin(NOBODY, "refused");
      await rejection(refused.commit({ digest: sha256Of("other") }));
      await refused.suspend();
      for (const store of [content, await reopen()]) expect(store.partials()).toEqual([]);
      const fresh = await content.begin(NOBODY, "refused");
      expect(fresh.sizeBytes).toBe(0);
      await fresh.abort();
    });

    test("a damaged partial blob fails once and is gone", async () => {
      const { content, reopen, damagePartial } = await make();
      await left(content, "torn", "hello ");
      await damagePartial("torn");
      const next = await reopen();
      const finish = async (): Promise<string> => {
        const ingest = await next.begin(NOBODY, "torn");
        await ingest.write(Buffer.from("hello world".slice(ingest.sizeBytes)));
        return (await ingest.commit({ digest: sha256Of("hello world") })).digest;
      };
      expect(isCategory(await rejection(finish()), "invalid_argument")).toBe(true);
      expect(await finish()).toBe(sha256Of("hello world"));
      await content.delete(sha256Of("hello world"));
    });

    test("begin() refuses names that are not names of uploads", async () => {
      const { content } = await make();
      for (const name of ["", ".", "..", "a/b", "../x", "A", "-a", "a b", "a\0", "x".repeat(129)])
        expect(isCategory(await rejection(content.begin(NOBODY, name)), "invalid_argument")).toBe(true);
      expect(content.partials()).toEqual([]);
    });

    test("the signal interrupts a begin() that reads a partial blob again, and it stays", async () => {
      const { content, reopen } = await make();
      await left(content, "resumed", "hello");
      const next = await reopen();
      const reason = new Error("client went away");
      expect(await rejection(next.begin(NOBODY, "resumed", AbortSignal.abort(reason)))).toBe(reason);
      const ingest = await next.begin(NOBODY, "resumed");
      expect(ingest.sizeBytes).toBe(5);
      await ingest.abort();
    });

    test("nothing that the store makes is a stranger to it", async () => {
      const { content } = await make();
      await content.ingest(NOBODY, chunks("hello"), {}, NEVER);
      await left(content, "partial", "half");
      const ingest = await content.begin(NOBODY);
      expect(content.strangers()).toEqual([]);
      expect(isCategory(await rejection(content.discardStranger("/etc/passwd")), "not_found")).toBe(true);
      await ingest.abort();
      await content.discard("partial");
    });

    test("suspend() of an ingest without a name leaves nothing", async () => {
      const { content } = await make();
      const ingest: Ingest = await content.begin(NOBODY);
      await ingest.write(Buffer.from("hello"));
      await ingest.suspend();
      expect([content.partials(), content.list()]).toEqual([[], []]);
    });
  });
}

async function left(content: Content, name: string, text: string): Promise<void> {
  const ingest = await content.begin(NOBODY, name);
  await ingest.write(Buffer.from(text));
  await ingest.suspend();
}

async function* chunks(...parts: string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

async function textOf(source: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const bytes of source) parts.push(bytes);
  return Buffer.concat(parts).toString();
}
