import { describe, expect, test } from "bun:test";
import { BinaryReader } from "../../base/binary.ts";
import { type End, MAX_ANSWER_BYTES, type Output, encodeAnswer, encodeReady } from "./answer.ts";

/** As native/launcher/answer.c reads it; native/test/answer_test.c is the same from the other side. */
function decode(bytes: Uint8Array) {
  const reader = new BinaryReader(bytes);
  expect(reader.u32()).toBe(bytes.length - 4);
  const kind = reader.u32();
  const writes = Array.from({ length: reader.u32() }, () => ({
    target: reader.u32(),
    file: reader.str(),
    text: reader.blob().toString(),
  }));
  const decoded = { kind, writes, end: reader.u32(), value: reader.u32(), argv: reader.strv() };
  expect(reader.remaining).toBe(0);
  return decoded;
}

function encoded(outputs: readonly Output[], end: End) {
  return decode(encodeAnswer(outputs, end) ?? new Uint8Array());
}

const EXIT: End = { kind: "exit", code: 0 };

describe("encodeAnswer()", () => {
  test("an exit has its code as a process has it", () => {
    expect(encoded([], { kind: "exit", code: 255 })).toEqual({
      kind: 2,
      writes: [],
      end: 1,
      value: 255,
      argv: [],
    });
    expect(encoded([], { kind: "exit", code: 256 + 3 }).value).toBe(3);
  });

  test("becoming has the arguments and the number of descriptors", () => {
    expect(encoded([], { kind: "become", preserved: 2, argv: ["a", "b c", "ä"] })).toMatchObject({
      end: 2,
      value: 2,
      argv: ["a", "b c", "ä"],
    });
  });

  test("output keeps its order; what goes on in the same place is one write", () => {
    const outputs: Output[] = [
      { target: "errors", file: "", text: "a" },
      { target: "errors", file: "", text: "b\n" },
      { target: "file", file: "/log", text: "c" },
      { target: "output", file: "", text: "d" },
      { target: "errors", file: "", text: "e" },
    ];
    expect(encoded(outputs, EXIT).writes).toEqual([
      { target: 2, file: "", text: "ab\n" },
      { target: 3, file: "/log", text: "c" },
      { target: 1, file: "", text: "d" },
      { target: 2, file: "", text: "e" },
    ]);
  });

  test("more than the launcher takes is not said", () => {
    const long = (length: number): Output[] => [{ target: "output", file: "", text: "x".repeat(length) }];
    expect(encodeAnswer(long(MAX_ANSWER_BYTES - 100), EXIT)).toBeDefined();
    expect(encodeAnswer(long(MAX_ANSWER_BYTES), EXIT)).toBeUndefined();
    const many = Array.from(
      { length: 300 },
      (_, index): Output => ({
        target: index % 2 === 0 ? "output" : "errors",
        file: "",
        text: "x",
      }),
    );
    expect(encodeAnswer(many, EXIT)).toBeUndefined();
  });
});

test("encodeReady() is a message of its kind alone", () => {
  expect([...encodeReady()]).toEqual([4, 0, 0, 0, 1, 0, 0, 0]);
});
