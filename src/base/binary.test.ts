import { describe, expect, test } from "bun:test";
import { BinaryReader, BinaryWriter } from "./binary.ts";

describe("BinaryWriter", () => {
  test.each([2, 4, 8])("grows in the middle of a message for an integer of %i bytes", (bytes) => {
    const writer = new BinaryWriter();
    const count = 3 * 4096;
    for (let i = 0; i < count; i++) {
      if (bytes === 2) writer.u16(i & 0xffff);
      else if (bytes === 4) writer.u32(i);
      else writer.u64(BigInt(i));
    }
    const reader = new BinaryReader(writer.bytes());
    for (let i = 0; i < count; i++) {
      const value = bytes === 2 ? reader.u16() : bytes === 4 ? reader.u32() : Number(reader.u64());
      expect(value).toBe(bytes === 2 ? i & 0xffff : i);
    }
    expect(reader.remaining).toBe(0);
  });
});
