/**
 * The one transactional store (SQLite, WAL). Each noun owns its tables and declares them by `migrate`; nobody reads
 * another noun's tables. All calls are synchronous: a point read takes microseconds, a durable commit ~0.1 ms.
 *
 * On crash: a transaction is either wholly there or not at all. `durable` ones survive a power cut (synchronous=FULL);
 * others survive any process death, and may be lost by a power cut (synchronous=NORMAL) — right for facts that a dead
 * machine makes void anyway, such as "is running".
 *
 * Errors: `conflict` when a row breaks a constraint, `unavailable` when the disk is full or refuses, else `internal`.
 */
import { fail, type GantryError } from "../../base/errors.ts";

export type SqlValue = string | number | bigint | null | Uint8Array;
/** Integers come back as number where a double holds them exactly (±2^53), else as bigint. */
export type Row = Readonly<Record<string, SqlValue>>;

export interface Statement {
  run(...values: SqlValue[]): void;
  get(...values: SqlValue[]): Row | undefined;
  all(...values: SqlValue[]): Row[];
}

export interface Metadata {
  /** Brings one noun's tables from whatever version they have to `steps.length`; each step runs once, in one transaction. */
  migrate(noun: string, steps: readonly string[]): void;

  /** Prepared once, kept by the caller; the same text gives the same statement. */
  prepare(sql: string): Statement;

  /**
   * Runs `work`, which must not wait for anything, in one transaction; a throw rolls it back. May be nested: an inner
   * call joins the outer transaction and only undoes its own part when it throws; a `durable` inner call makes the
   * whole durable. On a full disk `work` may be run twice: what it does beside writing rows must bear that.
   */
  transaction<T>(durability: "durable" | "process", work: () => T): T;

  close(): void;
}

/* Reading columns as what the table's own declaration promises; anything else is a damaged or foreign table. */

export function textColumn(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw wrong(column, "text", value);
  return value;
}

/** An integer column that always fits a double. */
export function numberColumn(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== "number") throw wrong(column, "a number", value);
  return value;
}

/** A 64-bit integer column. */
export function bigintColumn(row: Row, column: string): bigint {
  const value = row[column];
  if (typeof value === "bigint") return value;
  if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
  throw wrong(column, "an integer", value);
}

export function bytesColumn(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (!(value instanceof Uint8Array)) throw wrong(column, "bytes", value);
  return value;
}

function wrong(column: string, expected: string, value: unknown): GantryError {
  return fail(
    "internal",
    `column "${column}" does not hold ${expected} but ${value === null ? "null" : typeof value}`,
  );
}
