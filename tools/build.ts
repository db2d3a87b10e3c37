/**
 * Builds everything below `build/`: the native part (gantry-shim, gantry.node, hello, and gantry and gantry-runc, which start
 * the executable or ask one that is running) and the one executable that is
 * all of them, by the name it is called by. The flags are here and nowhere else: without the two
 * `no-compile-autoload` ones the executable would run code from a bunfig.toml or .env of the current directory.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const build = join(root, "build");

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { cwd: root, stdio: "inherit" });
}

function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "HEAD"], {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return ""; // not a git checkout: a source archive
  }
}

mkdirSync(build, { recursive: true });
run("make", "-s", "-C", "native", "BUILD=../build");

const version: string = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version;
const revision = commit();
const staging = join(build, "staging");
rmSync(staging, { recursive: true, force: true });
run(
  join(root, "node_modules", ".bin", "bun"),
  "build",
  "--compile",
  "--minify-whitespace",
  "--minify-syntax",
  "--bytecode",
  "--splitting",
  "--format=esm",
  "--no-compile-autoload-bunfig",
  "--no-compile-autoload-dotenv",
  `--define=GANTRY_VERSION=${JSON.stringify(version)}`,
  `--define=GANTRY_COMMIT=${JSON.stringify(revision.slice(0, 12))}`,
  "src/cmd/main.ts",
  "--outfile",
  join(staging, "gantryd"),
);
// Aside, then rename: a running gantryd keeps its file, a started CLI never sees half of one.
renameSync(join(staging, "gantryd"), join(build, "gantryd"));
rmSync(staging, { recursive: true, force: true });
writeFileSync(join(build, "commit"), `${revision}\n`);
