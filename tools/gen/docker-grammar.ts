/**
 * Walks the help of a docker client and writes what it knows of the grammar to src/cli/testing/docker-grammar.txt: for each
 * command its places in the tree and its flags with letter, kind of value and default. Facts alone: no text of the help is
 * kept. `npm run gen:docker-grammar -- docker`, or
 * the words that lead to a docker elsewhere.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const OUTPUT = join(import.meta.dirname, "..", "..", "src", "cli", "testing", "docker-grammar.txt");
/** Trees that are programs of their own, or belong to clusters and signed images. */
const OTHERS = new Set(["build", "builder", "buildx", "compose", "checkpoint", "plugin", "swarm", "trust"]);

const client = process.argv.slice(2);
if (client.length === 0) client.push("docker");
const version = ask(["--version"]).match(/version ([\d.]+)/)?.[1] ?? "unknown";
const commands = new Map<string, string>();
walk([]);
const blocks = [...commands].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, block]) => block);
writeFileSync(
  OUTPUT,
  `# docker ${version}: places of a command; flag, letter, kind, default\n${blocks.join("")}`,
);
process.stdout.write(`${commands.size} commands of docker ${version}\n`);

function ask(words: readonly string[]): string {
  const [program = "", ...before] = client;
  return execFileSync(program, [...before, ...words], { encoding: "utf8", timeout: 20_000 });
}

function walk(path: readonly string[]): void {
  const help = ask([...path, "--help"]);
  const below = sections(help).filter(([title]) => title.endsWith("Commands"));
  const names = below.flatMap(([, lines]) =>
    lines.flatMap((line) => /^ {2}([a-z][\w-]*) /.exec(line)?.[1] ?? []),
  );
  if (below.length === 0) {
    const places = placesOf(path, help);
    commands.set(places[0] ?? "", `${places.join(" = ")}\n${flagsOf(help).join("")}`);
    return;
  }
  if (path.length === 0) commands.set("", `(global)\n${flagsOf(help).join("")}`);
  for (const name of names) if (!OTHERS.has(name)) walk([...path, name]);
}

/** All spellings of a command, the longest way first: "container rm", "container remove", "rm". */
function placesOf(path: readonly string[], help: string): string[] {
  const aliases =
    sections(help)
      .find(([title]) => title === "Aliases")?.[1]
      .join("") ?? path.join(" ");
  const places = aliases.split(",").map((alias) => alias.trim().replace(/^docker /, ""));
  return places.sort((a, b) => b.split(" ").length - a.split(" ").length);
}

function flagsOf(help: string): string[] {
  const lines = sections(help).find(([title]) => title.endsWith("Options"))?.[1] ?? [];
  const flags: { left: string; text: string }[] = [];
  for (const line of lines) {
    const start = /^ {2}(?:-\w, | {4})--(\S+)(?: (\S+))? {2,}(.*)$/.exec(line);
    if (start === null) {
      const last = flags.at(-1);
      if (last !== undefined) last.text += ` ${line.trim()}`;
      continue;
    }
    const [, name = "", kind = "bool", text = ""] = start;
    flags.push({ left: `--${name} ${/^ {2}(-\w)/.exec(line)?.[1] ?? "-"} ${kind}`, text });
  }
  return flags.map(({ left, text }) => {
    const initial = / \(default ("[^"]*"|\S+)\)$/.exec(text.trim())?.[1];
    return `  ${left}${initial === undefined ? "" : ` ${initial}`}\n`;
  });
}

/** The parts of a help text: a title that ends in a colon, and the lines that follow it. */
function sections(help: string): [string, string[]][] {
  const found: [string, string[]][] = [];
  for (const line of help.split("\n")) {
    const title = /^([A-Z][\w ]*):$/.exec(line)?.[1];
    if (title !== undefined) found.push([title, []]);
    else if (line === "") found.push(["", []]);
    else found.at(-1)?.[1].push(line);
  }
  return found;
}
