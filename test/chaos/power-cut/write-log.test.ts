import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { entry, logOf, superBlock } from "./testing.ts";
import { readWriteLog, type WriteLog } from "./write-log.ts";

function read(bytes: Buffer): WriteLog {
  const directory = mkdtempSync(join(tmpdir(), "write-log-"));
  try {
    writeFileSync(join(directory, "log"), bytes);
    return readWriteLog(join(directory, "log"));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("entries come with their place on the disk, their marks and where their bytes are", () => {
  const log = logOf(
    { sector: 7, bytes: Buffer.alloc(1024, "a") },
    { sector: 0, flags: 1 },
    { sector: 2, bytes: Buffer.alloc(512, "b"), flags: 3 },
  );
  expect(read(log)).toEqual({
    sectorBytes: 512,
    writes: [
      { offset: 3584, length: 1024, bytesAt: 1024, endsAt: 2048, flushes: false, isForced: false },
      { offset: 0, length: 0, bytesAt: 2560, endsAt: 2560, flushes: true, isForced: false },
      { offset: 1024, length: 512, bytesAt: 3072, endsAt: 3584, flushes: true, isForced: true },
    ],
  });
});

test("a discard has no bytes in the log", () => {
  const [discard, write] = read(
    logOf({ sector: 8, sectors: 100, flags: 4 }, { sector: 1, bytes: Buffer.alloc(512) }),
  ).writes;
  expect(discard).toMatchObject({ offset: 4096, length: 51_200, bytesAt: undefined, endsAt: 1024 });
  expect(write).toMatchObject({ offset: 512, bytesAt: 1536 });
});

test("sectors may be larger", () => {
  const header = entry({ sector: 3, sectors: 1 }, 4096);
  const { writes } = read(Buffer.concat([superBlock(4096), header, Buffer.alloc(4096)]));
  expect(writes).toMatchObject([{ offset: 12_288, length: 4096, bytesAt: 8192, endsAt: 12_288 }]);
});

test.each([
  ["an empty file", Buffer.alloc(0), "ends in the middle"],
  ["another magic", Buffer.alloc(512, 1), "no log of writes"],
  ["a strange sector size", superBlock(513), "sectors of 513 bytes"],
  ["half a header", Buffer.concat([superBlock(512), Buffer.alloc(16)]), "ends in the middle"],
  ["bytes that are missing", logOf({ sector: 0, bytes: Buffer.alloc(512) }).subarray(0, -1), "is cut off"],
  ["an unknown flag", logOf({ sector: 0, flags: 32 }), "has the flags 32"],
  ["a number that is none", logOf({ sector: 2 ** 60 }), "has the number"],
])("%s is refused", (_what, bytes, message) => {
  expect(() => read(bytes)).toThrow(message);
});
