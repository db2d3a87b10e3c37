import { endianness } from "node:os";
import { describe, expect, test } from "bun:test";
import { randomFrom } from "../../../test/support/random.ts";
import { GantryError } from "../../base/errors.ts";
import {
  attribute,
  batch,
  eachAttribute,
  FLAG,
  message,
  read,
  readAttributes,
  readMessages,
  struct,
} from "./message.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytes = (...groups: readonly string[]): Uint8Array =>
  Uint8Array.from(Buffer.from(groups.join("").replaceAll(" ", ""), "hex"));

// The golden bytes are those of a little-endian machine.
describe.skipIf(endianness() === "BE")("writers", () => {
  test.each<[string, Uint8Array, string]>([
    ["u8", attribute.u8(1, 0xab), "0500 0100 ab 000000"],
    ["u16", attribute.u16(2, 0x1234), "0600 0200 3412 0000"],
    ["u32", attribute.u32(3, 0x12345678), "0800 0300 78563412"],
    ["u64", attribute.u64(4, 0x1122334455667788n), "0c00 0400 8877665544332211"],
    ["be16", attribute.be16(2, 0x1234), "0600 0200 1234 0000"],
    ["be32", attribute.be32(3, 0x12345678), "0800 0300 12345678"],
    ["be64", attribute.be64(4, 0x1122334455667788n), "0c00 0400 1122334455667788"],
    ["string", attribute.string(3, "lo"), "0700 0300 6c6f00 00"],
    ["bytes", attribute.bytes(1, Uint8Array.of(2, 0x42, 10, 0, 0, 2)), "0a00 0100 02420a000002 0000"],
    ["flag", attribute.flag(7), "0400 0700"],
    [
      "nested",
      attribute.nested(18, [attribute.string(1, "veth"), undefined, attribute.nested(2, [])]),
      "1400 1280 0900 0100 7665746800 000000 0400 0280",
    ],
  ])("%s", (_name, written, expected) => {
    expect(hex(written)).toBe(hex(bytes(expected)));
  });

  test("a message has its header, the fixed part padded, and attributes", () => {
    const one = message(16, FLAG.ack | FLAG.create, struct([1, 2], [2, 0x0102], [4, 5]), [
      attribute.u32(1, 9),
    ]);
    expect(one.flags).toBe(0x405);
    const body = "02 0201 05000000 00 0800 0100 09000000";
    expect(hex(one.bytes)).toBe(hex(bytes("20000000 1000 0504 00000000 00000000", body)));
    expect(hex(batch([one, one], 7))).toBe(
      hex(bytes("20000000 1000 0504 07000000 00000000", body, "20000000 1000 0504 08000000 00000000", body)),
    );
  });
});

test("what C or the length field could not hold is refused", () => {
  expect(() => attribute.string(1, "a\0b")).toThrow("NUL byte");
  expect(() => attribute.bytes(1, new Uint8Array(65_532))).toThrow("65536 bytes");
  expect(attribute.bytes(1, new Uint8Array(65_531)).length).toBe(65_536);
});

describe("readers", () => {
  test("give back what was written", () => {
    const payload = [
      attribute.u32(1, 77),
      attribute.nested(2, [attribute.string(3, "x")]),
      attribute.u8(1, 5),
    ];
    const sent = batch([message(20, 0, struct([4, 1]), payload), message(21, FLAG.ack, struct(), [])], 3);
    const [first, second, ...others] = [...readMessages(sent)];
    expect(others).toEqual([]);
    expect(first).toMatchObject({ type: 20, flags: 1, sequence: 3 });
    expect(second).toMatchObject({ type: 21, flags: 5, sequence: 4, payload: new Uint8Array() });
    const all = [...eachAttribute(first?.payload ?? new Uint8Array(), 4)];
    expect(all.map(([type]) => type)).toEqual([1, 2, 1]);
    const byType = readAttributes(first?.payload ?? new Uint8Array(), 4);
    expect([...(byType.get(1) ?? [])]).toEqual([5]);
    expect(read.string(readAttributes(byType.get(2) ?? new Uint8Array()).get(3) ?? new Uint8Array())).toBe(
      "x",
    );
  });

  test("a padding that is missing at the end is fine, a length that lies is not", () => {
    const one = attribute.string(3, "lo");
    expect([...eachAttribute(one.subarray(0, 7))]).toHaveLength(1);
    for (const shorter of [1, 3, 6])
      expect(() => [...eachAttribute(one.subarray(0, shorter))]).toThrow("attribute");
    const whole = message(1, 0, struct([4, 0]), []).bytes;
    for (const shorter of [1, 15, 19])
      expect(() => [...readMessages(whole.subarray(0, shorter))]).toThrow("message");
    expect(() => [...readMessages(new Uint8Array(16))]).toThrow("message of 0 bytes");
    expect(() => [...eachAttribute(new Uint8Array(4))]).toThrow("attribute of 0 bytes");
    expect(() => read.u32(new Uint8Array(3))).toThrow("4 bytes at 0 of 3");
    expect(() => read.u64(new Uint8Array(8), 1)).toThrow("8 bytes at 1 of 8");
  });

  /** What lies behind the view is all 0xff: whoever reads it sees lengths that do not fit. */
  test("never look past their end, whatever the bytes", () => {
    const random = randomFrom(20_261);
    for (let round = 0; round < 3000; round++) {
      const size = random(80);
      const memory = new Uint8Array(size + 64).fill(0xff);
      const view = memory.subarray(32, 32 + size);
      // Small numbers, so that lengths often fit.
      for (let at = 0; at < size; at++) view[at] = random(4) === 0 ? random(40) : 0;
      const seen: Uint8Array[] = [];
      try {
        for (const { payload } of readMessages(view)) {
          seen.push(payload);
          for (const [, value] of eachAttribute(payload)) seen.push(value);
        }
      } catch (error) {
        if (!(error instanceof GantryError)) throw error;
      }
      for (const part of seen) {
        expect(part.byteOffset).toBeGreaterThanOrEqual(view.byteOffset);
        expect(part.byteOffset + part.length).toBeLessThanOrEqual(view.byteOffset + size);
      }
    }
  });
});
