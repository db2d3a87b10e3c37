import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isCategory } from "../../base/errors.ts";
import { bigintColumn, type Metadata, numberColumn } from "./metadata.ts";
import { openMetadata } from "./sqlite-metadata.ts";

let directory: string;
let path: string;
let damaged: { movedTo: string; reason: string }[];
const opened: Metadata[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "metadata-"));
  path = join(directory, "gantry.db");
  damaged = [];
});

afterEach(() => {
  for (const metadata of opened.splice(0)) metadata.close();
  rmSync(directory, { recursive: true, force: true });
});

function open(file = path): Metadata {
  const metadata = openMetadata({
    path: file,
    onDamaged: (movedTo, reason) => damaged.push({ movedTo, reason }),
  });
  opened.push(metadata);
  return metadata;
}

function close(metadata: Metadata): void {
  metadata.close();
  opened.splice(opened.indexOf(metadata), 1);
}

const THINGS = ["CREATE TABLE thing (name TEXT PRIMARY KEY, size INTEGER NOT NULL) STRICT"];

function openThings(file = path): Metadata {
  const metadata = open(file);
  metadata.migrate("thing", THINGS);
  return metadata;
}

function add(metadata: Metadata, name: string, size: number | bigint = 1): void {
  metadata.prepare("INSERT INTO thing (name, size) VALUES (?, ?)").run(name, size);
}

function names(metadata: Metadata): unknown[] {
  return metadata
    .prepare("SELECT name FROM thing ORDER BY name")
    .all()
    .map((row) => row["name"]);
}

describe("migrate()", () => {
  test("runs only the steps that a noun has not had", () => {
    const first = openThings();
    add(first, "a");
    close(first);
    const second = open();
    second.migrate("thing", [...THINGS, "ALTER TABLE thing ADD COLUMN color TEXT"]);
    expect(second.prepare("SELECT name, size, color FROM thing").get()).toEqual({
      name: "a",
      size: 1,
      color: null,
    });
  });

  test("undoes a step that fails half-way", () => {
    const metadata = open();
    expect(() =>
      metadata.migrate("thing", ["CREATE TABLE thing (name TEXT); CREATE TABLE nonsense ("]),
    ).toThrow("cannot run");
    metadata.migrate("thing", THINGS);
    add(metadata, "a");
    expect(names(metadata)).toEqual(["a"]);
  });

  test("refuses tables of a newer program", () => {
    const metadata = open();
    metadata.migrate("thing", [...THINGS, "ALTER TABLE thing ADD COLUMN color TEXT"]);
    expect(() => metadata.migrate("thing", THINGS)).toThrow("written by a newer one");
  });
});

describe("transaction()", () => {
  test("is rolled back by a throw and returns its result otherwise", () => {
    const metadata = openThings();
    expect(() =>
      metadata.transaction("durable", () => {
        add(metadata, "a");
        throw new Error("changed my mind");
      }),
    ).toThrow("changed my mind");
    expect(metadata.transaction("process", () => (add(metadata, "b"), 7))).toBe(7);
    expect(names(metadata)).toEqual(["b"]);
  });

  test("undoes only its own part when it is nested and the outer one goes on", () => {
    const metadata = openThings();
    metadata.transaction("process", () => {
      add(metadata, "outer");
      expect(() =>
        metadata.transaction("durable", () => {
          add(metadata, "inner");
          throw new Error("inner");
        }),
      ).toThrow("inner");
      metadata.transaction("durable", () => add(metadata, "second inner"));
    });
    expect(names(metadata)).toEqual(["outer", "second inner"]);
  });

  test("takes nested work with it when the outer one throws", () => {
    const metadata = openThings();
    expect(() =>
      metadata.transaction("durable", () => {
        metadata.transaction("durable", () => add(metadata, "inner"));
        throw new Error("outer");
      }),
    ).toThrow("outer");
    expect(names(metadata)).toEqual([]);
  });

  test("refuses work that waits", () => {
    const metadata = openThings();
    expect(() =>
      metadata.transaction("process", () => {
        add(metadata, "a");
        return Promise.resolve();
      }),
    ).toThrow("must not wait");
    expect(names(metadata)).toEqual([]);
  });

  test("reports a broken constraint as conflict", () => {
    const metadata = openThings();
    add(metadata, "a");
    let caught: unknown;
    try {
      add(metadata, "a");
    } catch (error) {
      caught = error;
    }
    expect(isCategory(caught, "conflict")).toBe(true);
  });

  test("reports a full disk as unavailable and stays usable", () => {
    const metadata = openThings();
    metadata.prepare("PRAGMA max_page_count = 8").get();
    let caught: unknown;
    try {
      metadata.transaction("durable", () => add(metadata, "x".repeat(200_000)));
    } catch (error) {
      caught = error;
    }
    expect(isCategory(caught, "unavailable")).toBe(true);
    metadata.transaction("durable", () => add(metadata, "small"));
    expect(names(metadata)).toEqual(["small"]);
  });

  test("gives up its reserve for a transaction that finds the disk full, and runs it again", () => {
    const metadata = openMetadata({ path, reserveBytes: 1 << 20, onDamaged: () => {} });
    opened.push(metadata);
    metadata.migrate("thing", THINGS);
    const reserve = `${path}-reserve`;
    expect(statSync(reserve).size).toBe(1 << 20);
    let runs = 0;
    const addLarge = (name: string): void => {
      metadata.prepare("PRAGMA max_page_count = 8").get();
      metadata.transaction("durable", () => {
        runs++;
        if (!existsSync(reserve)) metadata.prepare("PRAGMA max_page_count = 1000").get();
        add(metadata, name.repeat(200_000));
      });
    };
    addLarge("x");
    expect([runs, existsSync(reserve), names(metadata).map((name) => String(name)[0])]).toEqual([
      2,
      false,
      ["x"],
    ]);
    close(metadata);
    const next = openMetadata({ path, reserveBytes: 1 << 20, onDamaged: () => {} });
    opened.push(next);
    next.transaction("process", () => add(next, "small"));
    expect(statSync(reserve).size).toBe(1 << 20);
  });
});

test("integers come back exactly: as number up to 2^53, as bigint beyond", () => {
  const metadata = openThings();
  add(metadata, "a", 2n ** 62n + 1n);
  add(metadata, "b", 2 ** 40);
  const rows = metadata.prepare("SELECT size FROM thing ORDER BY name").all();
  expect(rows.map((row) => row["size"])).toEqual([2n ** 62n + 1n, 2 ** 40]);
  expect(rows.map((row) => bigintColumn(row, "size"))).toEqual([2n ** 62n + 1n, 2n ** 40n]);
  expect(() => numberColumn(rows[0] ?? {}, "size")).toThrow('column "size"');
});

describe("openMetadata()", () => {
  test("keeps what a killed process had committed", () => {
    const metadata = openThings();
    metadata.transaction("process", () => add(metadata, "a"));
    // What a dead process leaves: the file and its log, without the close that would fold one into the other.
    const copy = join(directory, "copy.db");
    copyFileSync(path, copy);
    copyFileSync(`${path}-wal`, `${copy}-wal`);
    expect(names(openThings(copy))).toEqual(["a"]);
    expect(damaged).toEqual([]);
  });

  test("moves a file that is no database aside and starts empty", () => {
    writeFileSync(path, "this is not a database, however long one looks at it".repeat(100));
    const metadata = openThings();
    expect(names(metadata)).toEqual([]);
    expect(damaged.map((d) => d.reason)).toEqual(["file is not a database"]);
    expect(readdirSync(directory).filter((name) => name.includes(".damaged-")).length).toBe(1);
  });

  test("finds damage inside the file after an unclean end", () => {
    const metadata = openThings();
    for (let i = 0; i < 500; i++) add(metadata, `name ${i} ${"x".repeat(100)}`);
    metadata.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get();
    add(metadata, "last");
    const copy = join(directory, "copy.db");
    copyFileSync(path, copy);
    copyFileSync(`${path}-wal`, `${copy}-wal`);
    const fd = openSync(copy, "r+");
    writeSync(fd, Buffer.alloc(4096 * 6, 0xee), 0, 4096 * 6, 4096 * 3);
    closeSync(fd);
    expect(names(openThings(copy))).toEqual([]);
    expect(damaged.length).toBe(1);
    expect(damaged[0]?.movedTo).toStartWith(`${copy}.damaged-`);
  });

  test("keeps the file and its companions to the owner", () => {
    const path = join(directory, "private.db");
    const metadata = open(path);
    metadata.migrate("things", ["CREATE TABLE private_things (id TEXT)"]);
    for (const end of ["", "-wal", "-shm"]) expect(statSync(path + end).mode & 0o777).toBe(0o600);
  });

  test("throws for a path that cannot be opened instead of starting empty", () => {
    let caught: unknown;
    try {
      open(join(directory, "missing", "gantry.db"));
    } catch (error) {
      caught = error;
    }
    expect(isCategory(caught, "unavailable")).toBe(true);
    expect(damaged).toEqual([]);
  });
});
