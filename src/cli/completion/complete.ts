/**
 * `gantry __complete WORD… LAST`: what the last, unfinished word may become. The shells' scripts (scripts.ts) ask it, in the form
 * that programs made with Go's cobra have:
 *
 *     candidate TAB description      a line each; __completeNoDesc leaves the description out
 *     :N                             the last line; bits: 2 = no blank behind the word, 4 = no names of files
 */
import type { Cli } from "../cli.ts";
import { below, type CommandEntry, COMMANDS, MANAGEMENT, topLevel } from "../commands.ts";
import { type AnyFlag, FlagError, type FlagSet } from "../flags.ts";
import { plainText } from "../output/plain-text.ts";
import { type Candidate, namesOf } from "./names.ts";
import { scan } from "./scan.ts";
import { argumentWish, valueWish, type Wish } from "./wishes.ts";

const NO_BLANK = 2;
const NO_FILES = 4;

interface Offer {
  readonly candidates: readonly Candidate[];
  readonly directive: number;
}

const NOTHING: Offer = { candidates: [], directive: NO_FILES };

export async function complete(cli: Cli, words: readonly string[], describes: boolean): Promise<number> {
  const last = words.at(-1) ?? "";
  const { candidates, directive } = await offer(cli, words.slice(0, -1), last);
  const lines = candidates
    .filter(({ word }) => word.startsWith(last))
    .map(({ word, description }) =>
      describes && description !== "" ? `${word}\t${oneLine(description)}` : word,
    );
  await cli.out.write(`${[...new Set(lines), `:${directive}`].join("\n")}\n`);
  return 0;
}

function oneLine(text: string): string {
  return plainText(text.split("\n")[0] ?? "").replaceAll("\t", " ");
}

async function offer(cli: Cli, before: readonly string[], last: string): Promise<Offer> {
  const { flags } = cli.options;
  try {
    flags.parse(before);
  } catch (error) {
    if (!(error instanceof FlagError)) throw error; // unfinished, as completion finds it
  }
  const global = scan(flags, before);
  const [first, ...others] = global.words;
  if (first === undefined) return atFlags(cli, undefined, flags, global.pending, last) ?? commands();
  if (first === "help") return others.length === 0 ? commands() : subcommands(others[0] ?? "");
  if (MANAGEMENT.has(first)) {
    const [second, ...rest] = others;
    if (second === undefined) return subcommands(first);
    return atCommand(cli, below(first, second), rest, last);
  }
  return atCommand(cli, topLevel(first), others, last);
}

async function atCommand(
  cli: Cli,
  entry: CommandEntry | undefined,
  before: readonly string[],
  last: string,
): Promise<Offer> {
  if (entry === undefined) return NOTHING;
  const { flags } = (await entry.load()).command();
  flags.bool("help", false, "Print usage");
  const { words, pending, isPastFlags } = scan(flags, before);
  const flag = isPastFlags ? undefined : atFlags(cli, entry, flags, pending, last);
  return (await flag) ?? things(cli, argumentWish(entry, words.length), last);
}

/** Undefined where a word that is neither a flag nor the value of one is to come. */
function atFlags(
  cli: Cli,
  entry: CommandEntry | undefined,
  flags: FlagSet,
  pending: AnyFlag | undefined,
  last: string,
): Promise<Offer> | Offer | undefined {
  if (pending !== undefined) return things(cli, valueWish(entry, pending), last);
  if (!last.startsWith("-")) return undefined;
  const equals = last.indexOf("=");
  if (equals < 0) {
    const shown = flags.all().filter((flag) => !flag.hidden);
    return {
      candidates: shown.map(({ name, usage }) => ({ word: `--${name}`, description: usage })),
      directive: NO_FILES,
    };
  }
  const flag = flags.named(last.slice(2, equals));
  return flag === undefined ? NOTHING : valueAfterEquals(cli, valueWish(entry, flag), last, equals + 1);
}

async function valueAfterEquals(cli: Cli, wish: Wish, last: string, at: number): Promise<Offer> {
  const { candidates, directive } = await things(cli, wish, last.slice(at));
  const prefix = last.slice(0, at);
  return { candidates: candidates.map((one) => ({ ...one, word: prefix + one.word })), directive };
}

async function things(cli: Cli, wish: Wish, last: string): Promise<Offer> {
  if (wish === "nothing") return NOTHING;
  if (wish === "files" || (wish === "volumes" && /^[./~]/.test(last)))
    return { candidates: [], directive: 0 };
  if (typeof wish !== "string") {
    const candidates = wish.map((word) => ({ word, description: "" }));
    return {
      candidates,
      directive: wish.some((word) => word.endsWith("=")) ? NO_FILES | NO_BLANK : NO_FILES,
    };
  }
  return { candidates: await namesOf(cli, wish), directive: NO_FILES };
}

function commands(): Offer {
  const tops = COMMANDS.filter(({ top, hidden }) => top !== "" && hidden !== true);
  return {
    candidates: [
      ...tops.map(({ top, summary }) => ({ word: top, description: summary })),
      ...[...MANAGEMENT].map(([word, description]) => ({ word, description })),
    ].sort((a, b) => (a.word < b.word ? -1 : 1)),
    directive: NO_FILES,
  };
}

function subcommands(parent: string): Offer {
  const entries = COMMANDS.filter((entry) => entry.parent === parent && entry.hidden !== true);
  const candidates = entries.map(({ names, summary }) => ({ word: names[0] ?? "", description: summary }));
  return { candidates: candidates.sort((a, b) => (a.word < b.word ? -1 : 1)), directive: NO_FILES };
}
