/**
 * Effective privileges, asked from inside: what changes here without a line in the golden file was not meant. In it stand the
 * first mode in full and of every other one what differs. UPDATE_GOLDEN=1 writes it. docs/security-privileges.md holds it
 * against Docker's.
 */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  differences,
  entries,
  MODES,
  PATHS,
  type Privileges,
  privilegesIn,
} from "../../support/privileges.ts";
import { program } from "../../support/programs.ts";
import { must } from "../../support/run.ts";
import { engineSuite } from "../../support/suite.ts";
import { SLOWNESS } from "../../support/until.ts";

const kind = existsSync("/sys/fs/cgroup/cgroup.controllers") ? "cgroup2" : "cgroup1";
const golden = join(import.meta.dirname, "golden", `privileges-${kind}.json`);

/** Without what only other hardware or another kernel has. */
function onThisHost(privileges: Privileges): Privileges {
  const missing = new Set(PATHS.filter((path) => /^\/(proc|sys)\//.test(path) && !existsSync(path)));
  return Object.fromEntries(
    Object.entries(privileges).filter(([key]) => !missing.has(key.replace(/^path\./, ""))),
  );
}

engineSuite("effective privileges", { needs: ["x86_64"] }, (engine) => {
  test(
    "are what the golden file says, in every mode",
    async () => {
      const asked = ["nsenter", `--target=${engine().pid}`, "--net", await program("privileges")];
      const host = Object.fromEntries(entries(await must(asked)));
      const found: Record<string, Privileges> = {};
      let base: Privileges = {};
      for (const mode of MODES) {
        const privileges = await privilegesIn((args) => engine().gantry(args), mode, host);
        if (mode === MODES[0]) base = privileges;
        found[mode.name] = mode === MODES[0] ? privileges : differences(base, privileges);
      }
      if (process.env["UPDATE_GOLDEN"] === "1") {
        mkdirSync(dirname(golden), { recursive: true });
        writeFileSync(golden, `${JSON.stringify(found, null, 2)}\n`);
      }
      const expected: Record<string, Privileges> = JSON.parse(readFileSync(golden, "utf8"));
      for (const { name } of MODES)
        expect([name, onThisHost(found[name] ?? {})]).toEqual([name, onThisHost(expected[name] ?? {})]);
    },
    120_000 * SLOWNESS,
  );
});
