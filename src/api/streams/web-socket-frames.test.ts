import { expect, test } from "bun:test";
import { maskedFrame } from "../testing/masked-frame.ts";
import { acceptKey, encodeFrame, FrameReader, OPCODE } from "./web-socket-frames.ts";

function read(...chunks: Buffer[]): string[] {
  const reader = new FrameReader();
  return chunks
    .flatMap((chunk) => reader.push(chunk))
    .map(({ opcode, payload }) => `${opcode}:${payload.toString()}`);
}

test("the key's answer is the one of the standard's example", () => {
  expect(acceptKey("dGhlIHNhbXBsZSBub25jZQ==")).toBe("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  for (const key of ["", "x", "dGhlIHNhbXBsZSBub25jZQ== "]) expect(() => acceptKey(key)).toThrow("handshake");
});

test("frames have the shortest length there is", () => {
  const heads = [5, 125, 126, 65_535, 65_536].map((size) => {
    const frame = encodeFrame(OPCODE.binary, Buffer.alloc(size));
    return frame.subarray(0, frame.length - size).toString("hex");
  });
  expect(heads).toEqual(["8205", "827d", "827e007e", "827effff", "827f0000000000010000"]);
});

test("a client's frames are read wherever their bytes are cut", () => {
  const bytes = Buffer.concat([
    maskedFrame(OPCODE.text, "hello"),
    maskedFrame(OPCODE.ping, "p"),
    maskedFrame(OPCODE.binary, "y".repeat(300)),
    maskedFrame(OPCODE.close, ""),
  ]);
  const whole = read(bytes).join("|");
  expect(whole).toBe(`1:hello|9:p|2:${"y".repeat(300)}|8:`);
  const single = read(...[...bytes].map((byte) => Buffer.from([byte])));
  expect(single.map((part) => part.slice(2)).join("")).toBe(`hellop${"y".repeat(300)}`);
});

test("what no client may send is refused", () => {
  const unmasked = Buffer.from([0x82, 1, 0x61]);
  const longPing = maskedFrame(OPCODE.ping, "x".repeat(126));
  const unknown = maskedFrame(3, "x");
  const reserved = maskedFrame(OPCODE.text, "x");
  reserved[0] = 0xc1;
  for (const bytes of [unmasked, longPing, unknown, reserved])
    expect(() => read(bytes)).toThrow("no client may send");
});
