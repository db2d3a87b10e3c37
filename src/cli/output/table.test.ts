import { expect, test } from "bun:test";
import { alignColumns } from "./table.ts";

test("a character is one wide, however many halves it has", () => {
  expect(alignColumns("a😀b\tx\n12345678901234\ty\n\ud800x\tz\n😀\ud800😀\tw")).toBe(
    [
      "a😀b              x",
      "12345678901234   y",
      "\ud800x               z",
      "😀\ud800😀              w",
    ].join("\n"),
  );
});

test("a column reaches over neighbouring lines that have it", () => {
  expect(alignColumns("1\t2\tx\nlonger than ten\t2\tx\nnone\n1\tx")).toBe(
    ["1                 2         x", "longer than ten   2         x", "none", "1         x"].join("\n"),
  );
});
