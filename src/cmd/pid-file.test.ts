import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removePidFile, writePidFile } from "./pid-file.ts";

const directory = mkdtempSync(join(tmpdir(), "gantry-pid-"));
afterAll(() => rmSync(directory, { recursive: true }));
const path = join(directory, "sub", "pid");

test("the file names the process, whatever was left there by one that is gone", () => {
  writePidFile(path, 7, () => true);
  expect(readFileSync(path, "utf8")).toBe("7\n");
  writePidFile(path, 8, () => false);
  writeFileSync(path, "noise");
  writePidFile(path, 9, () => true);
  expect(readdirSync(join(directory, "sub"))).toEqual(["pid"]);
});

test("one that another daemon runs by is left alone", () => {
  expect(() => writePidFile(path, 10, (pid) => pid === 9)).toThrow("process with PID 9 is still running");
  removePidFile(path, 10);
  expect(readFileSync(path, "utf8")).toBe("9\n");
  removePidFile(path, 9);
  expect(existsSync(path)).toBe(false);
  removePidFile(path, 9);
});
