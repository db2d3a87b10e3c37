/**
 * Holds the imports below `src/` against `tools/layers.json`:
 *
 * - a component imports only the components listed for it; `name!` means that component's contract file alone;
 *   `name/file` one further file of it;
 * - no cycle of value imports between files (type imports vanish at run time and do not count);
 * - npm packages only where listed, and "only here" rules: an import or a text pattern that belongs to few files.
 *
 * Test files (`*.test.ts`, `*.suite.ts`, `testing/`) may import anything, and nobody may import them.
 * Usage: bun tools/check-layers.ts [--graph]
 */
import { readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { readdirSync } from "node:fs";

interface Rules {
  readonly components: Readonly<Record<string, { readonly may: readonly string[] }>>;
  readonly contracts: Readonly<Record<string, string>>;
  readonly only: readonly { what: string; pattern: string; kind: "import" | "text"; in: readonly string[] }[];
  readonly packages: Readonly<Record<string, readonly string[]>>;
}

interface Import {
  readonly specifier: string;
  readonly line: number;
  readonly typeOnly: boolean;
  readonly lazy: boolean;
}

const root = join(import.meta.dirname, "..");
const source = join(root, "src");
const rules: Rules = JSON.parse(readFileSync(join(import.meta.dirname, "layers.json"), "utf8"));

function sources(): string[] {
  return readdirSync(source, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .sort();
}

function isTest(file: string): boolean {
  return /\.(test|suite)\.ts$|(^|\/)testing\//.test(file);
}

/** The longest listed component that the file lies in. */
function componentOf(file: string): string | undefined {
  return Object.keys(rules.components)
    .filter((name) => file.startsWith(`${name}/`))
    .sort((a, b) => b.length - a.length)[0];
}

/** Blanks comments and the inside of strings so that patterns only meet code; strings stay where `keepStrings`. */
function code(text: string, keepStrings: boolean): string {
  return text.replace(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/g,
    (token) => (token.startsWith("/") || !keepStrings ? token.replace(/[^\n]/g, " ") : token),
  );
}

function importsOf(text: string): Import[] {
  const clean = code(text, true);
  const found: Import[] = [];
  const statement = /^(?:import|export)\s+(type\s+)?([\w*{][^;"]*?\sfrom\s+)?"([^"]+)"/gm;
  for (const match of clean.matchAll(statement)) {
    const names = match[2] ?? "";
    const inline = names.startsWith("{") && /\{\s*(type\s+\w+(\s+as\s+\w+)?\s*,?\s*)+\}/.test(names);
    found.push({
      specifier: match[3] ?? "",
      line: clean.slice(0, match.index).split("\n").length,
      typeOnly: match[1] !== undefined || inline,
      lazy: false,
    });
  }
  for (const match of clean.matchAll(/\bimport\("([^"]+)"\)/g)) {
    const line = clean.slice(0, match.index).split("\n").length;
    found.push({ specifier: match[1] ?? "", line, typeOnly: false, lazy: true });
  }
  return found;
}

function isAllowed(from: string, to: string, file: string): boolean {
  const may = rules.components[from]?.may ?? [];
  if (from === to || may.includes("*") || may.includes(to)) return true;
  if (may.includes(`${to}!`) && file === `${to}/${rules.contracts[to]}`) return true;
  return may.some((entry) => `${entry}.ts` === file);
}

function cycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const state = new Map<string, "open" | "done">();
  const path: string[] = [];
  const found: string[][] = [];
  const visit = (file: string): void => {
    if (state.get(file) === "done") return;
    if (state.get(file) === "open") {
      found.push([...path.slice(path.indexOf(file)), file]);
      return;
    }
    state.set(file, "open");
    path.push(file);
    for (const next of graph.get(file) ?? []) visit(next);
    path.pop();
    state.set(file, "done");
  };
  for (const file of graph.keys()) visit(file);
  return found;
}

const problems: string[] = [];
const graph = new Map<string, string[]>();
const edges = new Set<string>();
for (const file of sources()) {
  const text = readFileSync(join(source, file), "utf8");
  const from = componentOf(file);
  if (from === undefined) {
    problems.push(`src/${file}: belongs to no component of tools/layers.json`);
    continue;
  }
  const test = isTest(file);
  const values: string[] = [];
  graph.set(file, values);
  for (const { specifier, line, typeOnly, lazy } of importsOf(text)) {
    const at = `src/${file}:${line}`;
    if (specifier.startsWith(".")) {
      const target = normalize(join(dirname(file), specifier));
      if (target.startsWith("..")) {
        if (!test) problems.push(`${at}: imports "${relative(root, join(source, target))}", outside src`);
        continue;
      }
      if (test) continue;
      const to = componentOf(target);
      if (isTest(target)) problems.push(`${at}: imports the test file "${target}"`);
      else if (to === undefined || !isAllowed(from, to, target))
        problems.push(`${at}: "${from}" may not import "${target}"`);
      else if (to !== from) edges.add(`${from} -> ${to}`);
      if (!typeOnly && !lazy) values.push(target);
    } else if (!specifier.startsWith("node:") && specifier !== "bun:test" && specifier !== "bun") {
      if (!(rules.packages[from] ?? []).includes(specifier))
        problems.push(`${at}: package "${specifier}" is not listed for "${from}"`);
    }
    if (test) continue;
    for (const rule of rules.only) {
      if (
        rule.kind === "import" &&
        specifier === rule.pattern &&
        !rule.in.some((home) => file.startsWith(home))
      )
        problems.push(`${at}: ${rule.what} ("${rule.pattern}") belongs to ${rule.in.join(", ")}`);
    }
  }
  if (test) continue;
  const clean = code(text, true);
  for (const rule of rules.only) {
    if (rule.kind !== "text" || rule.in.some((home) => file.startsWith(home))) continue;
    const match = new RegExp(rule.pattern).exec(clean);
    if (match !== null) {
      const line = clean.slice(0, match.index).split("\n").length;
      problems.push(`src/${file}:${line}: ${rule.what} (${match[0]}) belongs to ${rule.in.join(", ")}`);
    }
  }
}
for (const cycle of cycles(graph)) problems.push(`cycle of value imports: ${cycle.join(" -> ")}`);

if (process.argv.includes("--graph")) console.log([...edges].sort().join("\n"));
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
