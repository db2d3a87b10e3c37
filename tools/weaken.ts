/**
 * npm run weaken [-- NAME...]
 *
 * Proves that the security tests can fail: for every weakening (test/security/weakenings.ts) copies the sources to
 * build/, applies its edits, builds, and runs the one test that must notice. First all those tests must pass on the
 * unchanged copy. Prints a table, with the first complaint of each test, so that a reader can see whether it is the right
 * one; the status is 0 when every weakening was noticed. Takes about half a minute each.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Edit, WEAKENINGS, type Weakening } from "../test/security/weakenings.ts";

const root = join(import.meta.dirname, "..");
/** Of this run: several may go on side by side. */
const copy = join(root, "build", `weakened-${process.pid}`);
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
  /** The first line that says what was wrong. */
  readonly complaint: string;
}

/**
 * The holes are real: what gets through must not meet the machine. Nor may what else runs on it be taken for a leak. So a test
 * has process ids, names, message queues and temporary files of its own; the shell is there to reap.
 */
const WORLD = [
  ...`--mount --propagation private --pid --fork --kill-child --mount-proc --uts --ipc sh -c`.split(" "),
  'mount --bind "$1" /tmp && mount -t tmpfs tmpfs /dev/shm || exit 1; shift; "$@"; exit $?',
  "sh",
];

function run(command: readonly string[]): { readonly status: number | null; readonly text: string } {
  const temporary = join(copy, "build", "tmp");
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  const done = spawnSync("unshare", [...WORLD, temporary, ...command], {
    cwd: copy,
    encoding: "utf8",
    timeout: TEST_MS,
    maxBuffer: 1 << 26,
  });
  return { status: done.status, text: `${done.stdout}${done.stderr}` };
}

/** Control groups alone are everybody's: what a test of somebody else makes meanwhile looks like left behind. Asked again then. */
function runTest(test: Weakening["test"]): Outcome {
  if (test.file.endsWith(".c")) return runNativeTest(test);
  const outcome = runBunTest(test);
  return outcome.complaint.startsWith("error: left behind") ? runBunTest(test) : outcome;
}

function runBunTest({ file, name }: Weakening["test"]): Outcome {
  const pattern = name.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  const { text } = run([bun, "test", "--timeout", "300000", file, "-t", pattern]);
  const count = (what: string): number =>
    Number(new RegExp(`^\\s*(\\d+) ${what}$`, "m").exec(text)?.[1] ?? 0);
  const complaint = /^error: .*(?:\n\n?(?:Expected|Received).*)*/m.exec(text)?.[0] ?? "";
  return { passed: count("pass"), failed: count("fail"), complaint: inOneLine(complaint) };
}

/** A file of native/test, all of it. A sanitizer ends it wherever that is. */
function runNativeTest({ file, name }: Weakening["test"]): Outcome {
  const tests = `TESTS=${file.replace(/^native\//, "")}`;
  const { status, text } = run(["make", "-s", "-C", "native", "BUILD=../build", "test", tests]);
  const complaint = /^.*(?: FAIL |ERROR: AddressSanitizer|runtime error:|error:).*$/m.exec(text)?.[0] ?? "";
  const isIt = text.includes(`FAIL ${name}`) || /AddressSanitizer|runtime error:/.test(complaint);
  return { passed: status === 0 ? 1 : 0, failed: isIt ? 1 : 0, complaint: inOneLine(complaint) };
}

function inOneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").slice(0, 160);
}

interface Judgement {
  readonly isNoticed: boolean;
  /** How, or why not. */
  readonly reason: string;
}

function judge(weakening: Weakening): Judgement {
  const originals = new Map<string, string>();
  try {
    for (const edit of weakening.edits) {
      const path = join(copy, edit.file);
      const text = readFileSync(path, "utf8");
      if (!originals.has(path)) originals.set(path, text);
      writeFileSync(path, applyEdit(text, edit));
    }
    build();
    const { passed, failed, complaint } = runTest(weakening.test);
    if (failed > 0) return { isNoticed: true, reason: complaint };
    const reason = passed > 0 ? "the test passes all the same" : `the test did not run ${complaint}`;
    return { isNoticed: false, reason };
  } catch (error) {
    return { isNoticed: false, reason: error instanceof Error ? error.message : String(error) };
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
    const { passed, failed, complaint } = runTest(test);
    if (passed > 0 && failed === 0) continue;
    bad++;
    console.log(`SOUND BUILD FAILS   ${title}: ${passed} passed, ${failed} failed: ${complaint}`);
  }
  for (const weakening of chosen) {
    const { isNoticed, reason } = judge(weakening);
    if (!isNoticed) bad++;
    console.log(`${isNoticed ? "noticed" : "NOT NOTICED"}   ${weakening.name}: ${reason}`);
  }
  rmSync(copy, { recursive: true, force: true });
  console.log(`${chosen.length} weakenings, ${bad} problems`);
  return bad === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2));
