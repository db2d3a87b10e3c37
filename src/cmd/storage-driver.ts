/**
 * Which storage driver the daemon has. Each keeps its own directory, so that one can be tried and left again; what another
 * driver has is neither seen nor touched. Docker's rules and words.
 */
import { existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { fail, messageOf } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { openBtrfsSnapshots } from "../core/snapshots/btrfs.ts";
import { openErofsSnapshots } from "../core/snapshots/erofs.ts";
import { openOverlaySnapshots } from "../core/snapshots/overlay.ts";
import type { Snapshotter } from "../core/snapshots/snapshotter.ts";
import { openVfsSnapshots } from "../core/snapshots/vfs.ts";
import type { Native } from "../linux/native.ts";

type Open = (
  root: string,
  native: Native,
  log: Logger,
  options: readonly string[],
) => Snapshotter | Promise<Snapshotter>;

const DEFAULT = "overlay2";

const DRIVERS: ReadonlyMap<string, Open> = new Map<string, Open>([
  ["overlay2", openOverlaySnapshots],
  ["erofs", openErofsSnapshots],
  ["btrfs", openBtrfsSnapshots],
  ["vfs", openVfsSnapshots],
]);

export interface StorageOptions {
  /** "" = the one that has data here, or else overlay2. */
  readonly wish: string;
  /** Each driver's directory is in it. */
  readonly root: string;
  readonly native: Native;
  readonly log: Logger;
  /** For the driver, "key=value". */
  readonly options: readonly string[];
}

/**
 * Throws `invalid_argument` for a driver that does not exist, `unavailable` for one that this host cannot have, or that does not
 * take the options.
 */
export async function openStorage({
  wish,
  root,
  native,
  log,
  options,
}: StorageOptions): Promise<Snapshotter> {
  moveFirstLayout(root);
  const name = wish === "" ? (priorDriver(root) ?? DEFAULT) : wish;
  const open = DRIVERS.get(name);
  if (open === undefined)
    throw fail("invalid_argument", `error initializing graphdriver: driver not supported: ${name}`);
  if (wish === "" && name !== DEFAULT) log.info("using prior storage driver", { driver: name });
  try {
    return await open(join(root, name), native, log, options);
  } catch (error) {
    throw fail("unavailable", `error initializing graphdriver: ${messageOf(error)}`, error);
  }
}

/** Throws `conflict` when there are several, for then a guess would hide somebody's images. */
function priorDriver(root: string): string | undefined {
  const found = [...DRIVERS.keys()].filter((name) => hasData(join(root, name)));
  if (found.length > 1)
    throw fail(
      "conflict",
      `error initializing graphdriver: ${root} contains several valid graphdrivers: ${found.join(", ")}; cleanup or explicitly choose storage driver (-s <DRIVER>)`,
    );
  return found[0];
}

function hasData(root: string): boolean {
  return ["layers", "active"].some((name) => {
    const path = join(root, name);
    return existsSync(path) && readdirSync(path).length > 0;
  });
}

/** Before there were drivers overlay2's directories lay in `root` itself. `layers` comes last: it says that there is work left. */
function moveFirstLayout(root: string): void {
  if (!existsSync(join(root, "layers"))) return;
  mkdirSync(join(root, DEFAULT), { recursive: true, mode: 0o700 });
  for (const name of ["active", "shifted", "empty", "staging", "trash", "layers"])
    if (existsSync(join(root, name))) renameSync(join(root, name), join(root, DEFAULT, name));
}
