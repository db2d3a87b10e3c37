import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lastErrors, readStreams, writeStreams } from "./criu-files.ts";

const directory = mkdtempSync(join(tmpdir(), "criu-files-"));
afterAll(() => rmSync(directory, { recursive: true }));

test("readStreams() reads what writeStreams() wrote, and nothing that names something else", () => {
  const names = ["", "pipe:[12]", "tty[8801:1a]"];
  writeStreams(directory, names);
  expect(readStreams(directory)).toEqual(names);
  writeStreams(directory, ["/dev/null", "net[1]:x", "file[18:3]"]);
  expect(readStreams(directory)).toEqual(["", "", "file[18:3]"]);
});

test.each(["{", "{}", '["","","",""]'])("readStreams() refuses %s", (text) => {
  writeFileSync(join(directory, "descriptors.json"), text);
  expect(() => readStreams(directory)).toThrow("descriptors.json");
});

test("lastErrors() quotes the end of the log, unless criu failed before it had one", () => {
  const lines = [1, 2, 3, 4].map((n) => `(00.${n}) Error (criu/x.c:${n}): no ${n}\n(00.${n}) fine\n`);
  writeFileSync(join(directory, "dump.log"), "x".repeat(20_000) + lines.join(""));
  expect(lastErrors("", directory, "dump.log")).toBe(
    ": Error (criu/x.c:2): no 2; Error (criu/x.c:3): no 3; Error (criu/x.c:4): no 4",
  );
  expect(lastErrors("Error (criu/early.c:1): early\n", directory, "dump.log")).toBe(
    ": Error (criu/early.c:1): early",
  );
  expect(lastErrors("", directory, "absent.log")).toBe("");
});
