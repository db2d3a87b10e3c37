/**
 * What is left of a command's answer when it is compared: everything but what no two runs share (ids, times, sizes, processes,
 * addresses that nobody chose, the engine's directory), the widths of columns that follow from it, and the words by which the
 * client's own versions say where its help is. JSON becomes a line for each value, in order of names.
 */
import type { Finished } from "../../support/run.ts";

export interface Places {
  /** The engine's. */
  readonly root: string;
  /** The commands'. */
  readonly files: string;
}

export function normalise({ code, stdout, stderr }: Finished, places: Places): readonly string[] {
  return [
    ...(flattened(stdout) ?? linesOf(stdout)).map(
      (line) => `  ${line === "" ? "<empty>" : plain(withoutSizes(line), places)}`,
    ),
    ...linesOf(withoutUsage(stderr))
      .filter((line) => line !== "" && !IS_HELP.test(line) && !IS_LOG.test(line))
      .map((line) => `! ${plain(line.replace(FULL_STOP, "").replace(OUR_NAME, "docker: "), places)}`),
    ...(code === 0 ? [] : [`= ${code}`]),
  ].map((line) => line.trimEnd());
}

/** "See 'docker run --help'." or "Run 'docker run --help' for more information". */
const IS_HELP = /^S?(See|Run) '\S+ .*--help'/;

/** Our client calls itself by its own name. */
const OUR_NAME = /^gantry: /;

/** What a client writes in its own log of a race that it lost. */
const IS_LOG = /^time="/;

/** Clients add one to what the daemon says, or do not. */
const FULL_STOP = /(?<=[\w"')\]])\.$/;

/** How a command is used, which is below what is wrong, is the client's alone. */
function withoutUsage(text: string): string {
  return text.split(/^Usage:  /m)[0] ?? "";
}

function linesOf(text: string): readonly string[] {
  return text === "" ? [] : text.replace(/\n$/, "").split("\n");
}

function plain(line: string, { root, files }: Places): string {
  return columns(
    REPLACED.reduce(
      (text, [pattern, by]) => text.replaceAll(pattern, by),
      line.replaceAll(files, "<files>").replaceAll(root, "<root>"),
    ),
  );
}

const REPLACED: readonly (readonly [RegExp, string])[] = [
  [/\bsha256:[0-9a-f]{64}\b/g, "<digest>"],
  [/\bsha256:[0-9a-f]{10,12}\b(…)?/g, "<short digest>"],
  [/\b[0-9a-f]{64}\b/g, "<id>"],
  [/\b[0-9a-f]{12}\b/g, "<short id>"],
  // Times; what an image has from its maker, and "never", stay.
  [/\b20(?!24-01-01)\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|( ?[+-]\d\d:?\d\d)( [A-Z]+)?)?/g, "<time>"],
  [
    /\b(Less than a second|About an? (minute|hour)|\d+ (second|minute|hour|day|week|month|year)s?)\b/g,
    "<duration>",
  ],
  [/\b[0-9a-f]{14,15}…/g, "<short id>…"],
  [/\bdocker-import-\d+/g, "docker-import-<number>"],
  [/(?<="time(Nano)?":)\d+|(?<=time \()\d+\.\d+/g, "<number>"],
  // How many processors there are.
  [/(?<=from 0\.01 to )\d+\.00, as there are only \d+ CPUs?/g, "<number>, as there are only <number> CPUs"],
  [/(?<=requested 99, available: )0-\d+/g, "<range>"],
  // Nobody chose these; what commands ask for is in 10.82.0.0/16 and begins with 92.
  [/\b172\.(1[6-9]|2\d|3[01])\.\d+\.\d+\b/g, "<address>"],
  [/\b(?!92)[0-9a-f]{2}(:[0-9a-f]{2}){5}\b/g, "<mac>"],
  [/(?<=:)(3276[89]|327[7-9]\d|32[89]\d\d|3[3-9]\d{3}|[45]\d{4}|60\d{3})\b/g, "<port>"],
];

/** In lists; what a daemon says of a size in an error is meant. */
function withoutSizes(line: string): string {
  return line.replaceAll(/\b(?!0B)\d+(\.\d+)?([kKMGT]i?)?B\b/g, "<size>");
}

/** Columns are as wide as what was replaced in them. */
function columns(line: string): string {
  return line.replaceAll(/(?<=\S) {2,}/g, "  ");
}

/** Values below these names are of the run: they are there, and of that kind. */
const OF_THE_RUN =
  /\.(Pid|HostPort|Created|Size|VirtualSize|SharedSize|SizeRw|SizeRootFs|LastTagTime|CreatedAt|time|timeNano)$/;

/** `path = value` for every leaf of a JSON document that takes several lines; nothing for other text. */
function flattened(text: string): readonly string[] | undefined {
  if (!/^(\[|\{)\n/.test(text)) return undefined;
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return undefined;
  }
  return leaves("", document);
}

function leaves(path: string, value: unknown): readonly string[] {
  if (Array.isArray(value) && value.length > 0)
    return value.flatMap((item, index) => leaves(`${path}[${index}]`, item));
  if (typeof value === "object" && value !== null && Object.keys(value).length > 0)
    return Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([name, item]) => leaves(`${path}.${name}`, item));
  const isOfTheRun = OF_THE_RUN.test(path) && typeof value === "number" && value > 0;
  return [`${path} = ${isOfTheRun ? "<number>" : JSON.stringify(value)}`];
}
