import { expect, test } from "bun:test";
import { errnoName, errnoText } from "./errno.ts";

test("errnoName() knows libuv's numbers and those it leaves out", () => {
  expect(errnoName(2)).toBe("ENOENT");
  expect(errnoName(11)).toBe("EAGAIN");
  expect(errnoName(117)).toBe("EUCLEAN");
});

test("errnoName() prints a number it does not know", () => {
  expect(errnoName(4095)).toBe("errno 4095");
});

test("errnoText() words the errors of an execve as Docker does", () => {
  expect(errnoText("ENOEXEC")).toBe("exec format error");
  expect(errnoText("ENOKEY")).toBe("errno ENOKEY");
});
