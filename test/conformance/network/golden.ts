/** Recorded observations: `golden/docker` is the real Docker's, of the version in its file `version`; `golden/gantry` ours. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export const GOLDEN = join(import.meta.dirname, "golden");

/** "key => value", in order. */
export function golden(engine: "docker" | "gantry", section: string): readonly string[] {
  return readFileSync(join(GOLDEN, engine, `${section}.txt`), "utf8")
    .split("\n")
    .filter((line) => line !== "");
}
