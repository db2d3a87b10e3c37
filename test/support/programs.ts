/** Static C programs that tests put into containers: compiled once, kept below build/test-programs. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./engine.ts";
import { must } from "./run.ts";

/** The path of `test/support/programs/NAME.c`, compiled. */
export async function program(name: string): Promise<string> {
  const source = join(import.meta.dirname, "programs", `${name}.c`);
  const directory = join(ROOT, "build", "test-programs");
  const digest = createHash("sha256").update(readFileSync(source)).digest("hex").slice(0, 12);
  const file = join(directory, `${name}-${digest}`);
  if (existsSync(file)) return file;
  mkdirSync(directory, { recursive: true });
  const aside = `${file}.${process.pid}`;
  await must(["cc", "-O2", "-static", "-Wall", "-Wextra", "-Werror", "-o", aside, source]);
  renameSync(aside, file);
  return file;
}
