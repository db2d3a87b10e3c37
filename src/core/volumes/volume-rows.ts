/** The table of volumes. */
import { Fields, parseJson } from "../../specs/engine/fields.decode.ts";
import { type Metadata, type Statement, textColumn } from "../metadata/metadata.ts";
import type { Durability } from "./volumes.ts";

const MIGRATIONS = [
  "CREATE TABLE volumes (name TEXT PRIMARY KEY, driver TEXT NOT NULL, document TEXT NOT NULL) WITHOUT ROWID;",
];

/** A volume without what its driver knows of it. */
export interface VolumeRow {
  readonly name: string;
  readonly driver: string;
  readonly createdNs: bigint;
  readonly labels: Readonly<Record<string, string>> | null;
  readonly options: Readonly<Record<string, string>> | null;
}

export class VolumeRows {
  readonly #metadata: Metadata;
  readonly #insert: Statement;
  readonly #delete: Statement;

  constructor(metadata: Metadata) {
    this.#metadata = metadata;
    metadata.migrate("volumes", MIGRATIONS);
    this.#insert = metadata.prepare("INSERT INTO volumes (name, driver, document) VALUES (?, ?, ?)");
    this.#delete = metadata.prepare("DELETE FROM volumes WHERE name = ?");
  }

  all(): readonly VolumeRow[] {
    return this.#metadata
      .prepare("SELECT name, driver, document FROM volumes")
      .all()
      .map((row) => {
        const fields = new Fields(parseJson(textColumn(row, "document")), "");
        return {
          name: textColumn(row, "name"),
          driver: textColumn(row, "driver"),
          createdNs: BigInt(fields.str("createdNs", "0")),
          labels: fields.stringMap("labels"),
          options: fields.stringMap("options"),
        };
      });
  }

  insert({ name, driver, createdNs, labels, options }: VolumeRow, durability: Durability): void {
    const document = JSON.stringify({ createdNs: String(createdNs), labels, options });
    this.#metadata.transaction(durability, () => this.#insert.run(name, driver, document));
  }

  delete(name: string, durability: Durability): void {
    this.#metadata.transaction(durability, () => this.#delete.run(name));
  }
}
