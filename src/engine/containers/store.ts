/**
 * All containers: an index in memory over two tables. `containers` holds what was asked for, `container_states` how each
 * runs now.
 *
 * On crash: a container exists when its row does. Rows of `--rm` containers need not survive a power cut, as the
 * container itself would not; all other rows do. A state is written at every transition and mended at start from what
 * the tasks say.
 */
import { fail, messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Metadata, Statement } from "../../core/metadata/metadata.ts";
import { decodeContainerConfig, decodeHostConfig } from "../../specs/engine/container.decode.ts";
import { asString, Fields, parseJson } from "../../specs/engine/fields.decode.ts";
import { Container } from "./container.ts";
import type { Health } from "./health.ts";
import type { HostDefaults } from "./merge.ts";
import { decodeMountRequest } from "./mount-record.ts";
import { CREATED, type ContainerRecord, type Replaced, type RuntimeState } from "./record.ts";

const MIGRATIONS = [
  `CREATE TABLE containers (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, document TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE container_states (id TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;`,
];

const STATUSES = ["created", "running", "paused", "restarting", "removing", "exited", "dead"] as const;

const HEALTH_STATUSES = ["starting", "healthy", "unhealthy"] as const;

/** How long, and of how many at a time, the outcome of containers that removed themselves is still known. */
const DEPARTED_MS = 10_000;
const MAX_DEPARTED = 1000;

export type Durability = "durable" | "process";

export class ContainerStore {
  readonly #metadata: Metadata;
  readonly #defaults: HostDefaults;
  readonly #byId = new Map<string, Container>();
  /** Names of containers, and of those being created. */
  readonly #names = new Map<string, string>();
  readonly #departed = new Map<string, Container>();
  readonly #insert: Statement;
  readonly #rename: Statement;
  readonly #update: Statement;
  readonly #delete: Statement;
  readonly #putState: Statement;
  readonly #deleteState: Statement;

  constructor(metadata: Metadata, defaults: HostDefaults) {
    this.#metadata = metadata;
    this.#defaults = defaults;
    metadata.migrate("containers", MIGRATIONS);
    this.#insert = metadata.prepare("INSERT INTO containers (id, name, document) VALUES (?, ?, ?)");
    this.#rename = metadata.prepare("UPDATE containers SET name = ? WHERE id = ?");
    this.#update = metadata.prepare("UPDATE containers SET document = ? WHERE id = ?");
    this.#delete = metadata.prepare("DELETE FROM containers WHERE id = ?");
    this.#putState = metadata.prepare("INSERT OR REPLACE INTO container_states (id, document) VALUES (?, ?)");
    this.#deleteState = metadata.prepare("DELETE FROM container_states WHERE id = ?");
  }

  /** Reads everything back, once, at start. A row that cannot be read is named in the log and left alone. */
  load(log: Logger): void {
    const states = new Map(
      this.#metadata
        .prepare("SELECT id, document FROM container_states")
        .all()
        .map((row) => [String(row["id"]), String(row["document"])]),
    );
    for (const row of this.#metadata.prepare("SELECT id, name, document FROM containers").all()) {
      const id = String(row["id"]);
      try {
        const record = readRecord(id, String(row["name"]), String(row["document"]));
        const container = new Container(record, readState(states.get(id)), this.#defaults);
        this.#byId.set(id, container);
        this.#names.set(record.name, id);
      } catch (error) {
        log.error("cannot read a stored container", { id, error: messageOf(error) });
      }
    }
  }

  all(): IterableIterator<Container> {
    return this.#byId.values();
  }

  get(id: string): Container | undefined {
    return this.#byId.get(id);
  }

  /** By id, name, or unique beginning of an id. Throws `not_found` or, for an ambiguous beginning, `invalid_argument`. */
  find(reference: string): Container {
    const name = reference.startsWith("/") ? reference.slice(1) : reference;
    const exact = this.#byId.get(reference) ?? this.#byId.get(this.#names.get(name) ?? "");
    if (exact !== undefined) return exact;
    const matches = /^[0-9a-f]{1,64}$/.test(reference)
      ? [...this.#byId.values()].filter((container) => container.id.startsWith(reference))
      : [];
    const [match] = matches;
    if (matches.length > 1)
      throw fail("invalid_argument", `multiple IDs found with provided prefix: ${reference}`);
    if (match === undefined) throw fail("not_found", `No such container: ${reference}`);
    return match;
  }

  /**
   * As `find`; also, by its whole id, a `--rm` container that is gone since some seconds. For clients that start one and then
   * ask for its outcome (`run` of dockerode), who would come too late for most of those that are short.
   */
  findOrDeparted(reference: string): Container {
    return this.#departed.get(reference) ?? this.find(reference);
  }

  isNameTaken(name: string): boolean {
    return this.#names.has(name);
  }

  /** Takes a name for a container that is about to be. Throws `conflict`. */
  reserveName(name: string, id: string): void {
    const owner = this.#names.get(name);
    if (owner !== undefined)
      throw fail(
        "conflict",
        `Conflict. The container name "/${name}" is already in use by container "${owner}". You have to remove (or rename) that container to be able to reuse that name.`,
      );
    this.#names.set(name, id);
  }

  releaseName(name: string): void {
    this.#names.delete(name);
  }

  build(record: ContainerRecord): Container {
    return new Container(record, CREATED, this.#defaults);
  }

  /**
   * The container exists from here on, with what others write of it at the same time (`also`). Its name must have been
   * reserved.
   */
  add(container: Container, also: (durability: Durability) => void): void {
    const durability = durabilityOf(container);
    this.#metadata.transaction(durability, () => {
      also(durability);
      this.#insert.run(container.id, container.name, writeRecord(container.record));
      this.#putState.run(container.id, writeState(container.state));
    });
    this.#byId.set(container.id, container);
  }

  setState(container: Container, change: Partial<RuntimeState>): void {
    const state = { ...container.state, ...change };
    this.#metadata.transaction("process", () => this.#putState.run(container.id, writeState(state)));
    container.state = state;
  }

  /** What is not worth a write of its own: it gets into the row with the next change of the state. */
  noteHealth(container: Container, health: Health): void {
    container.state = { ...container.state, health };
  }

  /** Throws `conflict` when the name is taken. */
  rename(container: Container, name: string): void {
    const old = container.name;
    this.reserveName(name, container.id);
    try {
      this.#metadata.transaction("durable", () => this.#rename.run(name, container.id));
    } catch (error) {
      this.#names.delete(name);
      throw error;
    }
    container.record = { ...container.record, name };
    this.#names.delete(old);
  }

  /** Each has the other's name from here on; nobody sees them without. */
  swapNames(one: Container, other: Container): void {
    const [first, second] = [one.name, other.name];
    this.#metadata.transaction("durable", () => {
      this.#rename.run("", one.id);
      this.#rename.run(first, other.id);
      this.#rename.run(second, one.id);
    });
    one.record = { ...one.record, name: second };
    other.record = { ...other.record, name: first };
    this.#names.set(first, other.id);
    this.#names.set(second, one.id);
  }

  /**
   * The container was asked for as `wanted` (what `build` makes of a record with its id and name) from here on; with what others
   * write of it at the same time.
   */
  change(
    container: Container,
    wanted: Pick<Container, "record" | "config" | "host">,
    also: () => void,
  ): void {
    this.#metadata.transaction(durabilityOf(container), () => {
      also();
      this.#update.run(writeRecord(wanted.record), container.id);
    });
    container.record = wanted.record;
    container.config = wanted.config;
    container.host = wanted.host;
  }

  /** The container is gone from here on: row, id and name, and what others have written of it (`also`). */
  delete(container: Container, also: (durability: Durability) => void): void {
    const durability = durabilityOf(container);
    this.#metadata.transaction(durability, () => {
      also(durability);
      this.#delete.run(container.id);
      this.#deleteState.run(container.id);
    });
    this.#byId.delete(container.id);
    this.#names.delete(container.name);
    if (container.host.AutoRemove) this.#remember(container);
  }

  #remember(container: Container): void {
    const [oldest] = this.#departed.keys();
    if (oldest !== undefined && this.#departed.size >= MAX_DEPARTED) this.#departed.delete(oldest);
    this.#departed.set(container.id, container);
    setTimeout(() => this.#departed.delete(container.id), DEPARTED_MS).unref();
  }
}

export function durabilityOf(container: Container): Durability {
  return container.host.AutoRemove ? "process" : "durable";
}

function writeRecord(record: ContainerRecord): string {
  const { id: _id, name: _name, createdNs, ...document } = record;
  return JSON.stringify({ ...document, createdNs: String(createdNs) });
}

function readRecord(id: string, name: string, document: string): ContainerRecord {
  const fields = new Fields(parseJson(document), "");
  const imageConfig = fields.object("imageConfig");
  return {
    id,
    name,
    createdNs: readNs(fields, "createdNs"),
    imageId: fields.str("imageId"),
    layer: fields.has("layer") ? asString(fields.raw("layer"), "layer") : undefined,
    config: decodeContainerConfig(new Fields(fields.raw("config"), "config")),
    host: decodeHostConfig(new Fields(fields.raw("host"), "host")),
    imageConfig: imageConfig === null ? null : decodeContainerConfig(imageConfig),
    replaces: readReplaced(fields.object("replaces")),
    ...(fields.has("sizeBytes") ? { sizeBytes: fields.int("sizeBytes") } : {}),
    ...(fields.has("mounts") ? { mounts: fields.list("mounts", decodeMountRequest) ?? [] } : {}),
  };
}

function readReplaced(fields: Fields | null): Replaced | undefined {
  if (fields === null) return undefined;
  return { id: fields.str("id"), name: fields.str("name"), wasRunning: fields.bool("wasRunning") };
}

function writeState(state: RuntimeState): string {
  return JSON.stringify({
    ...state,
    startedNs: String(state.startedNs),
    finishedNs: String(state.finishedNs),
    health: state.health === null ? null : writeHealth(state.health),
  });
}

function writeHealth(health: Health): object {
  return {
    ...health,
    log: health.log.map((result) => ({
      ...result,
      startNs: String(result.startNs),
      endNs: String(result.endNs),
    })),
  };
}

function readState(document: string | undefined): RuntimeState {
  if (document === undefined) return CREATED;
  const fields = new Fields(parseJson(document), "");
  return {
    status: fields.oneOf("status", STATUSES, (value) => `unknown status "${value}"`),
    pid: fields.int("pid"),
    exitCode: fields.int("exitCode"),
    error: fields.str("error"),
    oomKilled: fields.bool("oomKilled"),
    startedNs: readNs(fields, "startedNs"),
    finishedNs: readNs(fields, "finishedNs"),
    restartCount: fields.int("restartCount"),
    stoppedByUser: fields.bool("stoppedByUser"),
    pausedToCommit: fields.bool("pausedToCommit"),
    health: readHealth(fields.object("health")),
    removesVolumes: fields.bool("removesVolumes"),
    limitsChanging: fields.bool("limitsChanging"),
  };
}

function readHealth(fields: Fields | null): Health | null {
  if (fields === null) return null;
  return {
    status: fields.oneOf("status", HEALTH_STATUSES, (value) => `unknown health "${value}"`),
    failingStreak: fields.int("failingStreak"),
    wasHealthy: fields.bool("wasHealthy"),
    log:
      fields.list("log", (value, path) => {
        const result = new Fields(value, path);
        return {
          startNs: readNs(result, "startNs"),
          endNs: readNs(result, "endNs"),
          exitCode: result.int("exitCode"),
          output: result.str("output"),
        };
      }) ?? [],
  };
}

function readNs(fields: Fields, key: string): bigint {
  const text = fields.str(key, "0");
  if (!/^\d{1,19}$/.test(text)) throw fail("internal", `stored field "${key}" is not a time`);
  return BigInt(text);
}
