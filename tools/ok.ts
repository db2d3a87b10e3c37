/**
 * Everything that needs neither root nor a kernel: format, lint, types, layers, docs, unit tests — at the same time,
 * one summary. A failing check prints what it said.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const bin = (name: string): string => join(root, "node_modules", ".bin", name);
const checks: readonly (readonly [string, readonly string[]])[] = [
  ["format", [bin("biome"), "format", "."]],
  ["lint", [bin("oxlint"), "--type-aware", "src", "test", "tools", "bench", "packaging", "native/test"]],
  ["types", [bin("tsc")]],
  ["layers", [bin("bun"), "tools/check-layers.ts"]],
  ["docs", [bin("bun"), "tools/check-docs.ts"]],
  ["unit", [bin("bun"), "test", "--timeout", "20000", "src", "tools", "packaging", "test/chaos"]],
];

interface Outcome {
  readonly name: string;
  readonly ok: boolean;
  readonly seconds: number;
  readonly output: string;
}

function run(name: string, command: readonly string[]): Promise<Outcome> {
  const start = performance.now();
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const child = spawn(command[0] ?? "", command.slice(1), { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const keep = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  child.on("error", (error) => {
    output += error.message;
  });
  child.on("close", (code) => {
    resolve({ name, ok: code === 0, seconds: (performance.now() - start) / 1000, output });
  });
  return promise;
}

const outcomes = await Promise.all(checks.map(([name, command]) => run(name, command)));
for (const { name, ok, output } of outcomes) if (!ok) console.log(`──── ${name}\n${output.trim()}\n`);
for (const { name, ok, seconds } of outcomes)
  console.log(`${ok ? "ok  " : "FAIL"} ${name.padEnd(8)} ${seconds.toFixed(1)} s`);
process.exit(outcomes.every(({ ok }) => ok) ? 0 : 1);
