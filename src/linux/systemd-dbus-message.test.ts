import { describe, expect, test } from "bun:test";
import {
  DBusReader,
  decodeMessage,
  DBusWriter,
  encodeCall,
  messageBytes,
  type Property,
} from "./systemd-dbus-message.ts";

/** Hexadecimal in groups, as the specification's alignment makes them. */
const bytes = (...groups: readonly string[]): Buffer =>
  Buffer.from(groups.join("").replaceAll(" ", ""), "hex");

describe("encodeCall()", () => {
  test("lays out the header and the body by the specification", () => {
    const call = encodeCall(
      {
        path: "/a",
        interface: "b.c",
        member: "D",
        signature: "s",
        body: (writer) => void writer.string("x"),
      },
      1,
    );
    expect(call.toString("hex")).toBe(
      bytes(
        "6c 01 00 01", // little-endian, call, no flags, version 1
        "06000000 01000000 37000000", // 6 bytes of body, serial 1, 55 bytes of fields
        "01 016f00 02000000 2f6100 0000000000", // path: object path "/a"
        "02 017300 03000000 622e6300 00000000", // interface: "b.c"
        "03 017300 01000000 4400 000000000000", // member: "D"
        "08 016700 017300 00", // signature: "s"
        "01000000 7800",
      ).toString("hex"),
    );
  });

  test("names the destination on a bus, and no signature for no body", () => {
    const call = encodeCall(
      { destination: "z", path: "/", interface: "i", member: "m", signature: "", body: () => {} },
      2,
    );
    const tail = bytes("06 017300 01000000 7a00 000000000000");
    expect(call.subarray(-tail.length).toString("hex")).toBe(tail.toString("hex"));
    expect(call.readUInt32LE(4)).toBe(0);
  });
});

describe("DBusWriter", () => {
  test.each<[Property, Buffer]>([
    [["N", { type: "b", value: true }], bytes("10000000 00000000", "01000000 4e00 016200 000000 01000000")],
    [
      ["N", { type: "s", value: "ab" }],
      bytes("13000000 00000000", "01000000 4e00 017300 000000 02000000 616200"),
    ],
    [
      ["N", { type: "t", value: (1n << 64n) - 1n }],
      bytes("18000000 00000000", "01000000 4e00 017400 00000000000000 ffffffffffffffff"),
    ],
    [
      ["N", { type: "au", value: [5, 6] }],
      bytes("18000000 00000000", "01000000 4e00 02617500 0000 08000000 05000000 06000000"),
    ],
    [
      ["N", { type: "ay", value: Uint8Array.of(3) }],
      bytes("11000000 00000000", "01000000 4e00 02617900 0000 01000000 03"),
    ],
    [
      ["N", { type: "a(ss)", value: [["p", "rw"]] }],
      // Struct elements begin at a multiple of 8, which the array's length does not count.
      bytes(
        "27000000 00000000",
        "01000000 4e00 05612873732900 000000",
        "0f000000 00000000",
        "01000000 7000 0000 02000000 727700",
      ),
    ],
    [
      ["N", { type: "a(ss)", value: [] }],
      bytes("18000000 00000000", "01000000 4e00 05612873732900 000000", "00000000 00000000"),
    ],
  ])("writes a property: %#", ([name, value], expected) => {
    const written = new DBusWriter().properties([[name, value]]).bytes();
    expect(written.toString("hex")).toBe(expected.toString("hex"));
  });

  test("refuses text that the other side would read as a shorter one", () => {
    expect(() => new DBusWriter().string("a\0b")).toThrow("NUL byte");
  });

  test("grows, and ends somewhere", () => {
    expect(new DBusWriter().string("x".repeat(5000)).bytes().length).toBe(5005);
    expect(() => new DBusWriter().string("x".repeat(1 << 20))).toThrow("too long");
  });
});

const signal = bytes(
  "6c 04 01 01",
  "08000000 07000000 1f000000",
  "03 017300 03000000 41624300 00000000", // member "AbC"
  "05 017500 2a000000", // reply serial 42
  "08 016700 017500 00", // signature "u"
  "05000000 00000000",
);

describe("decodeMessage()", () => {
  test("reads the fields that matter", () => {
    expect(messageBytes(signal)).toBe(signal.length);
    const message = decodeMessage(signal);
    expect(message).toMatchObject({ type: 4, member: "AbC", replySerial: 42, signature: "u" });
    expect(new DBusReader(message.body).u32()).toBe(5);
  });

  test("refuses other byte orders, versions and sizes", () => {
    const changed = (at: number, value: number): Buffer => {
      const copy = Buffer.from(signal);
      copy.writeUInt8(value, at);
      return copy;
    };
    expect(() => messageBytes(changed(0, 0x42))).toThrow("another protocol");
    expect(() => messageBytes(changed(3, 2))).toThrow("another protocol");
    expect(() => messageBytes(changed(6, 0xff))).toThrow("a message of");
    expect(() => messageBytes(changed(15, 0xff))).toThrow("a message of");
  });

  test("never reads beyond the end, whatever is cut off or changed", () => {
    for (let length = 16; length < signal.length; length++) {
      const cut = Buffer.from(signal.subarray(0, length));
      expect(() => {
        const { body } = decodeMessage(cut);
        new DBusReader(body).string();
      }).toThrow();
    }
    for (let at = 16; at < 56; at++) {
      const copy = Buffer.from(signal);
      copy.writeUInt8(0xff, at);
      try {
        decodeMessage(copy);
      } catch (error) {
        expect(String(error)).toContain("D-Bus message");
      }
    }
  });
});
