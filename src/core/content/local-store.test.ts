import { afterEach, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isCategory } from "../../base/errors.ts";
import { Logger, NO_LOG } from "../../base/log.ts";
import { rejection } from "../../base/testing/rejection.ts";
import { sha256Of } from "../../specs/oci-image/digest.ts";
import { AppendFile } from "./append-file.ts";
import { LocalIngest } from "./local-ingest.ts";
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
    for (const name of ["ingest", "partial"]) expect(readdirSync(join(root, name))).toEqual([]);
    rmSync(root, { recursive: true, force: true });
  }
});

contentSuite("content in a directory", async () => {
  const root = newRoot();
  return {
    content: openContent(root, NO_LOG),
    reopen: async () => openContent(root, NO_LOG),
    damage: (digest) => overwrite(join(root, "blobs/sha256", digest.slice(7))),
    damagePartial: (name) => overwrite(join(root, "partial", name)),
  };
});

async function overwrite(path: string): Promise<void> {
  const file = await open(path, "r+");
  await file.write("H", 0);
  await file.close();
}

test("start-up deletes partial blobs by age and ignores strangers among them aloud", async () => {
  const root = newRoot();
  const first = openContent(root, NO_LOG);
  for (const name of ["old", "new"]) await (await first.begin({ holdBlob: () => {} }, name)).suspend();
  const dayMs = 24 * 3600 * 1000;
  const twoDaysAgo = (Date.now() - 2 * dayMs) / 1000;
  utimesSync(join(root, "partial/old"), twoDaysAgo, twoDaysAgo);
  mkdirSync(join(root, "partial/sub"));
  expect(
    openContent(root, NO_LOG)
      .partials()
      .map(({ name }) => name),
  ).toEqual(["new", "old"]);
  const lines: string[] = [];
  const log = new Logger((line) => lines.push(line), "info");
  const next = openContent(root, log, { partialMaxAgeMs: dayMs });
  expect(next.partials().map(({ name }) => name)).toEqual(["new"]);
  expect(lines.join("")).toMatch(/nobody went on with.*count=1[\s\S]*not named like a blob.*name=sub/);
  await next.discard("new");
  rmSync(join(root, "partial/sub"), { recursive: true });
});

test("strangers are found while the store is open, and go when they are discarded", async () => {
  const root = newRoot();
  const content = openContent(root, NO_LOG);
  mkdirSync(join(root, "blobs/sha256", "dir"));
  writeFileSync(join(root, "partial", "UPPER"), "");
  const strangers = content.strangers();
  expect(strangers).toEqual([join(root, "blobs/sha256/dir"), join(root, "partial/UPPER")]);
  for (const path of strangers) await content.discardStranger(path);
  expect(content.strangers()).toEqual([]);
});

test("an upload of many requests is hashed once by the process that holds it", async () => {
  const root = newRoot();
  const content = openContent(root, NO_LOG);
  const part = Buffer.alloc(1 << 20, 7);
  for (let request = 0; request < 3; request++) {
    const ingest = await content.begin({ holdBlob: () => {} }, "upload");
    await ingest.write(part);
    await ingest.suspend();
  }
  // What was suspended by this process is not read again: it does not even notice this.
  await overwrite(join(root, "partial/upload"));
  const { digest } = await (await content.begin({ holdBlob: () => {} }, "upload")).commit();
  expect(digest).toBe(sha256Of(Buffer.alloc(3 << 20, 7)));
  expect((await rejection(content.read(digest, 4 << 20))).message).toContain("is damaged");
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
  const file = new AppendFile(handle, 0);
  await file.write(Buffer.from("x"));
  expect((await rejection(file.drain())).message).toContain("ENOSPC");
  expect((await rejection(file.write(Buffer.from("y")))).message).toContain("ENOSPC");
  await handle.close();
});

test("a full disk on which room can be made is written on, once", async () => {
  const dir = mkdtempSync(join(tmpdir(), "roomy-"));
  const path = join(dir, "file");
  const [full, roomy] = [await open("/dev/full", "w"), await open(path, "w")];
  let isFull = true;
  let asked = 0;
  const make = async (): Promise<boolean> => {
    asked++;
    isFull = false;
    return true;
  };
  const disk = new Proxy(full, { get: (handle, key) => Reflect.get(isFull ? handle : roomy, key) });
  const file = new AppendFile(disk, 0, { room: { times: 0, make } });
  await file.write(Buffer.from("x"));
  await file.write(Buffer.from("yz"));
  await file.drain();
  expect([readFileSync(path, "utf8"), asked]).toEqual(["xyz", 1]);
  isFull = true;
  await file.write(Buffer.from("!"));
  expect((await rejection(file.drain())).message).toContain("ENOSPC");
  expect(asked).toBe(1);
  await Promise.all([full.close(), roomy.close()]);
  rmSync(dir, { recursive: true });
});

test("an ingest that could not be written is suspended as what its file holds, not as what was hashed", async () => {
  const kept: unknown[] = [];
  const file = { handle: await open("/dev/full", "w"), hash: createHash("sha256"), sizeBytes: 0 };
  const ingest = new LocalIngest(file, {
    grown: () => {},
    place: async () => {},
    drop: async () => {},
    keep: async (hashed) => void kept.push(hashed),
  });
  await ingest.write(Buffer.from("x"));
  await ingest.suspend();
  expect(kept).toEqual([undefined]);
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
