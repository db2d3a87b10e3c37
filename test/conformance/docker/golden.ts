/**
 * Recorded transcripts. `golden/docker` is what the stock client said of the real Docker (`golden/docker/version`). Other folders
 * hold only the steps in which they differ: `golden/gantry` the stock client of our engine, `golden/own-client` our client of it.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, type Step } from "./transcript.ts";

export const GOLDEN = join(import.meta.dirname, "golden");

export const OURS = ["gantry", "own-client"] as const;

export type Ours = (typeof OURS)[number];

/** The steps that a folder has of a section. */
export function recorded(folder: "docker" | Ours, section: string): readonly Step[] {
  const path = join(GOLDEN, folder, `${section}.txt`);
  return existsSync(path) ? parse(readFileSync(path, "utf8")) : [];
}

/** What is expected of ours: Docker's answers, but for the steps that are recorded otherwise. */
export function expected(ours: Ours, section: string): readonly Step[] {
  const own = new Map(recorded(ours, section).map((step) => [step.command, step]));
  return recorded("docker", section).map((step) => own.get(step.command) ?? step);
}
