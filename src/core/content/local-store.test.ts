import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isCategory } from "../../base/errors.ts";
import { Logger, NO_LOG } from "../../base/log.ts";
import { rejection } from "../../base/testing/rejection.ts";
import { AppendFile } from "./append-file.ts";
import { contentSuite } from "./content.suite.ts";
import { openContent } from "./local-store.ts";

const roots: string[] = [];

function newRoot(): string {
  const root = mkdtempSync(join(tmpdir(), "content-"));
  roots.push(root);
  return root;
}

afterEach(() => {
  for (const root of roots.splice(0)) {
    expect(readdirSync(join(root, "ingest"))).toEqual([]);
    rmSync(root, { recursive: true, force: true });
  }
});

contentSuite("content in a directory", async () => {
  const root = newRoot();
  return {
    content: openContent(root, NO_LOG),
    reopen: async () => openContent(root, NO_LOG),
    damage: async (digest) => {
      const file = await open(join(root, "blobs/sha256", digest.slice(7)), "r+");
      await file.write("H", 0);
      await file.close();
    },
  };
});

test("start-up deletes what earlier runs left and ignores strangers aloud", () => {
  const root = newRoot();
  openContent(root, NO_LOG);
  writeFileSync(join(root, "ingest", "7"), "half a blob");
  writeFileSync(join(root, "blobs/sha256", "README"), "not a blob");
  const lines: string[] = [];
  const content = openContent(root, new Logger((line) => lines.push(line), "info"));
  expect(content.list()).toEqual([]);
  expect(lines.join("")).toMatch(/unfinished blobs.*count=1[\s\S]*not named like a blob.*name=README/);
});

test("a full disk is said to be full, at the latest by commit(), and nothing is left", async () => {
  const handle = await open("/dev/full", "w");
  const file = new AppendFile(handle);
  await file.write(Buffer.from("x"));
  expect((await rejection(file.drain())).message).toContain("ENOSPC");
  expect((await rejection(file.write(Buffer.from("y")))).message).toContain("ENOSPC");
  await handle.close();
});

test("an unwritable store is an internal error that names the action", async () => {
  const root = newRoot();
  const content = openContent(root, NO_LOG);
  rmSync(join(root, "ingest"), { recursive: true });
  const error = await rejection(content.begin({ holdBlob: () => {} }));
  expect(isCategory(error, "internal")).toBe(true);
  expect(error.message).toStartWith("cannot write blob");
  openContent(root, NO_LOG);
});
