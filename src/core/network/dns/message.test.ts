import { expect, test } from "bun:test";
import { randomFrom } from "../../../../test/support/random.ts";
import { CLASS_IN, FLAG, readMessage, TYPE } from "./message.ts";
import { queryBytes, responseBytes, wire } from "./testing/message-builder.ts";
import { FormatError, nameBytes, readName } from "./wire-name.ts";

/** Twelve bytes as a header has, and then these. */
function afterHeader(...bytes: readonly number[]): Uint8Array {
  return Uint8Array.from([...Array.from({ length: 12 }, () => 0), ...bytes]);
}

test("a query's question is read in lower case", () => {
  const message = readMessage(queryBytes({ name: "WeB.Example", type: TYPE.AAAA }));
  expect(message.questions).toEqual([
    { name: "web.example", type: TYPE.AAAA, class: CLASS_IN, end: 12 + 13 + 4 },
  ]);
  expect(message.id).toBe(0x1234);
  expect(message.edns).toBeUndefined();
});

test("an OPT record says how much the other side takes", () => {
  const message = readMessage(queryBytes({ udpBytes: 1232, ednsVersion: 1 }));
  expect(message.edns).toEqual({ udpBytes: 1232, version: 1, udpBytesAt: 12 + 5 + 4 + 3 });
});

test("two OPT records are refused", () => {
  const bytes = queryBytes({ udpBytes: 1232 });
  bytes.writeUInt16BE(2, 10);
  expect(() => readMessage(Buffer.concat([bytes, bytes.subarray(-11)]))).toThrow(FormatError);
});

test("records of unknown types are passed on as they are", () => {
  const data = Uint8Array.from([1, 2, 3]);
  const message = readMessage(responseBytes(queryBytes({ name: "x.y" }), [{ type: 65_280, data }]));
  expect(message.answers).toEqual([
    { name: "x.y", type: 65_280, class: CLASS_IN, ttl: 60, data: Buffer.from(data) },
  ]);
});

test("a message cut anywhere is refused", () => {
  const whole = responseBytes(
    queryBytes({ name: "a.example", udpBytes: 512 }),
    [
      { type: TYPE.A, data: Uint8Array.of(10, 0, 0, 1) },
      { type: TYPE.PTR, data: wire("b.example") },
    ],
    { udpBytes: 512 },
  );
  expect(readMessage(whole).answers).toHaveLength(2);
  for (let length = 0; length < whole.length; length++)
    expect(() => readMessage(whole.subarray(0, length))).toThrow(FormatError);
  expect(() => readMessage(Buffer.concat([whole, Buffer.of(0)]))).toThrow(FormatError);
});

test("counts beyond what a message can hold are refused at once", () => {
  const bytes = queryBytes();
  bytes.writeUInt16BE(0xffff, 6);
  expect(() => readMessage(bytes)).toThrow("too many records");
  const twoQuestions = queryBytes();
  twoQuestions.writeUInt16BE(2, 4);
  expect(() => readMessage(twoQuestions)).toThrow("more than one question");
});

test("labels of 63 bytes and names of 255 are the longest", () => {
  const longest = [63, 63, 63, 61].map((length) => "x".repeat(length)).join(".");
  expect(nameBytes(longest)).toHaveLength(255);
  expect(readName(Buffer.concat([Buffer.alloc(12), wire(longest)]), 12).text).toBe(longest);
  expect(nameBytes(`${longest}x`)).toBeUndefined();
  expect(nameBytes("x".repeat(64))).toBeUndefined();
  expect(nameBytes("a..b")).toBeUndefined();
  const tooLong = Buffer.concat([Buffer.alloc(12), wire(longest).subarray(0, -1), Buffer.of(1, 0x78, 0)]);
  expect(() => readName(tooLong, 12)).toThrow("too long");
});

test("a pointer leads to an earlier name", () => {
  const bytes = afterHeader(1, 0x61, 0, 1, 0x62, 0xc0, 12);
  expect(readName(bytes, 15)).toEqual({ text: "b.a", end: 19 });
});

test.each([
  ["itself", [0xc0, 12]],
  ["forwards", [0xc0, 14, 0]],
  ["its own labels", [1, 0x61, 0xc0, 12]],
  ["the header", [0xc0, 2]],
  ["beyond the end", [0xff, 0xff]],
])("a pointer to %s is refused", (_what, bytes) => {
  expect(() => readName(afterHeader(...bytes), 12)).toThrow(FormatError);
});

test("a chain of pointers has an end", () => {
  const chain = (links: number) => {
    const bytes = [0, 0];
    for (let link = 0; link < links; link++) bytes.push(0xc0, 12 + 2 * link);
    return readName(afterHeader(...bytes), 12 + 2 * links);
  };
  expect(chain(16).text).toBe("");
  expect(() => chain(17)).toThrow("too many pointers");
});

test("labels of kinds that do not exist are refused", () => {
  for (const first of [0x40, 0x80, 0xbf])
    expect(() => readName(afterHeader(first, 0), 12)).toThrow(FormatError);
});

test("a dot inside a label makes no second name", () => {
  expect(readName(afterHeader(3, 0x61, 0x2e, 0x62, 0), 12).text).toBe("a\\.b");
  expect(readName(afterHeader(3, 0x61, 0x00, 0x62, 0), 12).text).toBe("a\\000b");
});

test("names come out as they were put in", () => {
  const random = randomFrom(11);
  for (let round = 0; round < 500; round++) {
    const labels = Array.from({ length: 1 + random(8) }, () =>
      Array.from({ length: 1 + random(20) }, () => "abcdefghij0123456789-_"[random(22)]).join(""),
    );
    const bytes = nameBytes(labels.join("."));
    if (bytes === undefined) throw new Error("it was a fine name");
    expect(readName(Buffer.concat([Buffer.alloc(12), bytes]), 12)).toEqual({
      text: labels.join("."),
      end: 12 + bytes.length,
    });
  }
});

test("whatever comes is a message or a FormatError", () => {
  const random = randomFrom(7);
  const seeds = [
    queryBytes({ name: "a.long.name.example", udpBytes: 4096 }),
    responseBytes(
      queryBytes({ name: "a.b" }),
      [
        { type: TYPE.A, data: Uint8Array.of(1, 2, 3, 4) },
        { type: 5, data: Uint8Array.of(0xc0, 12) },
      ],
      { flags: FLAG.QR, udpBytes: 1232 },
    ),
  ];
  let understood = 0;
  for (let round = 0; round < 20_000; round++) {
    const bytes = Buffer.from(seeds[round % seeds.length] ?? []);
    for (let change = random(6); change > 0; change--) {
      const at = random(bytes.length);
      bytes[at] = random(3) === 0 ? 0xc0 : random(256);
    }
    try {
      readMessage(bytes.subarray(0, random(4) === 0 ? random(bytes.length) : bytes.length));
      understood++;
    } catch (error) {
      expect(error).toBeInstanceOf(FormatError);
    }
  }
  expect(understood).toBeGreaterThan(1000);
});
