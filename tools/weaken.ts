/**
 * npm run weaken [-- NAME...]
 *
 * Proves that the security tests can fail: for every weakening (test/security/weakenings.ts) copies the sources to
 * build/weakened, applies its edits, builds, and runs the one test that must notice. First all those tests must pass on the
 * unchanged copy. Prints a table; the status is 0 when every weakening was noticed. Takes about half a minute each.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Edit, WEAKENINGS, type Weakening } from "../test/security/weakenings.ts";

const root = join(import.meta.dirname, "..");
const copy = join(root, "build", "weakened");
const bun = join(root, "node_modules", ".bin", "bun");
const BUILD_MS = 10 * 60_000;
const TEST_MS = 15 * 60_000;

/** Replaces the one place. Throws when it is not there, or twice. */
export function applyEdit(text: string, { file, find, replace }: Edit): string {
  const parts = text.split(find);
  if (parts.length !== 2)
    throw new Error(`${file}: the edit's text stands there ${parts.length - 1} times: ${find.slice(0, 80)}`);
  return parts.join(replace);
}

function makeCopy(): void {
  rmSync(copy, { recursive: true, force: true });
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  for (const file of listed.split("\0").filter((name) => name !== "")) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    cpSync(join(root, file), join(copy, file), { verbatimSymlinks: true });
  }
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  mkdirSync(join(copy, "build"), { recursive: true });
}

function build(): void {
  const done = spawnSync(bun, ["tools/build.ts"], { cwd: copy, encoding: "utf8", timeout: BUILD_MS });
  if (done.status !== 0) throw new Error(`the build failed:\n${done.stdout}${done.stderr}`);
}

interface Outcome {
  readonly passed: number;
  readonly failed: number;
}

function runTest({ file, name }: Weakening["test"]): Outcome {
  const pattern = name.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  const done = spawnSync(bun, ["test", "--timeout", "300000", file, "-t", pattern], {
    cwd: copy,
    encoding: "utf8",
    timeout: TEST_MS,
    maxBuffer: 1 << 26,
  });
  const count = (what: string): number =>
    Number(new RegExp(`^\\s*(\\d+) ${what}$`, "m").exec(done.stderr)?.[1] ?? 0);
  return { passed: count("pass"), failed: count("fail") };
}

/** Undefined when the weakening was noticed, else what is wrong. */
function judge(weakening: Weakening): string | undefined {
  const originals = new Map<string, string>();
  try {
    for (const edit of weakening.edits) {
      const path = join(copy, edit.file);
      const text = readFileSync(path, "utf8");
      if (!originals.has(path)) originals.set(path, text);
      writeFileSync(path, applyEdit(text, edit));
    }
    build();
    const { passed, failed } = runTest(weakening.test);
    if (failed > 0) return undefined;
    return passed > 0 ? "the test passes all the same" : "no such test";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    for (const [path, text] of originals) writeFileSync(path, text);
  }
}

function main(names: readonly string[]): number {
  const chosen = WEAKENINGS.filter(({ name }) => names.length === 0 || names.includes(name));
  const unknown = names.filter((name) => !WEAKENINGS.some((weakening) => weakening.name === name));
  if (unknown.length > 0) throw new Error(`unknown: ${unknown.join(", ")}`);
  makeCopy();
  build();
  let bad = 0;
  const tests = new Map(chosen.map(({ test }) => [`${test.file} "${test.name}"`, test]));
  for (const [title, test] of tests) {
    const { passed, failed } = runTest(test);
    if (passed > 0 && failed === 0) continue;
    bad++;
    console.log(`SOUND BUILD FAILS   ${title}: ${passed} passed, ${failed} failed`);
  }
  for (const weakening of chosen) {
    const reason = judge(weakening);
    if (reason !== undefined) bad++;
    console.log(
      `${reason === undefined ? "noticed" : "NOT NOTICED"}   ${weakening.name}${reason === undefined ? "" : `: ${reason}`}`,
    );
  }
  rmSync(copy, { recursive: true, force: true });
  console.log(`${chosen.length} weakenings, ${bad} problems`);
  return bad === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2));
