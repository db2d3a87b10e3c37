/** The rows of a `stats` that goes on: one stream for each container, whose last document is its row. */
import type { EngineClient } from "../../client/engine-client.ts";
import { fieldsOf } from "../../client/fields.ts";
import { jsonLines } from "../../client/json-lines.ts";
import { segment } from "./each.ts";
import { entryOf, type StatsEntry } from "./stats-entry.ts";

/** After so long without a document a row says that nothing is known. */
const SILENCE_MS = 2000;

interface Row {
  entry: StatsEntry;
  silence: NodeJS.Timeout | undefined;
  readonly stop: AbortController;
  /** Settles with the first document, or when there will be none soon. */
  readonly first: PromiseWithResolvers<void>;
  done: Promise<void>;
}

export class StatsBoard {
  readonly #engine: EngineClient;
  readonly #rows = new Map<string, Row>();
  readonly #failures: unknown[] = [];

  constructor(engine: EngineClient) {
    this.#engine = engine;
  }

  /** Of streams that could not be had, or broke. */
  get failures(): readonly unknown[] {
    return this.#failures;
  }

  entries(): readonly StatsEntry[] {
    return [...this.#rows.values()].map(({ entry }) => entry);
  }

  /** One that is there already is fine. */
  add(container: string): void {
    if (this.#rows.has(container)) return;
    const row: Row = {
      entry: { container, name: "", id: "", usage: undefined },
      silence: undefined,
      stop: new AbortController(),
      first: Promise.withResolvers(),
      done: Promise.resolve(),
    };
    this.#rows.set(container, row);
    this.#awaitNext(row);
    row.done = this.#follow(container, row);
  }

  remove(container: string): void {
    const row = this.#rows.get(container);
    this.#rows.delete(container);
    row?.stop.abort();
  }

  close(): void {
    for (const container of this.#rows.keys()) this.remove(container);
  }

  /** Each row has something to show, or has waited long enough. */
  async settled(): Promise<void> {
    await Promise.all([...this.#rows.values()].map(({ first }) => first.promise));
  }

  /** No row will change any more. */
  async ended(): Promise<void> {
    await Promise.all([...this.#rows.values()].map(({ done }) => done));
  }

  /** Never rejects. */
  async #follow(container: string, row: Row): Promise<void> {
    try {
      const path = `/containers/${segment(container)}/stats`;
      const { signal } = row.stop;
      const response = await this.#engine.call({ method: "GET", path, query: { stream: 1 }, signal });
      for await (const document of jsonLines(response.body)) {
        row.entry = entryOf(container, fieldsOf(document));
        this.#awaitNext(row);
        row.first.resolve();
      }
    } catch (error) {
      if (!row.stop.signal.aborted) this.#failures.push(error);
    } finally {
      clearTimeout(row.silence);
      forget(row);
    }
  }

  #awaitNext(row: Row): void {
    clearTimeout(row.silence);
    row.silence = setTimeout(() => forget(row), SILENCE_MS);
  }
}

function forget(row: Row): void {
  row.entry = { ...row.entry, usage: undefined };
  row.first.resolve();
}
