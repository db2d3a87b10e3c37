/**
 * Runs every kind of test one after the other and adds them up. Two cores and real kernels: nothing heavy runs beside
 * another, so a slow test is slow by itself.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const bin = (name: string): string => join(root, "node_modules", ".bin", name);
const report = join(root, "build", "test-report");

interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

interface Step {
  readonly name: string;
  readonly command: readonly string[];
  /** How to count: one result for the whole command, a JUnit file, or lines "N passed, N failed, N skipped". */
  readonly count: "whole" | "junit" | "lines";
  readonly timeoutMs: number;
}

function bunTest(name: string, ...folders: string[]): Step {
  const outfile = join(report, `${name}.xml`);
  return {
    name,
    command: [
      bin("bun"),
      "test",
      "--timeout",
      "120000",
      "--reporter=junit",
      `--reporter-outfile=${outfile}`,
      ...folders,
    ],
    count: "junit",
    timeoutMs: 40 * 60_000,
  };
}

const steps: readonly Step[] = [
  { name: "format", command: [bin("biome"), "format", "."], count: "whole", timeoutMs: 60_000 },
  {
    name: "lint",
    command: [bin("oxlint"), "--type-aware", "src", "test", "tools", "bench", "packaging", "native/test"],
    count: "whole",
    timeoutMs: 120_000,
  },
  { name: "types", command: [bin("tsc")], count: "whole", timeoutMs: 120_000 },
  { name: "layers", command: [bin("bun"), "tools/check-layers.ts"], count: "whole", timeoutMs: 60_000 },
  { name: "docs", command: [bin("bun"), "tools/check-docs.ts"], count: "whole", timeoutMs: 60_000 },
  {
    name: "native",
    command: ["make", "-s", "-C", "native", "BUILD=../build", "test"],
    count: "lines",
    timeoutMs: 10 * 60_000,
  },
  {
    name: "fuzz",
    command: ["make", "-s", "-C", "native", "BUILD=../build", "fuzz", "FUZZ_SECONDS=20"],
    count: "whole",
    timeoutMs: 5 * 60_000,
  },
  bunTest("shim", "native/test"),
  bunTest("unit", "src", "tools", "packaging", "test/chaos"),
  bunTest("integration", "test/integration"),
  bunTest("conformance", "test/conformance"),
  {
    name: "vm",
    command: [bin("bun"), "tools/vm.ts"],
    count: "lines",
    timeoutMs: 60 * 60_000,
  },
];

function run(step: Step): Promise<{ readonly code: number; readonly output: string }> {
  const { promise, resolve } = Promise.withResolvers<{ code: number; output: string }>();
  const child = spawn(step.command[0] ?? "", step.command.slice(1), {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), step.timeoutMs);
  let output = "";
  const keep = (chunk: Buffer): void => {
    output += chunk.toString();
    if (step.count !== "whole") process.stdout.write(chunk);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  child.on("error", (error) => {
    output += error.message;
  });
  child.on("close", (code) => {
    clearTimeout(timer);
    resolve({ code: code ?? 1, output });
  });
  return promise;
}

function attribute(xml: string, name: string): number {
  return Number(new RegExp(`<testsuites[^>]*\\b${name}="(\\d+)"`).exec(xml)?.[1] ?? 0);
}

/** Never fewer failures than the exit code tells: a runner that died counts as one. */
function count(step: Step, code: number, output: string): Totals {
  const totals: Totals = { passed: 0, failed: 0, skipped: 0 };
  if (step.count === "junit") {
    const file = join(report, `${step.name}.xml`);
    const xml = existsSync(file) ? readFileSync(file, "utf8") : "";
    totals.failed = attribute(xml, "failures") + attribute(xml, "errors");
    totals.skipped = attribute(xml, "skipped");
    totals.passed = attribute(xml, "tests") - totals.failed - totals.skipped;
  } else if (step.count === "lines") {
    for (const match of output.matchAll(/^\s*(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/gm)) {
      totals.passed += Number(match[1]);
      totals.failed += Number(match[2]);
      totals.skipped += Number(match[3] ?? 0);
    }
  } else if (code === 0) {
    totals.passed = 1;
  }
  if (code !== 0 && totals.failed === 0) totals.failed = 1;
  if (code === 0 && totals.passed === 0 && totals.skipped === 0) totals.failed = 1; // a step that tests nothing is broken
  return totals;
}

/** What the lines of one failure say: from the last test's result, or so many lines above, to the line that names it. */
const FAILURE_LINES = 40;

/** Repeated below the summary: of a run of an hour only the end is looked at, or kept. */
function failures(output: string): string[] {
  const lines = output.split("\n");
  return lines.flatMap((line, at) => {
    if (!/^\s*(?:\(fail\)|FAIL) /.test(line)) return [];
    const above = lines.slice(Math.max(0, at - FAILURE_LINES), at);
    const told = above.slice(above.findLastIndex((other) => /^\s*\((?:pass|fail|skip)\) /.test(other)) + 1);
    return [[...told, line].join("\n").trim()];
  });
}

const args = process.argv.slice(2);
if (args.length > 0) {
  const child = spawn(bin("bun"), ["test", "--timeout", "120000", ...args], { cwd: root, stdio: "inherit" });
  child.on("close", (code) => process.exit(code ?? 1));
} else {
  rmSync(report, { recursive: true, force: true });
  mkdirSync(report, { recursive: true });
  const sum: Totals = { passed: 0, failed: 0, skipped: 0 };
  const summary: string[] = [];
  const failed: string[] = [];
  for (const step of steps) {
    console.log(`──── ${step.name}`);
    const start = performance.now();
    const { code, output } = await run(step);
    const totals = count(step, code, output);
    if (code !== 0 && step.count === "whole") console.log(output.trim());
    if (totals.failed > 0) {
      const named = failures(output);
      failed.push(...(named.length > 0 ? named : [`${step.name}: ended with ${code}`]));
    }
    sum.passed += totals.passed;
    sum.failed += totals.failed;
    sum.skipped += totals.skipped;
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    summary.push(
      `${step.name.padEnd(12)} ${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped  (${seconds} s)`,
    );
  }
  console.log(`\n${summary.join("\n")}\n`);
  for (const failure of failed) console.log(`${failure}\n`);
  console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
  process.exit(sum.failed > 0 ? 1 : 0);
}
