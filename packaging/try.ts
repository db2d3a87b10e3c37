/**
 * npm run package:try: takes the packages that `npm run package` has made through packaging/try.sh in the emulated machine with
 * systemd. Some minutes; the machine is gone afterwards.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runInMachine, whyNoMachine } from "../test/support/vm/machine.ts";
import { debianArchitecture, debianVersion } from "./control.ts";

const TIMEOUT_MS = 15 * 60_000;

const root = join(import.meta.dirname, "..");
const { version }: { version: string } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const packages = [
  `build/gantry_${debianVersion(version)}_${debianArchitecture(process.arch)}.deb`,
  `build/gantry-docker-compat_${debianVersion(version)}_all.deb`,
];
for (const file of packages)
  if (!existsSync(join(root, file))) throw new Error(`${file} is not there: npm run package makes it`);
const why = whyNoMachine();
if (why !== undefined) throw new Error(why);
const { exitCode, problem } = await runInMachine(
  {
    script: `bash packaging/try.sh ${packages.join(" ")}\n`,
    files: ["packaging/try.sh", ...packages],
    timeoutMs: TIMEOUT_MS,
    terminal: false,
  },
  { output: (chunk) => process.stdout.write(chunk), note: (line) => console.log(line) },
);
if (problem !== undefined) console.error(problem);
process.exit(problem === undefined ? exitCode : 1);
