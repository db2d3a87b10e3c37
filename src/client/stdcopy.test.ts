import { describe, expect, test } from "bun:test";
import { copyDemultiplexed } from "./stdcopy.ts";

function frame(type: number, payload: string): Buffer {
  const header = Buffer.alloc(8);
  header[0] = type;
  header.writeUInt32BE(Buffer.byteLength(payload), 4);
  return Buffer.concat([header, Buffer.from(payload)]);
}

function stream(bytes: Buffer, piece: number) {
  let at = 0;
  return {
    async read(): Promise<Buffer | undefined> {
      if (at >= bytes.length) return undefined;
      const chunk = Buffer.from(bytes.subarray(at, at + piece));
      at += piece;
      return chunk;
    },
  };
}

async function copy(bytes: Buffer, piece: number) {
  const writes: string[] = [];
  const sink = (name: string) => ({
    async write(chunk: Uint8Array): Promise<void> {
      writes.push(`${name}:${Buffer.from(chunk).toString()}`);
    },
  });
  await copyDemultiplexed(stream(bytes, piece), sink("out"), sink("err"));
  return writes;
}

function joined(writes: readonly string[], name: string): string {
  return writes
    .filter((write) => write.startsWith(name))
    .map((write) => write.slice(4))
    .join("");
}

async function failureOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "no failure",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}

describe("copyDemultiplexed()", () => {
  const bytes = Buffer.concat([
    frame(1, "one "),
    frame(1, "two "),
    frame(2, "bad"),
    frame(1, ""),
    frame(1, "three"),
    frame(0, "!"),
  ]);

  for (const piece of [1, 3, 8, 9, 13, 1000])
    test(`separates the streams when the bytes come in pieces of ${piece}`, async () => {
      const writes = await copy(bytes, piece);
      expect(joined(writes, "out")).toBe("one two three!");
      expect(joined(writes, "err")).toBe("bad");
    });

  test("writes neighbouring frames of one stream at once and keeps the order of streams", async () => {
    expect(
      await copy(Buffer.concat([frame(1, "a"), frame(1, "b"), frame(2, "c"), frame(1, "d")]), 1000),
    ).toEqual(["out:ab", "err:c", "out:d"]);
  });

  test("fails with the engine's text on an error frame, after what came before", async () => {
    expect(await failureOf(copy(Buffer.concat([frame(1, "x"), frame(3, "it broke")]), 5))).toMatch(
      "error from daemon in stream: it broke",
    );
  });

  test("fails on an unknown stream and on a frame that ends early", async () => {
    expect(await failureOf(copy(frame(4, "x"), 1000))).toMatch("Unrecognized input header: 4");
    expect(await failureOf(copy(frame(1, "hello").subarray(0, 10), 1000))).toMatch(/middle of a frame/);
    expect(await failureOf(copy(frame(1, "hello").subarray(0, 5), 1000))).toMatch(/middle of a frame/);
  });
});
