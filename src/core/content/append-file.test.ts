import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AppendFile } from "./append-file.ts";

const directory = mkdtempSync(join(tmpdir(), "append-file-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const MiB = 1 << 20;

test("what is in the file is sent on to the disk in parts, each once, from where the file began", async () => {
  const path = join(directory, "sent");
  await using handle = await open(path, "wx+");
  await handle.write(Buffer.alloc(100, "a"));
  const sent: (readonly [number, number])[] = [];
  const startWriteback = async (fd: number, from: number, bytes: number): Promise<void> => {
    expect(fd).toBe(handle.fd);
    sent.push([from, bytes]);
  };
  const file = new AppendFile(handle, 100, { startWriteback });
  for (let i = 0; i < 30; i++) {
    await file.write(Buffer.alloc(MiB, "b"));
    await file.drain();
  }
  await file.end();
  expect(sent).toEqual([
    [100, 8 * MiB],
    [100 + 8 * MiB, 8 * MiB],
    [100 + 16 * MiB, 8 * MiB],
  ]);
  expect(readFileSync(path).length).toBe(100 + 30 * MiB);
});

test("end() waits for the disk, drain() does not; a disk that lags holds up the next part", async () => {
  await using handle = await open(join(directory, "lagging"), "wx+");
  const { promise, resolve } = Promise.withResolvers<void>();
  let parts = 0;
  const startWriteback = (): Promise<void> => {
    parts++;
    return promise;
  };
  const file = new AppendFile(handle, 0, { startWriteback });
  await file.write(Buffer.alloc(8 * MiB));
  await file.drain();
  const second = file.write(Buffer.alloc(8 * MiB));
  let ended = false;
  const end = (async () => {
    await file.end();
    ended = true;
  })();
  await Bun.sleep(20);
  expect([parts, ended]).toEqual([1, false]);
  resolve();
  await second;
  await end;
  expect(parts).toBe(2);
});

test("a head start that fails is no failure", async () => {
  await using handle = await open(join(directory, "failing"), "wx+");
  const startWriteback = (): Promise<void> => Promise.reject(new Error("no threads"));
  const file = new AppendFile(handle, 0, { startWriteback });
  await file.write(Buffer.alloc(8 * MiB));
  await file.end();
  expect((await handle.stat()).size).toBe(8 * MiB);
});

test("bytes are their owner's again when they are taken, and come in the order in which they were given", async () => {
  const path = join(directory, "reused");
  await using handle = await open(path, "wx+");
  const file = new AppendFile(handle, 0);
  const sizes = [1, 300_000, 4096, 262_144, 700_000];
  const expected: Buffer[] = [];
  const bytes = Buffer.alloc(700_000);
  for (const [i, size] of sizes.entries()) {
    bytes.fill(i + 1);
    expected.push(Buffer.alloc(size, i + 1));
    await file.write(bytes.subarray(0, size));
    expect(file.queuedBytes).toBeLessThanOrEqual(512 << 10);
  }
  bytes.fill(0);
  await file.drain();
  expect(file.queuedBytes).toBe(0);
  expect(readFileSync(path).equals(Buffer.concat(expected))).toBe(true);
});

test("drain() waits for a write that the disk holds up, too", async () => {
  const path = join(directory, "held-up");
  await using handle = await open(path, "wx+");
  const file = new AppendFile(handle, 0);
  const written = file.write(Buffer.alloc(3 * MiB, "x"));
  await file.drain();
  expect(readFileSync(path).length).toBe(3 * MiB);
  await written;
});
