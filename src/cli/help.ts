/** Help texts in the layout of Docker's CLI, generated from the command and flag tables. */
import type { Cli } from "./cli.ts";
import type { Command } from "./command.ts";
import { type CommandEntry, COMMANDS, MANAGEMENT, SERVERS } from "./commands.ts";
import type { FlagSet, FlagSpec } from "./flags.ts";
import type { Plugin } from "./plugins/find.ts";

const DEFAULT_COLUMNS = 80;

/** The width to wrap at; terminals are asked only when somebody reads help, never before a command. */
export function terminalColumns(): number {
  const columns = process.stdout.isTTY ? process.stdout.columns : 0;
  return columns > 0 ? columns : DEFAULT_COLUMNS;
}

export function overview(cli: Cli, plugins: readonly Plugin[], columns: number): string {
  const { program } = cli;
  const hidesLegacy = (cli.variable("DOCKER_HIDE_LEGACY_COMMANDS") ?? "") !== "";
  const top = COMMANDS.filter(
    (entry) => entry.top !== "" && !(hidesLegacy && entry.parent !== "" && entry.common !== true),
  );
  const row = ({ name, description, error }: Plugin): readonly [string, string] =>
    error === "" ? [`${name}*`, description] : [name, error];
  const valid = plugins.filter(({ error }) => error === "").map(row);
  const invalid = plugins.filter(({ error }) => error !== "").map(row);
  const common = top.filter((entry) => entry.common === true);
  const others = top.filter((entry) => entry.common !== true).sort((a, b) => (a.top < b.top ? -1 : 1));
  return `
Usage:  ${program} [OPTIONS] COMMAND

A self-sufficient runtime for containers

Common Commands:
${lines(common.map((entry) => [entry.top, entry.summary]))}

Management Commands:
${lines([...MANAGEMENT, ...SERVERS, ...valid].sort((a, b) => (a[0] < b[0] ? -1 : 1)))}

Commands:
${lines(others.map((entry) => [entry.top, entry.summary]))}
${invalid.length === 0 ? "" : `\nInvalid Plugins:\n${lines(invalid)}\n`}
Global Options:
${flagUsages(cli.options.flags, columns)}
Run '${program} COMMAND --help' for more information on a command.
`;
}

export function managementOverview(cli: Cli, parent: string): string {
  const entries = COMMANDS.filter((entry) => entry.parent === parent && entry.hidden !== true);
  const rows = entries.map((entry): [string, string] => [entry.names[0] ?? "", entry.summary]);
  rows.sort((a, b) => (a[0] < b[0] ? -1 : 1));
  return `
Usage:  ${cli.program} ${parent} COMMAND

${MANAGEMENT.get(parent) ?? ""}

Commands:
${lines(rows)}

Run '${cli.program} ${parent} COMMAND --help' for more information on a command.
`;
}

export function commandHelp(
  program: string,
  entry: CommandEntry,
  command: Command,
  name: string,
  columns: number,
): string {
  let text = `\nUsage:  ${name}${command.usage === "" ? "" : ` ${command.usage}`}\n\n${entry.summary}\n`;
  const spellings =
    entry.parent === "" ? [] : entry.names.map((word) => `${program} ${entry.parent} ${word}`);
  if (entry.top !== "") spellings.push(`${program} ${entry.top}`);
  if (spellings.length > 1) text += `\nAliases:\n  ${spellings.join(", ")}\n`;
  const options = flagUsages(command.flags, columns);
  return options === "" ? text : `${text}\nOptions:\n${options}`;
}

function lines(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(11, ...rows.map(([name]) => name.length));
  return rows.map(([name, summary]) => `  ${name.padEnd(width)} ${summary}`).join("\n");
}

/** One line per flag, usages in a column of their own and wrapped at the terminal's width. */
export function flagUsages(flags: FlagSet, columns: number): string {
  const rows = flags
    .all()
    .filter((flag) => !flag.hidden)
    .map((flag) => ({ left: leftColumn(flag), flag }));
  const width = Math.max(0, ...rows.map((row) => row.left.length)) + 3;
  return rows
    .map(({ left, flag }) => {
      const usage = flag.shownDefault === "" ? flag.usage : `${flag.usage} (default ${flag.shownDefault})`;
      return `${left.padEnd(width)}${wrap(usage, width, columns - 1)}\n`;
    })
    .join("");
}

function leftColumn(flag: FlagSpec): string {
  const names = flag.short === "" ? `      --${flag.name}` : `  -${flag.short}, --${flag.name}`;
  return flag.valueName === "" ? names : `${names} ${flag.valueName}`;
}

/** Room that a last word may take beyond the limit rather than stand alone on a line. */
const SLOP = 5;
const LEAST_WIDTH = 24;

/** Breaks text at blanks so that it fits right of `indent`; line breaks of its own stay. */
export function wrap(text: string, indent: number, columns: number): string {
  let column = indent;
  let wrapped = "";
  if (columns - column < LEAST_WIDTH) {
    column = 16;
    wrapped = `\n${" ".repeat(column)}`;
  }
  if (columns - column < LEAST_WIDTH) return text.replaceAll("\n", wrapped);
  const margin = `\n${" ".repeat(column)}`;
  const width = columns - column - SLOP;
  const parts: string[] = [];
  let rest = text;
  while (rest !== "") {
    const [line, left] = firstLine(rest, width);
    parts.push(line.replaceAll("\n", margin));
    rest = left;
  }
  return wrapped + parts.join(margin);
}

function firstLine(text: string, width: number): [string, string] {
  if (width + SLOP > text.length) return [text, ""];
  const head = text.slice(0, width);
  const blank = Math.max(head.lastIndexOf(" "), head.lastIndexOf("\t"), head.lastIndexOf("\n"));
  if (blank <= 0) return [text, ""];
  const newline = head.lastIndexOf("\n");
  const cut = newline > 0 && newline < blank ? newline : blank;
  return [text.slice(0, cut), text.slice(cut + 1)];
}
