/**
 * Copies of committed layers whose files belong to the users of one id mapping, for kernels that cannot map them while
 * they mount:
 *
 *     shifted/<key of the mapping>/<chainID hex>/{diff,complete}
 *
 * Made once, in staging, and renamed when they are on the disk, as layers are; they go with their layer.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KeyedLock } from "../../base/keyed-lock.ts";
import type { Logger } from "../../base/log.ts";
import { syncDirectory } from "../../base/sync-directory.ts";
import type { Native } from "../../linux/native.ts";
import { hexOf } from "../../specs/oci-image/digest.ts";
import { shiftKey } from "./shift-key.ts";
import type { IdShift } from "./snapshotter.ts";
import type { Trash } from "./trash.ts";

export interface ShiftedOptions {
  readonly root: string;
  readonly trash: Trash;
  readonly native: Pick<Native, "shiftTree" | "syncFilesystem">;
}

export interface ShiftSource {
  readonly chainId: string;
  /** The layer's own files. */
  readonly diff: string;
}

export class ShiftedLayers {
  readonly #root: string;
  readonly #trash: Trash;
  readonly #native: ShiftedOptions["native"];
  readonly #lock = new KeyedLock();

  constructor({ root, trash, native }: ShiftedOptions) {
    this.#root = root;
    this.#trash = trash;
    this.#native = native;
    mkdirSync(join(root, "shifted"), { recursive: true, mode: 0o700 });
  }

  /** The files of a copy that `ensure` has made. */
  diffOf(key: string, chainId: string): string {
    return join(this.#place(key, chainId), "diff");
  }

  #place(key: string, chainId: string): string {
    return join(this.#root, "shifted", key, hexOf(chainId));
  }

  /** Makes what is missing, with one sync for all. The caller holds the layers. When it throws nothing half-made is left. */
  async ensure(layers: readonly ShiftSource[], ids: IdShift): Promise<void> {
    const key = shiftKey(ids);
    await this.#lock.run(key, async () => {
      const missing = layers.filter(({ chainId }) => !existsSync(this.#place(key, chainId)));
      if (missing.length === 0) return;
      const staged = missing.map(() => join(this.#root, "staging", randomBytes(8).toString("hex")));
      try {
        for (const [index, { diff }] of missing.entries()) await this.#copy(diff, staged[index] ?? "", ids);
        await this.#native.syncFilesystem(join(this.#root, "staging"));
        const home = join(this.#root, "shifted", key);
        mkdirSync(home, { recursive: true, mode: 0o700 });
        for (const [index, { chainId }] of missing.entries())
          renameSync(staged[index] ?? "", this.#place(key, chainId));
        await syncDirectory(home);
        await syncDirectory(join(this.#root, "shifted"));
      } finally {
        // What has its name by now is gone from here, which the trash takes for granted.
        for (const path of staged) this.#trash.take(path);
      }
    });
  }

  async #copy(diff: string, staged: string, ids: IdShift): Promise<void> {
    const copy = join(staged, "diff");
    mkdirSync(staged, { mode: 0o700 });
    mkdirSync(copy, { mode: 0o755 });
    const usage = await this.#native.shiftTree(diff, copy, ids);
    await writeFile(join(staged, "complete"), JSON.stringify({ ...ids, ...usage }), { mode: 0o600 });
  }

  /** All copies of a layer that is gone. */
  remove(chainId: string): void {
    for (const key of this.#keys()) this.#trash.take(this.#place(key, chainId));
  }

  /** What has no mark, or no layer any more, is garbage. */
  recover(hasLayer: (chainId: string) => boolean, log: Logger): void {
    for (const key of this.#keys())
      for (const name of readdirSync(join(this.#root, "shifted", key))) {
        const path = join(this.#root, "shifted", key, name);
        if (hasLayer(`sha256:${name}`) && existsSync(join(path, "complete"))) continue;
        log.info("deleting a copy of a layer that is gone or unfinished", { key, name });
        this.#trash.take(path);
      }
  }

  #keys(): readonly string[] {
    return readdirSync(join(this.#root, "shifted"));
  }
}
