/**
 * The networks' tables. A row's document is JSON; what a row is found by has a column of its own.
 *
 * On crash: a network exists when its row does; links and rules without one are garbage to the next start, and those that
 * a row lacks are made again from it. An attachment is there for as long as the container it belongs to. An endpoint's
 * row comes before the address in it is used by anybody, and goes after that; one whose container does not run any more is
 * deleted at start, which gives its addresses back. A change names a running container whose networks are just being changed:
 * what the kernel has of them may be anything in between.
 */
import type { Logger } from "../../base/log.ts";
import { messageOf } from "../../base/errors.ts";
import { type Metadata, type Row, type Statement, textColumn } from "../metadata/metadata.ts";
import type { AttachmentRecord, EndpointRecord } from "./endpoint-record.ts";
import type { NetworkRecord } from "./network-record.ts";
import {
  readAttachment,
  readEndpoint,
  readNetwork,
  writeAttachment,
  writeEndpoint,
  writeNetwork,
} from "./record-json.ts";

const STEPS = [
  "CREATE TABLE networks (name TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE, created TEXT NOT NULL) WITHOUT ROWID;",
  // Before there were others there were two; they keep their ids.
  `CREATE TABLE network (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, document TEXT NOT NULL) STRICT, WITHOUT ROWID;
   INSERT INTO network (id, name, document)
     SELECT id, name, json_object('created', created, 'driver', CASE name WHEN 'host' THEN 'host' ELSE 'null' END,
       'hasIpv4', json('true')) FROM networks;
   DROP TABLE networks;
   CREATE TABLE network_attachment (
     position INTEGER PRIMARY KEY,
     container TEXT NOT NULL,
     network TEXT NOT NULL,
     document TEXT NOT NULL,
     UNIQUE (container, network)
   ) STRICT;
   CREATE TABLE network_endpoint (
     id TEXT PRIMARY KEY,
     network TEXT NOT NULL,
     container TEXT NOT NULL,
     document TEXT NOT NULL
   ) STRICT, WITHOUT ROWID;`,
  "CREATE TABLE network_change (container TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;",
];

export class NetworkRows {
  readonly #metadata: Metadata;
  readonly #insertNetwork: Statement;
  readonly #updateNetwork: Statement;
  readonly #deleteNetwork: Statement;
  readonly #putAttachment: Statement;
  readonly #deleteAttachment: Statement;
  readonly #deleteAttachments: Statement;
  readonly #putEndpoint: Statement;
  readonly #deleteEndpoint: Statement;
  readonly #putChange: Statement;
  readonly #deleteChange: Statement;

  constructor(metadata: Metadata) {
    this.#metadata = metadata;
    metadata.migrate("networks", STEPS);
    this.#insertNetwork = metadata.prepare("INSERT INTO network (id, name, document) VALUES (?, ?, ?)");
    this.#updateNetwork = metadata.prepare("UPDATE network SET name = ?, document = ? WHERE id = ?");
    this.#deleteNetwork = metadata.prepare("DELETE FROM network WHERE id = ?");
    this.#putAttachment = metadata.prepare(
      `INSERT INTO network_attachment (container, network, document) VALUES (?, ?, ?)
       ON CONFLICT (container, network) DO UPDATE SET document = excluded.document`,
    );
    this.#deleteAttachment = metadata.prepare(
      "DELETE FROM network_attachment WHERE container = ? AND network = ?",
    );
    this.#deleteAttachments = metadata.prepare("DELETE FROM network_attachment WHERE container = ?");
    this.#putEndpoint = metadata.prepare(
      "INSERT OR REPLACE INTO network_endpoint (id, network, container, document) VALUES (?, ?, ?, ?)",
    );
    this.#deleteEndpoint = metadata.prepare("DELETE FROM network_endpoint WHERE id = ?");
    this.#putChange = metadata.prepare("INSERT OR IGNORE INTO network_change (container) VALUES (?)");
    this.#deleteChange = metadata.prepare("DELETE FROM network_change WHERE container = ?");
  }

  /** A row that cannot be read is named in the log and left alone. */
  networks(log: Logger): readonly NetworkRecord[] {
    return this.#readAll("network", "SELECT id, name, document FROM network ORDER BY name", log, (row) =>
      readNetwork(textColumn(row, "id"), textColumn(row, "name"), textColumn(row, "document")),
    );
  }

  /** Of each container in the order of attachment. */
  attachments(log: Logger): readonly AttachmentRecord[] {
    const sql = "SELECT container, network, document FROM network_attachment ORDER BY position";
    return this.#readAll("attachment", sql, log, (row) =>
      readAttachment(textColumn(row, "container"), textColumn(row, "network"), textColumn(row, "document")),
    );
  }

  endpoints(log: Logger): readonly EndpointRecord[] {
    const sql = "SELECT id, network, container, document FROM network_endpoint ORDER BY id";
    return this.#readAll("endpoint", sql, log, (row) =>
      readEndpoint(
        textColumn(row, "id"),
        textColumn(row, "network"),
        textColumn(row, "container"),
        textColumn(row, "document"),
      ),
    );
  }

  /** Throws `conflict` when the id or the name is taken. */
  addNetwork(record: NetworkRecord): void {
    this.#metadata.transaction("durable", () =>
      this.#insertNetwork.run(record.id, record.name, writeNetwork(record)),
    );
  }

  updateNetwork(record: NetworkRecord): void {
    this.#metadata.transaction("durable", () =>
      this.#updateNetwork.run(record.name, writeNetwork(record), record.id),
    );
  }

  removeNetwork(id: string): void {
    this.#metadata.transaction("durable", () => this.#deleteNetwork.run(id));
  }

  /** Keeps the place of one that there is. `durability`: the container's. */
  putAttachment(record: AttachmentRecord, durability: "durable" | "process"): void {
    this.#metadata.transaction(durability, () =>
      this.#putAttachment.run(record.container, record.network, writeAttachment(record)),
    );
  }

  removeAttachment(container: string, network: string, durability: "durable" | "process"): void {
    this.#metadata.transaction(durability, () => this.#deleteAttachment.run(container, network));
  }

  removeAttachments(container: string, durability: "durable" | "process"): void {
    this.#metadata.transaction(durability, () => this.#deleteAttachments.run(container));
  }

  /** Endpoints are a running machine's matter: a power cut ends the containers with them. */
  putEndpoint(record: EndpointRecord): void {
    this.#metadata.transaction("process", () =>
      this.#putEndpoint.run(record.id, record.network, record.container, writeEndpoint(record)),
    );
  }

  removeEndpoint(id: string): void {
    this.#metadata.transaction("process", () => this.#deleteEndpoint.run(id));
  }

  /** Containers. */
  changes(): readonly string[] {
    return this.#metadata
      .prepare("SELECT container FROM network_change")
      .all()
      .map((row) => textColumn(row, "container"));
  }

  putChange(container: string): void {
    this.#metadata.transaction("process", () => this.#putChange.run(container));
  }

  removeChange(container: string): void {
    this.#metadata.transaction("process", () => this.#deleteChange.run(container));
  }

  /** `work`, whose rows are written all or none. */
  together<T>(work: () => T): T {
    return this.#metadata.transaction("process", work);
  }

  #readAll<T>(what: string, sql: string, log: Logger, read: (row: Row) => T): readonly T[] {
    const records: T[] = [];
    for (const row of this.#metadata.prepare(sql).all()) {
      try {
        records.push(read(row));
      } catch (error) {
        const id = String(row["id"] ?? `${String(row["container"])}/${String(row["network"])}`);
        log.error(`cannot read a stored ${what}`, { id, error: messageOf(error) });
      }
    }
    return records;
  }
}
