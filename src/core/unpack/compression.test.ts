import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { rejection } from "../../base/testing/rejection.ts";
import { decompress, layerCompressionOf, tellCompression } from "./compression.ts";
import { decompressByProgram } from "./decompressor-program.ts";
import { ZstdFrames } from "./zstd-frames.ts";

/** Half of it does not compress, so that the compressed stream has several blocks. */
const DATA = Buffer.alloc(400_000);
for (let i = 0, x = 1; i < 200_000; i++) DATA[i] = (x = (x * 1103515245 + 12345) % 2147483648) >> 16;

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield Uint8Array.from(bytes.subarray(at, at + size));
}

async function inflate(compression: "none" | Kind, bytes: Uint8Array, size = 1000): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of decompress(pieces(bytes, size), compression)) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

type Kind = "gzip" | "zstd" | "bzip2" | "xz";

function byProgram(program: "bzip2" | "xz", bytes: Uint8Array): Buffer {
  const { status, stdout, error } = spawnSync(program, ["-c"], { input: bytes, maxBuffer: 1 << 24 });
  if (status !== 0) throw new Error(`${program} is needed by this test`, { cause: error });
  return stdout;
}

const KINDS: readonly (readonly [Kind, (bytes: Uint8Array) => Buffer])[] = [
  ["gzip", (bytes) => gzipSync(bytes)],
  ["zstd", (bytes) => zstdCompressSync(bytes, { params: { [constants.ZSTD_c_checksumFlag]: 1 } })],
  ["bzip2", (bytes) => byProgram("bzip2", bytes)],
  ["xz", (bytes) => byProgram("xz", bytes)],
];

for (const [kind, compress] of KINDS)
  describe(kind, () => {
    test("is known by its first bytes and decompressed, members and frames in a row too", async () => {
      const twice = Buffer.concat([compress(DATA), compress(Buffer.from("second"))]);
      expect(tellCompression(twice)).toBe(kind);
      expect((await inflate(kind, twice)).equals(Buffer.concat([DATA, Buffer.from("second")]))).toBe(true);
      expect((await inflate(kind, twice, 1_000_000)).length).toBe(DATA.length + 6);
    });

    test("that ends early says so, wherever", async () => {
      const whole = compress(DATA);
      const short = kind === "gzip" || kind === "zstd" ? [1, 3, 5, 9] : [];
      for (const length of [...short, 100, whole.length / 2, whole.length - 5, whole.length - 1])
        expect((await rejection(inflate(kind, whole.subarray(0, length)))).message).toBe("unexpected EOF");
    });

    test("that is damaged says so", async () => {
      const whole = compress(DATA);
      whole.fill(0x55, whole.length - 3000, whole.length - 2000);
      expect((await rejection(inflate(kind, whole))).message).toStartWith(`damaged ${kind} data`);
    });

    test("followed by something else is damaged", async () => {
      const error = await rejection(
        inflate(kind, Buffer.concat([compress(DATA), Buffer.from("something else")])),
      );
      expect(error.message).toStartWith(`damaged ${kind} data`);
    });

    test("ends its source when the reader has enough", async () => {
      let ended = false;
      const whole = compress(DATA);
      async function* endless(): AsyncGenerator<Uint8Array> {
        try {
          for (;;) yield Buffer.from(whole);
        } finally {
          ended = true;
        }
      }
      for await (const _ of decompress(endless(), kind)) break;
      expect(ended).toBe(true);
    });

    test("passes on what the source throws", async () => {
      async function* broken(): AsyncGenerator<Uint8Array> {
        yield* pieces(compress(DATA).subarray(0, 5000), 1000);
        throw new Error("connection reset");
      }
      const all = async (): Promise<void> => {
        for await (const _ of decompress(broken(), kind)) continue;
      };
      expect((await rejection(all())).message).toBe("connection reset");
    });
  });

test("bytes that are not compressed pass as they are", async () => {
  expect(layerCompressionOf(Buffer.from("ustar"))).toBe("none");
  expect((await inflate("none", DATA)).equals(DATA)).toBe(true);
});

test("a program that the host does not have is named", async () => {
  const all = async (): Promise<void> => {
    for await (const _ of decompressByProgram(pieces(DATA, 1000), "xz", "/nowhere")) continue;
  };
  expect((await rejection(all())).message).toBe('exec: "xz": executable file not found in $PATH');
});

test("layers are not compressed by what needs a program", () => {
  expect(() => layerCompressionOf(Buffer.from("BZh91AY"))).toThrow("bzip2 compression is not supported");
});

describe("zstd frames", () => {
  const frames = (bytes: Uint8Array): boolean => {
    const follower = new ZstdFrames();
    for (const byte of bytes) follower.push(Buffer.from([byte]));
    return follower.isWhole();
  };

  test("are whole exactly at their ends", () => {
    const skippable = Buffer.from("5a2a4d18030000000a0b0c", "hex");
    const whole = Buffer.concat([zstdCompressSync(Buffer.from("a")), skippable, zstdCompressSync(DATA)]);
    expect(frames(whole)).toBe(true);
    expect(frames(whole.subarray(0, whole.length - 1))).toBe(false);
    expect(frames(skippable.subarray(0, 10))).toBe(false);
    expect(frames(Buffer.alloc(0))).toBe(false);
  });

  test("that ask for more memory than anybody should give are refused", () => {
    const window = (byte: number): Buffer => Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, byte]);
    expect(() => frames(window((31 - 10) << 3))).toThrow("needs a window beyond");
    expect(() => frames(window(((27 - 10) << 3) | 1))).toThrow("needs a window beyond");
    expect(frames(window((27 - 10) << 3))).toBe(false);
    const single = Buffer.concat([Buffer.from("28b52ffde0", "hex"), Buffer.from([0, 0, 0, 0, 1, 0, 0, 0])]);
    expect(() => frames(single)).toThrow("needs a window beyond");
  });
});
