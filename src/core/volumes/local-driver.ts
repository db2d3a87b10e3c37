/**
 * Volumes as directories of this host: ROOT/NAME/_data. Beside them, with names that no volume can have:
 *
 *     .new-NAME       being made, filled from an image if it is for a container
 *     .gone-RANDOM    being deleted
 *     NAME/_filling   what an image gives the empty NAME, until it is complete
 */
import { randomBytes } from "node:crypto";
import { chmodSync, chownSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, fail, messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { syncDirectory } from "../../base/sync-directory.ts";
import type { FileSystemMount } from "../../linux/attach-file-system.ts";
import type { Filled, FillSource } from "../../linux/fill-volume.ts";
import type { Native } from "../../linux/native.ts";
import type { VolumeDriver, VolumeOptions } from "./driver.ts";
import { checkLocalOptions, hostOf, mountOf, needsMount, withAddress } from "./local-options.ts";
import { isVolumeName } from "./volume-name.ts";

export interface VolumeHost extends Pick<Native, "removeTree" | "treeUsage" | "syncFilesystem"> {
  fill(source: FillSource, to: string): Promise<Filled>;
  attach(mount: FileSystemMount, directory: string): Promise<void>;
  detach(directory: string): Promise<void>;
  mountedDirectories(): ReadonlySet<string>;
  /** Of a server that an option names. */
  addressOf(host: string): Promise<string>;
}

export interface LocalDriverOptions {
  /** Made when it is missing. */
  readonly root: string;
  readonly host: VolumeHost;
  /** Who owns a new volume. */
  readonly owner: { readonly uid: number; readonly gid: number };
  readonly log: Logger;
}

/** Others may pass, so that a container's root of another user namespace can reach what is his, but not look around. */
const DIRECTORY_MODE = 0o701;

export function openLocalDriver(options: LocalDriverOptions): VolumeDriver {
  makeDirectory(options.root, DIRECTORY_MODE);
  return new LocalDriver(options);
}

class LocalDriver implements VolumeDriver {
  readonly name = "local";
  readonly #root: string;
  readonly #host: VolumeHost;
  readonly #owner: LocalDriverOptions["owner"];
  readonly #log: Logger;
  readonly #deletions = new Set<Promise<void>>();

  constructor({ root, host, owner, log }: LocalDriverOptions) {
    this.#root = root;
    this.#host = host;
    this.#owner = owner;
    this.#log = log;
  }

  check(options: VolumeOptions): void {
    checkLocalOptions(options);
  }

  pathOf(name: string): string {
    return join(this.#root, name, "_data");
  }

  stage(name: string): Promise<void> {
    const data = join(this.#staged(name), "_data");
    makeDirectory(this.#staged(name), DIRECTORY_MODE);
    this.#makeData(data);
    return Promise.resolve();
  }

  fillStaged(name: string, source: FillSource): Promise<Filled> {
    return this.#host.fill(source, join(this.#staged(name), "_data"));
  }

  place(name: string): void {
    renameSync(this.#staged(name), join(this.#root, name));
  }

  remove(name: string): void {
    for (const path of [this.#staged(name), join(this.#root, name)]) this.#throwAway(path);
  }

  isMounted(options: VolumeOptions): boolean {
    return needsMount(options);
  }

  async mount(name: string, options: VolumeOptions): Promise<void> {
    const path = this.pathOf(name);
    if (!needsMount(options) || this.#host.mountedDirectories().has(path)) return;
    let mount = mountOf(options);
    const host = hostOf(mount);
    try {
      if (host !== undefined) mount = withAddress(mount, host, await this.#host.addressOf(host));
      await this.#host.attach(mount, path);
    } catch (cause) {
      throw fail("invalid_argument", `failed to mount local volume: ${messageOf(cause)}`, cause);
    }
  }

  async unmount(name: string): Promise<void> {
    const path = this.pathOf(name);
    if (this.#host.mountedDirectories().has(path)) await this.#host.detach(path);
  }

  async fill(name: string, options: VolumeOptions, source: FillSource, inUse: boolean): Promise<Filled> {
    // What is copied into memory would be gone when the last one lets go, and nobody has it yet.
    if (options["type"] === "tmpfs" && !inUse) return { found: "nothing", sizeBytes: 0 };
    if (inUse || needsMount(options)) return await this.#host.fill(source, this.pathOf(name));
    return await this.#fillAside(name, source);
  }

  async #fillAside(name: string, source: FillSource): Promise<Filled> {
    const path = this.pathOf(name);
    if (!isEmpty(path)) return { found: "full", sizeBytes: 0 };
    const aside = join(this.#root, name, "_filling");
    this.#throwAway(aside);
    this.#makeData(aside);
    try {
      const filled = await this.#host.fill(source, aside);
      if (filled.found !== "directory") return filled;
      if (filled.sizeBytes > 0) await this.#host.syncFilesystem(aside);
      renameSync(aside, path); // which takes an empty directory's place, and no other's
      return filled;
    } catch (error) {
      if (errnoOf(error) === "ENOTEMPTY") return { found: "full", sizeBytes: 0 };
      throw error;
    } finally {
      this.#throwAway(aside);
    }
  }

  async usage(name: string, signal: AbortSignal): Promise<number> {
    return (await this.#host.treeUsage(this.pathOf(name), signal)).sizeBytes;
  }

  sweep(): readonly string[] {
    const names = readdirSync(this.#root);
    for (const name of names)
      if (name.startsWith(".new-") || name.startsWith(".gone-")) this.#throwAway(join(this.#root, name));
    const volumes = names.filter(isVolumeName);
    for (const name of volumes) this.#throwAway(join(this.#root, name, "_filling"));
    return volumes;
  }

  isEmpty(name: string): boolean {
    return isEmpty(this.pathOf(name));
  }

  async sync(content: boolean): Promise<void> {
    if (content) await this.#host.syncFilesystem(this.#root);
    await syncDirectory(this.#root);
  }

  async settled(): Promise<void> {
    await Promise.all(this.#deletions);
  }

  #staged(name: string): string {
    return join(this.#root, `.new-${name}`);
  }

  #makeData(path: string): void {
    makeDirectory(path, 0o755);
    chownSync(path, this.#owner.uid, this.#owner.gid);
  }

  /** Out of its place at once; a missing one is fine. */
  #throwAway(path: string): void {
    const gone = join(this.#root, `.gone-${randomBytes(8).toString("hex")}`);
    try {
      renameSync(path, gone);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return;
      throw error;
    }
    const deletion = this.#host
      .removeTree(gone)
      .catch((error: unknown) =>
        this.#log.error("cannot delete a volume's content", { path: gone, error: messageOf(error) }),
      )
      .finally(() => this.#deletions.delete(deletion));
    this.#deletions.add(deletion);
  }
}

/** Whatever the process's umask is. */
function makeDirectory(path: string, mode: number): void {
  if (mkdirSync(path, { recursive: true, mode }) !== undefined) chmodSync(path, mode);
}

/** A missing one is, too. */
function isEmpty(path: string): boolean {
  try {
    return readdirSync(path).length === 0;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return true;
    throw error;
  }
}
