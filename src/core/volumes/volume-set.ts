/** `Volumes` over a table and a driver. */
import { randomBytes } from "node:crypto";
import { errnoOf, fail, messageOf } from "../../base/errors.ts";
import { KeyedLock } from "../../base/keyed-lock.ts";
import type { Logger } from "../../base/log.ts";
import type { Filled, FillSource } from "../../linux/fill-volume.ts";
import type { Metadata } from "../metadata/metadata.ts";
import type { VolumeDriver, VolumeOptions } from "./driver.ts";
import { Holds } from "./holds.ts";
import { checkVolumeName } from "./volume-name.ts";
import { type VolumeRow, VolumeRows } from "./volume-rows.ts";
import {
  ANONYMOUS_LABEL,
  type Durability,
  type StagedVolume,
  type Volume,
  type VolumeUser,
  type VolumeWish,
  type Volumes,
} from "./volumes.ts";

export interface VolumeSetOptions {
  readonly metadata: Metadata;
  readonly driver: VolumeDriver;
  /** All containers, from their records. */
  readonly recorded: () => Iterable<VolumeUser>;
  readonly log: Logger;
  readonly nowNs: () => bigint;
}

const NO_OPTIONS: VolumeOptions = {};

export function openVolumes(options: VolumeSetOptions): Volumes {
  return new VolumeSet(options);
}

class VolumeSet implements Volumes {
  readonly #driver: VolumeDriver;
  readonly #rows: VolumeRows;
  readonly #recorded: () => Iterable<VolumeUser>;
  readonly #log: Logger;
  readonly #nowNs: () => bigint;
  readonly #byName = new Map<string, Volume>();
  readonly #holds = new Holds();
  readonly #locks = new KeyedLock();

  constructor({ metadata, driver, recorded, log, nowNs }: VolumeSetOptions) {
    this.#driver = driver;
    this.#rows = new VolumeRows(metadata);
    this.#recorded = recorded;
    this.#log = log;
    this.#nowNs = nowNs;
    for (const row of this.#rows.all()) this.#byName.set(row.name, this.#volumeOf(row));
  }

  get drivers(): readonly string[] {
    return [this.#driver.name];
  }

  all(): readonly Volume[] {
    return [...this.#byName.values()];
  }

  find(name: string): Volume {
    const volume = this.#byName.get(name);
    if (volume === undefined) throw fail("not_found", `get ${name}: no such volume`);
    return volume;
  }

  check({ name, driver, options }: VolumeWish): void {
    this.#checkDriver(name, driver);
    if (name !== "") checkVolumeName(name);
    if (!this.#byName.has(name)) this.#checkOptions(name, options);
  }

  async create(wish: VolumeWish): Promise<{ readonly volume: Volume; readonly isNew: boolean }> {
    if (wish.name === "") {
      const staged = await this.stage(wish);
      try {
        await staged.place("durable");
        staged.enter("durable");
      } catch (error) {
        staged.discard();
        throw error;
      }
      return { volume: staged.volume, isNew: true };
    }
    const { name } = wish;
    this.check(wish);
    return await this.#locks.run(name, async () => {
      const there = this.#byName.get(name);
      if (there !== undefined) return { volume: there, isNew: false };
      const row = this.#rowOf(name, wish.labels, wish.options);
      try {
        await this.#driver.stage(name);
        this.#driver.place(name);
        await this.#driver.sync(false);
        return { volume: this.#enter(row, "durable"), isNew: true };
      } catch (error) {
        this.#driver.remove(name);
        throw error;
      }
    });
  }

  async stage({ driver, labels, options }: Omit<VolumeWish, "name">): Promise<StagedVolume> {
    const name = randomBytes(32).toString("hex");
    this.check({ name, driver, labels, options });
    const row = this.#rowOf(name, { ...labels, [ANONYMOUS_LABEL]: "" }, options);
    await this.#driver.stage(name);
    let bytes = 0;
    return {
      volume: this.#volumeOf(row),
      fill: async (source) => {
        if (this.#driver.isMounted(options ?? NO_OPTIONS)) return { found: "nothing", sizeBytes: 0 };
        const filled = await this.#driver.fillStaged(name, source);
        bytes += filled.sizeBytes;
        return filled;
      },
      place: async (durability) => {
        if (durability === "durable" && bytes > 0) await this.#driver.sync(true);
        this.#driver.place(name);
        if (durability === "durable") await this.#driver.sync(false);
      },
      enter: (durability) => void this.#enter(row, durability),
      discard: () => {
        this.#byName.delete(name);
        this.#driver.remove(name);
      },
    };
  }

  async remove(
    name: string,
    { except, durability = "durable" }: { readonly except?: string; readonly durability?: Durability } = {},
  ): Promise<void> {
    await this.#locks.run(name, async () => {
      this.find(name);
      const users = this.#usersOf(name).filter((id) => id !== except);
      if (users.length > 0)
        throw fail("conflict", `remove ${name}: volume is in use - [${users.join(", ")}]`);
      await this.#driver.unmount(name);
      // The directory first: a row alone is an unfinished removal, a directory alone is somebody's data.
      this.#driver.remove(name);
      if (durability === "durable") await this.#driver.sync(false);
      this.#rows.delete(name, durability);
      this.#byName.delete(name);
    });
  }

  users(): ReadonlyMap<string, readonly string[]> {
    const users = new Map<string, Set<string>>(this.#holds.all());
    for (const { id, volumes } of this.#recorded())
      for (const name of volumes) {
        const known = users.get(name);
        if (known === undefined) users.set(name, new Set([id]));
        else known.add(id);
      }
    return new Map([...users].map(([name, ids]) => [name, [...ids]]));
  }

  async acquire(name: string, owner: string): Promise<string> {
    return await this.#locks.run(name, async () => {
      const { mountpoint, options } = this.find(name);
      await this.#driver.mount(name, options ?? NO_OPTIONS);
      this.#holds.add(name, owner);
      return mountpoint;
    });
  }

  async release(name: string, owner: string): Promise<void> {
    this.#holds.drop(name, owner);
    const volume = this.#byName.get(name);
    if (volume === undefined || !this.#driver.isMounted(volume.options ?? NO_OPTIONS)) return;
    await this.#locks.run(name, async () => {
      if (this.#runningUsersOf(name).length === 0) await this.#driver.unmount(name);
    });
  }

  async fill(name: string, owner: string, source: FillSource): Promise<Filled> {
    return await this.#locks.run(name, async () => {
      const { options } = this.find(name);
      const others = this.#runningUsersOf(name).filter((id) => id !== owner);
      return await this.#driver.fill(name, options ?? NO_OPTIONS, source, others.length > 0);
    });
  }

  async usage({ name, options }: Volume, signal: AbortSignal): Promise<number | undefined> {
    if (Object.keys(options ?? NO_OPTIONS).length > 0) return undefined;
    try {
      return await this.#driver.usage(name, signal);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined; // removed while we looked
      throw error;
    }
  }

  async reconcile(): Promise<void> {
    const there = new Set(this.#driver.sweep());
    for (const name of this.#byName.keys())
      if (!there.has(name)) {
        this.#log.info("a volume without a directory was removed", { name });
        this.#rows.delete(name, "durable");
        this.#byName.delete(name);
      }
    for (const name of there) if (!this.#byName.has(name)) this.#adopt(name);
    for (const { name, options } of this.all())
      if (this.#driver.isMounted(options ?? NO_OPTIONS)) await this.#dropMount(name);
  }

  settled(): Promise<void> {
    return this.#driver.settled();
  }

  /** A directory that no row tells of. */
  #adopt(name: string): void {
    if (this.#driver.isEmpty(name)) {
      this.#driver.remove(name);
      return;
    }
    this.#log.warn("content without a record is a volume again", { name });
    const labels = /^[0-9a-f]{64}$/.test(name) ? { [ANONYMOUS_LABEL]: "" } : null;
    this.#enter(this.#rowOf(name, labels, null), "durable");
  }

  /** What the last user did not live to take off. */
  async #dropMount(name: string): Promise<void> {
    if (this.#runningUsersOf(name).length > 0) return;
    try {
      await this.#driver.unmount(name);
    } catch (error) {
      this.#log.warn("cannot take a volume's mount off", { name, error: messageOf(error) });
    }
  }

  #enter(row: VolumeRow, durability: Durability): Volume {
    this.#rows.insert(row, durability);
    const volume = this.#volumeOf(row);
    this.#byName.set(row.name, volume);
    return volume;
  }

  #rowOf(name: string, labels: VolumeRow["labels"], options: VolumeRow["options"]): VolumeRow {
    return { name, driver: this.#driver.name, createdNs: this.#nowNs(), labels, options };
  }

  #volumeOf(row: VolumeRow): Volume {
    return { ...row, mountpoint: this.#driver.pathOf(row.name) };
  }

  #checkDriver(name: string, driver: string): void {
    if (driver !== "" && driver !== this.#driver.name)
      throw fail(
        "not_found",
        `create ${name}: error looking up volume plugin ${driver}: plugin ${JSON.stringify(driver)} not found`,
      );
  }

  #checkOptions(name: string, options: VolumeRow["options"]): void {
    if (options === null) return;
    try {
      this.#driver.check(options);
    } catch (cause) {
      throw fail("invalid_argument", `create ${name}: ${messageOf(cause)}`, cause);
    }
  }

  #usersOf(name: string): readonly string[] {
    return this.#userIds(name, () => true);
  }

  /** And those who are about to run. */
  #runningUsersOf(name: string): readonly string[] {
    return this.#userIds(name, ({ isRunning }) => isRunning);
  }

  #userIds(name: string, counts: (user: VolumeUser) => boolean): readonly string[] {
    const ids = new Set(this.#holds.of(name));
    for (const user of this.#recorded()) if (counts(user) && user.volumes.includes(name)) ids.add(user.id);
    return [...ids];
  }
}
