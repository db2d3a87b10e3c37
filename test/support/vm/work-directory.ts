/** Directories that carry their maker's pid: what a killed run left is removed by the next one. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/** A fresh directory below `parent`; the caller removes it. */
export function makeWorkDirectory(parent: string): string {
  mkdirSync(parent, { recursive: true });
  for (const name of readdirSync(parent)) {
    const pid = /^work-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(parent, name), { recursive: true });
  }
  return mkdtempSync(join(parent, `work-${process.pid}-`));
}
