/**
 * Runs integration tests in an emulated machine with cgroup v2, systemd and AppArmor.
 *
 *   bun tools/vm.ts                  the selection of `npm test`
 *   bun tools/vm.ts FILE... [-t P]   arguments of `bun test`
 *   bun tools/vm.ts --shell [CMD]    a shell there, or one command line
 *
 * The machine gets the checkout as it is built now; what is written there is gone at its end.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { program } from "../test/support/programs.ts";
import { type Job, runInMachine, whyNoMachine } from "../test/support/vm/machine.ts";
import { SELECTION } from "../test/support/vm/selection.ts";

const root = join(import.meta.dirname, "..");
const REPORT = join(root, "build", "test-report", "vm.xml");
const KERNEL_LOG = join(root, "build", "vm-kernel.log");

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Emulated, everything takes about ten times as long: the deadlines of the tests are stretched, not dropped. */
function testJob(args: readonly string[]): Job {
  const report = ["--reporter=junit", "--reporter-outfile=/run/report.xml"];
  const words = [
    "env",
    "GANTRY_TEST_SLOWNESS=10",
    "node_modules/.bin/bun",
    "test",
    "--timeout",
    "240000",
    ...report,
    ...args,
  ];
  return { script: `${words.map(quote).join(" ")}\n`, timeoutMs: 55 * 60_000, terminal: false };
}

function shellJob(args: readonly string[]): Job {
  if (args.length > 0) return { script: `${args.join(" ")}\n`, timeoutMs: 60 * 60_000, terminal: false };
  if (!process.stdout.isTTY) throw new Error("a shell needs a terminal; a command line goes behind --shell");
  const { rows, columns } = process.stdout;
  const script = `stty rows ${rows} cols ${columns}; PS1='vm:\\w# ' bash --norc -i\n`;
  return { script, timeoutMs: 24 * 60 * 60_000, terminal: true };
}

/** As tools/test.ts adds it up: of what the report says, or nothing of a report that never came. */
function summary(report: string): string {
  const suites = /<testsuites[^>]*>/.exec(report)?.[0] ?? "";
  const count = (name: string): number => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(suites)?.[1] ?? 0);
  const failed = count("failures") + count("errors");
  const skipped = count("skipped");
  return `${count("tests") - failed - skipped} passed, ${failed} failed, ${skipped} skipped`;
}

/** There is no compiler in the machine. */
async function compilePrograms(): Promise<void> {
  for (const file of readdirSync(join(root, "test", "support", "programs")))
    await program(basename(file, ".c"));
}

const why = whyNoMachine();
if (why !== undefined) {
  console.log(`skipped: the tests in the emulated machine: ${why}\n0 passed, 0 failed, 1 skipped`);
  process.exit(0);
}
await compilePrograms();
const args = process.argv.slice(2);
const isShell = args[0] === "--shell";
const job = isShell ? shellJob(args.slice(1)) : testJob(args.length > 0 ? args : SELECTION);
if (job.terminal) process.stdin.setRawMode?.(true);
const { exitCode, problem, report, kernelLog } = await runInMachine(job, {
  output: (chunk) => process.stdout.write(chunk),
  note: (line) => console.log(line),
});
if (job.terminal) process.stdin.setRawMode?.(false);
mkdirSync(join(root, "build", "test-report"), { recursive: true });
if (report !== "") writeFileSync(REPORT, report);
if (problem !== undefined || exitCode !== 0) {
  writeFileSync(KERNEL_LOG, kernelLog);
  console.log(`${problem ?? `exit ${exitCode}`}; the machine's kernel log is in ${KERNEL_LOG}`);
} else rmSync(KERNEL_LOG, { force: true });
if (!isShell) console.log(summary(report));
process.exit(problem === undefined ? exitCode : 1);
