/**
 * npm run package: build/gantry_VERSION_ARCH.deb and build/gantry-docker-compat_VERSION_all.deb, of the program that
 * tools/setup.sh has built before. The same commit, built with the same compiler, gives the same bytes; their times are the
 * commit's (SOURCE_DATE_EPOCH overrides it).
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import {
  changelogFile,
  compatPackage,
  enginePackage,
  type Facts,
  type Package,
  wantedLibc,
} from "./control.ts";
import { compatLayout, engineLayout, type Layout, type Shell } from "./layout.ts";
import { pack } from "./pack.ts";

const root = join(import.meta.dirname, "..");
const build = join(root, "build");

function output(command: string, ...args: string[]): string {
  return execFileSync(command, args, { cwd: root, encoding: "utf8", maxBuffer: 64 << 20 });
}

/** Of everything in the packages, in seconds. */
function sourceDate(): number {
  const said = process.env["SOURCE_DATE_EPOCH"] ?? output("git", "log", "-1", "--format=%ct").trim();
  if (!/^\d{1,10}$/.test(said)) throw new Error(`SOURCE_DATE_EPOCH is no time: "${said}"`);
  return Number(said);
}

function readFacts(): Facts {
  const { version }: { version: string } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const libc = wantedLibc(
    ["gantryd", "gantry.node"].map((name) => output("objdump", "-p", join(build, name))),
  );
  if (libc === undefined) throw new Error("objdump finds no version of the C library in build/gantryd");
  return { version, architecture: process.arch, libc };
}

function completion(shell: Shell): string {
  return output(join(build, "gantry"), "completion", shell);
}

function pages(): string[] {
  return readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .sort()
    .map((name) => join("docs", name));
}

const seconds = sourceDate();
const facts = readFacts();
const { version } = facts;

function changelog(name: string): Uint8Array {
  return gzipSync(changelogFile(name, version, seconds), { level: 9 });
}

function make(described: Package, layout: Layout): void {
  const scripts = join(root, "packaging", "deb", described.name);
  const file = pack({ described, layout, version, seconds, root, scripts, into: build });
  console.log(`${file}  ${(statSync(file).size / 1e6).toFixed(1)} MB`);
}

make(
  enginePackage(facts),
  engineLayout({
    completion: { bash: completion("bash"), zsh: completion("zsh"), fish: completion("fish") },
    pages: pages(),
    changelog: changelog("gantry"),
  }),
);
make(compatPackage(facts), compatLayout({ changelog: changelog("gantry-docker-compat") }));
