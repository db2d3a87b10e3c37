import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { type NameLock, compressRotated } from "./compress.ts";
import { closeAll, openLogFiles } from "./log-files.ts";

const NEVER = new AbortController().signal;

let directory = "";
let path = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "log-compress-"));
  path = join(directory, "c-json.log");
  writeFileSync(path, "now\n", { mode: 0o640 });
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

/** The lock without the kernel's part; `onLock` stands for what the shim does before it is held. */
function lock(onLock: () => void = () => {}): NameLock {
  return {
    lockFile: (name) => {
      onLock();
      return openSync(name, "r");
    },
    closeFd: closeSync,
  };
}

test("compressRotated() replaces every rotated file", async () => {
  const content = "some line that comes again and again\n".repeat(40_000);
  writeFileSync(`${path}.1`, content, { mode: 0o640 });
  writeFileSync(`${path}.2`, "two\n");
  await compressRotated({ path, maxFiles: 3 }, lock(), NEVER);
  expect(readdirSync(directory).sort()).toEqual(["c-json.log", "c-json.log.1.gz", "c-json.log.2.gz"]);
  expect(gunzipSync(readFileSync(`${path}.1.gz`)).toString()).toBe(content);
  expect(statSync(`${path}.1.gz`).mode & 0o777).toBe(0o640);
  expect(readFileSync(path, "utf8")).toBe("now\n");
});

test("compressRotated() makes files that gzip itself accepts", async () => {
  writeFileSync(`${path}.1`, "one\n");
  await compressRotated({ path, maxFiles: 2 }, lock(), NEVER);
  const { stdout, status } = spawnSync("gzip", ["-dc", `${path}.1.gz`]);
  expect(`${status} ${stdout.toString()}`).toBe("0 one\n");
});

test("a file that is rotated on meanwhile keeps its place in the order", async () => {
  writeFileSync(`${path}.1`, "old\n");
  let isFirst = true;
  const rotateOnce = (): void => {
    if (!isFirst) return;
    isFirst = false;
    renameSync(`${path}.1`, `${path}.2`);
    renameSync(path, `${path}.1`);
    writeFileSync(path, "newest\n");
  };
  await compressRotated({ path, maxFiles: 3 }, lock(rotateOnce), NEVER);
  expect(gunzipSync(readFileSync(`${path}.2.gz`)).toString()).toBe("old\n");
  expect(existsSync(`${path}.2`)).toBe(false);
  expect(readFileSync(`${path}.1`, "utf8")).toBe("now\n");
});

test("a file that is dropped meanwhile leaves nothing behind", async () => {
  writeFileSync(`${path}.1`, "old\n");
  await compressRotated(
    { path, maxFiles: 2 },
    lock(() => renameSync(path, `${path}.1`)),
    NEVER,
  ).catch(() => {});
  expect(readdirSync(directory).filter((name) => name.includes("gz"))).toEqual([]);
});

test("a lock on a file that no longer has the log's name does not count", async () => {
  writeFileSync(`${path}.1`, "old\n");
  let attempts = 0;
  const stale: NameLock = {
    lockFile: (name) => openSync(attempts++ < 3 ? `${path}.1` : name, "r"),
    closeFd: closeSync,
  };
  await compressRotated({ path, maxFiles: 2 }, stale, NEVER);
  expect(attempts).toBe(4);
});

test("compressRotated() does again what a crash has left half done", async () => {
  writeFileSync(`${path}.1`, "one\n");
  writeFileSync(`${path}.1.gz`, "whatever");
  writeFileSync(`${path}.gz-tmp`, "half");
  await compressRotated({ path, maxFiles: 2 }, lock(), NEVER);
  expect(readdirSync(directory).sort()).toEqual(["c-json.log", "c-json.log.1.gz"]);
  expect(gunzipSync(readFileSync(`${path}.1.gz`)).toString()).toBe("one\n");
});

test("compressRotated() stops when it is aborted and leaves the plain file", async () => {
  writeFileSync(`${path}.1`, "one\n");
  const reason = new Error("shutdown");
  const abort = AbortSignal.abort(reason);
  const error: unknown = await compressRotated({ path, maxFiles: 2 }, lock(), abort).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(Error);
  expect(readdirSync(directory).sort()).toEqual(["c-json.log", "c-json.log.1"]);
});

test("a reader knows the compressed form of a file that it has open", async () => {
  writeFileSync(`${path}.1`, "one\n");
  const before = await openLogFiles({ path, maxFiles: 3 });
  await compressRotated({ path, maxFiles: 3 }, lock(), NEVER);
  renameSync(`${path}.1.gz`, `${path}.2.gz`);
  renameSync(path, `${path}.1`);
  writeFileSync(path, "next\n");
  const rotated = before[0];
  if (rotated === undefined) throw new Error("nothing open");
  const newer = await openLogFiles({ path, maxFiles: 3 }, rotated);
  expect(newer.map(({ isCompressed }) => isCompressed)).toEqual([false, false]);
  await closeAll(newer);
  await closeAll(before);
});
