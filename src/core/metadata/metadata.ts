/**
 * The one transactional store (SQLite, WAL). Each noun owns its tables and declares them by `migrate`; nobody reads
 * another noun's tables. All calls are synchronous: a point read takes microseconds, a durable commit ~0.1 ms.
 *
 * On crash: a transaction is either wholly there or not at all. `durable` ones survive a power cut (synchronous=FULL);
 * others survive any process death, and may be lost by a power cut (synchronous=NORMAL) — right for facts that a dead
 * machine makes void anyway, such as "is running".
 */
export type SqlValue = string | number | bigint | null | Uint8Array;
export type Row = Readonly<Record<string, SqlValue>>;

export interface Statement {
  run(...values: SqlValue[]): void;
  get(...values: SqlValue[]): Row | undefined;
  all(...values: SqlValue[]): Row[];
}

export interface Metadata {
  /** Brings one noun's tables from whatever version they have to `steps.length`; each step runs once, in one transaction. */
  migrate(noun: string, steps: readonly string[]): void;

  /** Prepared once, kept by the caller. */
  prepare(sql: string): Statement;

  /** Runs `work` in one transaction; a throw rolls it back. May be nested: an inner call joins the outer transaction. */
  transaction<T>(durability: "durable" | "process", work: () => T): T;

  close(): void;
}
