/** systemd's manager, as far as containers need it. org.freedesktop.systemd1(5) */
import { existsSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { withDeadline } from "../base/deadline.ts";
import { fail } from "../base/errors.ts";
import { DBusConnection, DBusError } from "./systemd-dbus.ts";
import { DBusReader, type DBusWriter, type Property } from "./systemd-dbus-message.ts";

/** systemctl's own way as root, without a broker; the other one is there where that is not. */
const PRIVATE_SOCKET = "/run/systemd/private";
const SYSTEM_BUS = "/run/dbus/system_bus_socket";

const SERVICE = "org.freedesktop.systemd1";
const PATH = "/org/freedesktop/systemd1";
const MANAGER = `${SERVICE}.Manager`;
const BUS = "org.freedesktop.DBus";

/** As runc: starting a scope is a matter of milliseconds, but not while the manager reloads. */
const JOB_TIMEOUT_MS = 30_000;
/** How long a scope without processes may take to end: systemd hears of it after whoever has reaped the last. */
const END_TIMEOUT_MS = 3_000;
const POLL_MS = 5;
/** Jobs of others are announced, too; ours ends soon after it began. */
const MAX_RESULTS = 10_000;

export interface ManagerOptions {
  readonly socket: string;
  /** Whether a broker stands between: then one has to say hello to it, and whom one means. */
  readonly isBus: boolean;
  readonly uid: number;
}

/** Whether systemd runs this host: sd_booted(3). */
export function isSystemdRunning(): boolean {
  return existsSync("/run/systemd/system");
}

/** Throws `unavailable` on a host without systemd. */
export function defaultManager(uid: number): ManagerOptions {
  if (!isSystemdRunning()) throw fail("unavailable", "this host is not run by systemd: it makes no cgroups");
  const isPrivate = uid === 0 && existsSync(PRIVATE_SOCKET);
  return { socket: isPrivate ? PRIVATE_SOCKET : SYSTEM_BUS, isBus: !isPrivate, uid };
}

export class SystemdManager implements AsyncDisposable {
  readonly #connection: DBusConnection;
  readonly #destination: { readonly destination: string } | undefined;

  private constructor(connection: DBusConnection, isBus: boolean) {
    this.#connection = connection;
    this.#destination = isBus ? { destination: SERVICE } : undefined;
  }

  static async open({ socket, isBus, uid }: ManagerOptions): Promise<SystemdManager> {
    const connection = await DBusConnection.open(socket, uid);
    try {
      const manager = new SystemdManager(connection, isBus);
      if (isBus) await manager.#enterBus();
      return manager;
    } catch (error) {
      await connection[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]();
  }

  async #enterBus(): Promise<void> {
    const onBus = { destination: BUS, path: "/org/freedesktop/DBus", interface: BUS };
    await this.#connection.call({ ...onBus, member: "Hello", signature: "", body: () => {} });
    const rule = `type='signal',sender='${SERVICE}',interface='${MANAGER}',member='JobRemoved',path='${PATH}'`;
    await this.#connection.call({
      ...onBus,
      member: "AddMatch",
      signature: "s",
      body: (writer) => void writer.string(rule),
    });
    await this.#manager("Subscribe", "", () => {});
  }

  #manager(member: string, signature: string, body: (writer: DBusWriter) => void): Promise<DBusReader> {
    return this.#connection.call({
      ...this.#destination,
      path: PATH,
      interface: MANAGER,
      member,
      signature,
      body,
    });
  }

  /** The first number of "252.36-1~deb12u1". */
  async version(): Promise<number> {
    const reply = await this.#connection.call({
      ...this.#destination,
      path: PATH,
      interface: `${BUS}.Properties`,
      member: "Get",
      signature: "ss",
      body: (writer) => void writer.string(MANAGER).string("Version"),
    });
    const [, digits] = /^v?(\d{1,6})/.exec(String(reply.basicVariant())) ?? [];
    if (digits === undefined) throw fail("unavailable", "systemd does not tell its version");
    return Number(digits);
  }

  /**
   * Makes a transient unit; returns when it is there. One of that name that failed before is cleared away first, one that
   * is about to end is waited for. Throws `conflict` when it lives on.
   */
  async startTransient(
    unit: string,
    properties: readonly Property[],
    endTimeoutMs = END_TIMEOUT_MS,
  ): Promise<void> {
    const start = (): Promise<void> =>
      this.#job(`cannot start "${unit}"`, "StartTransientUnit", "ssa(sv)a(sa(sv))", (writer) => {
        // No auxiliary units.
        writer
          .string(unit)
          .string("fail")
          .properties(properties)
          .array(8, () => {});
      });
    const deadline = performance.now() + endTimeoutMs;
    for (;;)
      try {
        await start();
        return;
      } catch (error) {
        if (!isNamed(error, "UnitExists")) throw error;
        if (performance.now() > deadline) throw fail("conflict", `the unit "${unit}" exists already`, error);
        await this.resetFailed(unit);
        await pause(POLL_MS);
      }
  }

  /** For as long as the unit lives. Throws `not_found` when there is none. */
  async setProperties(unit: string, properties: readonly Property[]): Promise<void> {
    try {
      await this.#manager("SetUnitProperties", "sba(sv)", (writer) => {
        writer.string(unit).u32(1).properties(properties);
      });
    } catch (error) {
      throw isNamed(error, "NoSuchUnit") ? fail("not_found", `there is no unit "${unit}"`, error) : error;
    }
  }

  /** Returns when the unit is gone. Missing is fine. What ignores SIGTERM is killed by systemd after its own time. */
  async stop(unit: string): Promise<void> {
    try {
      await this.#job(`cannot stop "${unit}"`, "StopUnit", "ss", (writer) => {
        writer.string(unit).string("replace");
      });
    } catch (error) {
      if (!isNamed(error, "NoSuchUnit")) throw error;
    }
    await this.resetFailed(unit);
  }

  /** A failed unit keeps its name until this. Missing is fine. */
  async resetFailed(unit: string): Promise<void> {
    try {
      await this.#manager("ResetFailedUnit", "s", (writer) => void writer.string(unit));
    } catch (error) {
      if (!isNamed(error, "NoSuchUnit")) throw error;
    }
  }

  /** A job may be over before its number is known: results are kept from the beginning. */
  async #job(
    what: string,
    member: string,
    signature: string,
    body: (writer: DBusWriter) => void,
  ): Promise<void> {
    const results = new Map<string, string>();
    let wake: (() => void) | undefined;
    using _listening = this.#connection.onSignal((signal) => {
      if (signal.member !== "JobRemoved" || signal.signature !== "uoss" || results.size >= MAX_RESULTS)
        return;
      const reader = new DBusReader(signal.body);
      reader.u32();
      const job = reader.string();
      reader.string();
      results.set(job, reader.string());
      wake?.();
    });
    const job = (await this.#manager(member, signature, body)).string();
    const { promise, resolve } = Promise.withResolvers<string>();
    wake = () => {
      const result = results.get(job);
      if (result !== undefined) resolve(result);
    };
    wake();
    const result = await withDeadline(what, JOB_TIMEOUT_MS, Promise.race([promise, this.#connection.ended]));
    // "skipped" is a stop of what was not there any more.
    if (result !== "done" && result !== "skipped")
      throw fail("unavailable", `${what}: the job ended with "${result}"`);
  }
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof DBusError && error.dbusName === `${SERVICE}.${name}`;
}
