/** The stock client of this machine. */
import { spawnSync } from "node:child_process";

export interface StockClient {
  readonly path: string;
  /** "28.2.2" */
  readonly version: string;
}

/** Throws where there is none. */
export function stockClient(): StockClient {
  const path = spawnSync("sh", ["-c", "command -v docker"], { encoding: "utf8" }).stdout.trim();
  const said = spawnSync(path, ["--version"], { encoding: "utf8" }).stdout;
  const version = /version (\d+\.\d+\.\d+)/.exec(said)?.[1];
  if (version === undefined) throw new Error(`no docker client: ${said}`);
  return { path, version };
}
