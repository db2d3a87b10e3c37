/**
 * The metadata store on SQLite through `node:sqlite`.
 *
 * Durability costs one fsync per durable commit (measured: 0.06-0.1 ms against 0.015 ms); changing the level between
 * two transactions costs half a microsecond, so it is set only when it changes and never worried about.
 *
 * SQLite deletes its write-ahead log when the last connection closes. A log that is still there at open therefore says
 * that the last process died, and only then the file is checked before it is trusted.
 */
import { chmodSync, existsSync, renameSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { type Category, fail, type GantryError, messageOf } from "../../base/errors.ts";
import { DiskReserve } from "./disk-reserve.ts";
import { type Metadata, numberColumn, type Row, type SqlValue, type Statement } from "./metadata.ts";

export interface MetadataOptions {
  /** Of the database file; `-wal` and `-shm` live beside it. Its directory must exist. */
  readonly path: string;
  /** Told when a damaged database was moved to `movedTo` and an empty one took its place. */
  readonly onDamaged: (movedTo: string, reason: string) => void;
  /** Kept free beside the database, in `<path>-reserve`, for transactions that find the disk full; 0 or none = nothing is. */
  readonly reserveBytes?: number;
}

/** SQLite primary result codes, https://sqlite.org/rescode.html */
const SQLITE_BUSY = 5;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_CONSTRAINT = 19;
const SQLITE_NOTADB = 26;

type Durability = "durable" | "process";

/** Opens the store, or an empty one when the file is damaged; throws `unavailable` when there is no opening it at all. */
export function openMetadata(options: MetadataOptions): Metadata {
  const { path, reserveBytes = 0 } = options;
  const reserve = reserveBytes === 0 ? undefined : new DiskReserve(`${path}-reserve`, reserveBytes);
  try {
    return new SqliteMetadata(openDatabase(path), reserve);
  } catch (error) {
    const code = resultCodeOf(error);
    if (code !== SQLITE_CORRUPT && code !== SQLITE_NOTADB)
      throw wrap(`cannot open metadata "${path}"`, error);
    const movedTo = moveAside(path);
    options.onDamaged(movedTo, messageOf(error));
  }
  try {
    return new SqliteMetadata(openDatabase(path), reserve);
  } catch (error) {
    throw wrap(`cannot open metadata "${path}"`, error);
  }
}

class DamagedDatabase extends Error {
  readonly errcode = SQLITE_CORRUPT;
}

function openDatabase(path: string): DatabaseSync {
  const diedLastTime = existsSync(`${path}-wal`);
  const database = new DatabaseSync(path);
  try {
    // It holds containers' environments: for the owner alone. SQLite gives its companions the mode of the database.
    chmodSync(path, 0o600);
    // One page read decides whether this is a database at all; everything later may rely on it.
    database.exec("PRAGMA busy_timeout = 5000");
    database.exec("PRAGMA journal_mode = WAL");
    database.exec("PRAGMA synchronous = FULL");
    database.exec("PRAGMA foreign_keys = ON");
    database.exec("PRAGMA journal_size_limit = 4194304");
    if (diedLastTime) check(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function check(database: DatabaseSync): void {
  const row = database.prepare("PRAGMA quick_check(1)").get();
  const verdict = row?.["quick_check"];
  if (verdict !== "ok") throw new DamagedDatabase(`quick check: ${String(verdict)}`);
}

function moveAside(path: string): string {
  const stamp = new Date().toISOString().replaceAll(/[:.]/g, "-");
  const movedTo = `${path}.damaged-${stamp}`;
  for (const suffix of ["-wal", "-shm", ""]) {
    if (existsSync(path + suffix)) renameSync(path + suffix, movedTo + suffix);
  }
  return movedTo;
}

class SqliteMetadata implements Metadata {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, Statement>();
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  #durability: Durability = "durable";
  /** Nesting depth of the transaction that is running, 0 = none. */
  #depth = 0;
  #wantsDurable = false;
  readonly #reserve: DiskReserve | undefined;

  constructor(database: DatabaseSync, reserve: DiskReserve | undefined) {
    this.#database = database;
    this.#reserve = reserve;
    this.#begin = database.prepare("BEGIN IMMEDIATE");
    this.#commit = database.prepare("COMMIT");
    database.exec(
      "CREATE TABLE IF NOT EXISTS noun_version (noun TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT",
    );
  }

  migrate(noun: string, steps: readonly string[]): void {
    const row = this.prepare("SELECT version FROM noun_version WHERE noun = ?").get(noun);
    const version = row === undefined ? 0 : numberColumn(row, "version");
    if (version > steps.length)
      throw fail(
        "unavailable",
        `metadata of "${noun}" has version ${version}, this program knows ${steps.length}: it was written by a newer one`,
      );
    steps.slice(version).forEach((step, index) => {
      this.transaction("durable", () => {
        this.#exec(step);
        this.prepare("INSERT OR REPLACE INTO noun_version (noun, version) VALUES (?, ?)").run(
          noun,
          version + index + 1,
        );
      });
    });
  }

  prepare(sql: string): Statement {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = attempt(sql, () => new SqliteStatement(sql, this.#database.prepare(sql)));
    this.#statements.set(sql, statement);
    return statement;
  }

  transaction<T>(durability: Durability, work: () => T): T {
    return this.#depth === 0 ? this.#withReserve(durability, work) : this.#joined(durability, work);
  }

  #withReserve<T>(durability: Durability, work: () => T): T {
    this.#reserve?.restore();
    try {
      return this.#outermost(durability, work);
    } catch (error) {
      if (!isFull(error) || this.#reserve?.release() !== true) throw error;
      return this.#outermost(durability, work);
    }
  }

  #outermost<T>(durability: Durability, work: () => T): T {
    this.#setDurability(durability);
    this.#wantsDurable = durability === "durable";
    attempt("BEGIN", () => this.#begin.run());
    this.#depth = 1;
    let result: T;
    try {
      result = refusePromise(work());
      attempt("COMMIT", () => this.#commit.run());
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    } finally {
      this.#depth = 0;
    }
    // The level cannot change inside a transaction. A checkpoint syncs the log first, which is all that was missing.
    if (this.#wantsDurable && durability === "process") this.#exec("PRAGMA wal_checkpoint(PASSIVE)");
    return result;
  }

  #joined<T>(durability: Durability, work: () => T): T {
    const savepoint = `nested_${this.#depth}`;
    const wantedDurable = this.#wantsDurable;
    this.#exec(`SAVEPOINT ${savepoint}`);
    this.#depth++;
    try {
      this.#wantsDurable ||= durability === "durable";
      const result = refusePromise(work());
      this.#exec(`RELEASE ${savepoint}`);
      return result;
    } catch (error) {
      this.#wantsDurable = wantedDurable;
      // A full disk rolls the whole transaction back by itself, and the savepoint with it.
      if (this.#database.isTransaction) this.#database.exec(`ROLLBACK TO ${savepoint}; RELEASE ${savepoint}`);
      throw error;
    } finally {
      this.#depth--;
    }
  }

  #setDurability(durability: Durability): void {
    if (durability === this.#durability) return;
    this.#exec(`PRAGMA synchronous = ${durability === "durable" ? "FULL" : "NORMAL"}`);
    this.#durability = durability;
  }

  #exec(sql: string): void {
    attempt(sql, () => this.#database.exec(sql));
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }
}

class SqliteStatement implements Statement {
  readonly #sql: string;
  readonly #statement: StatementSync;

  constructor(sql: string, statement: StatementSync) {
    this.#sql = sql;
    this.#statement = statement;
    // Without this a value beyond 2^53 throws in Node and is an error or rounded in Bun, depending on its version.
    statement.setReadBigInts(true);
  }

  run(...values: SqlValue[]): void {
    attempt(this.#sql, () => this.#statement.run(...values));
  }

  get(...values: SqlValue[]): Row | undefined {
    const row = attempt(this.#sql, () => this.#statement.get(...values));
    return row === undefined ? undefined : narrowed(row);
  }

  all(...values: SqlValue[]): Row[] {
    return attempt(this.#sql, () => this.#statement.all(...values)).map(narrowed);
  }
}

function narrowed(row: Record<string, SqlValue>): Row {
  for (const column in row) {
    const value = row[column];
    if (typeof value === "bigint" && value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER)
      row[column] = Number(value);
  }
  return row;
}

function refusePromise<T>(result: T): T {
  if (result instanceof Promise)
    throw fail("internal", "a metadata transaction must not wait: its work returned a promise");
  return result;
}

function attempt<T>(sql: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw wrap(`cannot run "${sql.length > 120 ? `${sql.slice(0, 120)}…` : sql}"`, error);
  }
}

function wrap(what: string, error: unknown): GantryError {
  return fail(CATEGORIES.get(resultCodeOf(error)) ?? "internal", `${what}: ${messageOf(error)}`, error);
}

const CATEGORIES: ReadonlyMap<number | undefined, Category> = new Map([
  [SQLITE_CONSTRAINT, "conflict"],
  [SQLITE_BUSY, "unavailable"],
  [SQLITE_FULL, "unavailable"],
  [SQLITE_IOERR, "unavailable"],
  [SQLITE_READONLY, "unavailable"],
  [SQLITE_CANTOPEN, "unavailable"],
]);

/** Also when it is what an error was caused by. */
function isFull(error: unknown): boolean {
  return error instanceof Error && (resultCodeOf(error) === SQLITE_FULL || isFull(error.cause));
}

/** The primary code: extended ones keep it in the low byte. */
function resultCodeOf(error: unknown): number | undefined {
  if (error instanceof Error && "errcode" in error && typeof error.errcode === "number")
    return error.errcode & 0xff;
  return undefined;
}
