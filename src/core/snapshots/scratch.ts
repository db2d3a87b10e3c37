/** A directory to try something in: it lies in staging, where nothing outlives the next start. */
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Scratch } from "./snapshotter.ts";
import type { Trash } from "./trash.ts";

export function makeScratch(staging: string, trash: Trash): Scratch {
  const directory = join(staging, randomBytes(8).toString("hex"));
  mkdirSync(directory, { mode: 0o700 });
  return { directory, discard: () => trash.take(directory) };
}
