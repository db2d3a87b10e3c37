import { describe, expect, test } from "bun:test";
import { rejection } from "./testing/rejection.ts";
import { BLOCK } from "./tar-format.ts";
import { readTar, type TarLimits } from "./tar-reader.ts";
import { type TarItem, writeTar } from "./tar-writer.ts";

const LIMITS: TarLimits = { maxEntries: 100, maxHeaderBytes: 1 << 20 };

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

interface Seen {
  readonly name: string;
  readonly kind: string;
  readonly linkName: string;
  readonly text: string;
}

async function read(bytes: Uint8Array, size = 100, limits = LIMITS): Promise<Seen[]> {
  const seen: Seen[] = [];
  for await (const { name, kind, linkName, content } of readTar(pieces(bytes, size), limits)) {
    const parts: Uint8Array[] = [];
    for await (const part of content) parts.push(part);
    seen.push({ name, kind, linkName, text: Buffer.concat(parts).toString() });
  }
  return seen;
}

const LONG = "d/".repeat(100) + "file";
const ITEMS: readonly TarItem[] = [
  { name: "dir/", kind: "directory" },
  { name: "dir/file", content: "hello" },
  { name: "exact", content: "x".repeat(BLOCK) },
  { name: "link", kind: "symlink", linkName: "dir/file" },
  { name: "hard", kind: "hardlink", linkName: LONG },
  { name: LONG, content: "long" },
  { name: "ünïcode", content: "" },
];

describe("readTar()", () => {
  for (const size of [1, 511, 512, 513, 100_000])
    test(`gives every member when the stream comes in pieces of ${size}`, async () => {
      expect(await read(writeTar(ITEMS), size)).toEqual([
        { name: "dir/", kind: "directory", linkName: "", text: "" },
        { name: "dir/file", kind: "file", linkName: "", text: "hello" },
        { name: "exact", kind: "file", linkName: "", text: "x".repeat(BLOCK) },
        { name: "link", kind: "symlink", linkName: "dir/file", text: "" },
        { name: "hard", kind: "hardlink", linkName: LONG, text: "" },
        { name: LONG, kind: "file", linkName: "", text: "long" },
        { name: "ünïcode", kind: "file", linkName: "", text: "" },
      ]);
    });

  test("skips content that nobody reads, or only half", async () => {
    const names: string[] = [];
    for await (const { name, content } of readTar(pieces(writeTar(ITEMS), 64), LIMITS)) {
      names.push(name);
      if (name === "exact") for await (const _ of content) break;
    }
    expect(names).toEqual(ITEMS.map((item) => item.name));
  });

  test("reads GNU long names, base-256 sizes and a missing end mark", async () => {
    const long = writeTar([{ name: "././@LongLink", content: `${LONG}\0` }]).subarray(0, 2 * BLOCK);
    long.write("L", 156);
    const member = writeTar([{ name: "short", content: "hello" }]).subarray(0, 2 * BLOCK);
    member.fill(0, 124, 136);
    member[124] = 0x80;
    member[135] = 5;
    const tar = Buffer.concat([resum(long), resum(member)]);
    expect(await read(tar)).toEqual([{ name: LONG, kind: "file", linkName: "", text: "hello" }]);
  });

  test("a PAX size counts instead of the header's", async () => {
    const [pax, member] = [
      writeTar([{ name: "p", content: "9 size=5\n" }]),
      writeTar([{ name: "m", content: "hello" }]),
    ];
    pax.write("x", 156);
    member.write("00000000000\0", 124);
    const tar = Buffer.concat([resum(pax).subarray(0, 2 * BLOCK), resum(member).subarray(0, 2 * BLOCK)]);
    expect((await read(tar)).map((seen) => seen.text)).toEqual(["hello"]);
  });

  test("refuses what is no tar archive", async () => {
    expect((await rejection(read(Buffer.alloc(4096, "garbage")))).message).toBe(
      "archive/tar: invalid tar header",
    );
    const flipped = writeTar(ITEMS);
    flipped[3] = 0x7f;
    expect((await rejection(read(flipped))).message).toBe("archive/tar: invalid tar header");
  });

  test("refuses a stream that ends anywhere but at a member's end", async () => {
    const tar = writeTar([{ name: "file", content: "x".repeat(1000) }]);
    for (const length of [1, 511, 513, 1000, 1535])
      expect((await rejection(read(tar.subarray(0, length)))).message).toBe("unexpected EOF");
    expect((await read(tar.subarray(0, 1536))).length).toBe(1);
    expect(await read(Buffer.alloc(0))).toEqual([]);
  });

  test("refuses too many members, large headers, impossible sizes and sparse files", async () => {
    const many = writeTar(Array.from({ length: 4 }, (_, i) => ({ name: `f${i}` })));
    expect((await rejection(read(many, 512, { ...LIMITS, maxEntries: 3 }))).message).toBe(
      "archive has more than 3 entries",
    );
    expect(
      (await rejection(read(writeTar(ITEMS), 512, { ...LIMITS, maxHeaderBytes: 64 }))).message,
    ).toContain("64 are allowed");
    const huge = writeTar([{ name: "huge" }]);
    huge.fill(0xff, 124, 136);
    expect((await rejection(read(resum(huge)))).message).toBe("archive/tar: invalid tar header");
    const sparse = writeTar([{ name: "sparse" }]);
    sparse.write("S", 156);
    expect((await rejection(read(resum(sparse)))).message).toContain("sparse file");
  });

  test("refuses damaged PAX records", async () => {
    for (const body of [
      "5 path=x\n",
      "999 path=x\n",
      "x path=y\n",
      "9 path=xy",
      "20 size=99999999999999999999\n",
      "10 size=-5\n",
    ]) {
      const tar = writeTar([{ name: "p", content: body }, { name: "m" }]);
      tar.write("x", 156);
      expect((await rejection(read(resum(tar)))).message).toMatch(/invalid tar header|unexpected EOF/);
    }
  });

  test("ends its source when the reader stops early", async () => {
    let ended = false;
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        yield* pieces(writeTar(ITEMS), 512);
      } finally {
        ended = true;
      }
    }
    for await (const _ of readTar(source(), LIMITS)) break;
    expect(ended).toBe(true);
  });
});

/** Writes the first header's checksum anew after it was changed. */
function resum(tar: Buffer): Buffer {
  tar.write(" ".repeat(8), 148);
  let sum = 0;
  for (const byte of tar.subarray(0, BLOCK)) sum += byte;
  tar.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return tar;
}
