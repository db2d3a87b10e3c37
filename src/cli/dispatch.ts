/** From the words of a command line to an exit status. */
import type { Sink } from "../base/bun-stdio.ts";
import { errnoOf, GantryError, messageOf } from "../base/errors.ts";
import { OwnProcessNeeded } from "../base/own-process.ts";
import type { EngineClient } from "../client/engine-client.ts";
import { ResponseError } from "../client/response-error.ts";
import { Cli, type Invocation } from "./cli.ts";
import type { ArgumentRule, Command } from "./command.ts";
import { below, type CommandEntry, COMMANDS, MANAGEMENT, topLevel } from "./commands.ts";
import { Exit } from "./exit.ts";
import { FlagError } from "./flags.ts";
import { GlobalOptions } from "./global-options.ts";
import { nearest } from "./suggest.ts";

/** Exit status of a command line that pflag refuses; Docker's for every command. */
const FLAG_ERROR_STATUS = 125;
const OLD_HELP = "Flag shorthand -h has been deprecated, please use --help";

/** What the shell's scripts ask (completion/complete.ts); in no help. */
const COMPLETE = "__complete";
const COMPLETE_PLAINLY = "__completeNoDesc";

/** What the configuration may have another word for. Docker's own list. */
const ALIASES: ReadonlySet<string> = new Set(["builder"]);

export interface Streams {
  readonly out: Sink;
  readonly err: Sink;
}

/** Runs one command line (without the program's name); throws OwnProcessNeeded alone (caller.ts). */
export async function dispatch(
  invocation: Invocation,
  streams: Streams,
  words: readonly string[],
): Promise<number> {
  const options = new GlobalOptions(invocation.homeDirectory);
  const cli = new Cli(invocation, options, streams);
  const { gone } = invocation.caller;
  gone?.addEventListener("abort", () => cli.close());
  try {
    return await dispatchGlobal(cli, words);
  } catch (error) {
    return await report(cli, error, invocation.program, undefined).catch((cause: unknown) => {
      if (errnoOf(cause) === "EPIPE") return 1;
      throw cause;
    });
  } finally {
    if (gone !== undefined) cli.close();
  }
}

async function dispatchGlobal(cli: Cli, words: readonly string[]): Promise<number> {
  const { options, program } = cli;
  if (words[0] === COMPLETE || words[0] === COMPLETE_PLAINLY) {
    const { complete } = await import("./completion/complete.ts");
    return complete(cli, words.slice(1), words[0] === COMPLETE);
  }
  let rest: string[];
  try {
    rest = options.parse(words);
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    await cli.warn(`${error.message}\nSee '${program} --help'.`);
    return FLAG_ERROR_STATUS;
  }
  if (options.version.value) {
    await cli.print(`Gantry version ${cli.invocation.version}`);
    return 0;
  }
  const [first, ...others] = rest;
  const isOldHelp = options.oldHelp?.value === true;
  if (isOldHelp) await cli.warn(OLD_HELP);
  const asksForHelp = options.help.value || isOldHelp;
  if (first === undefined || asksForHelp) return showHelp(cli, asksForHelp ? rest : []);
  if (first === "help") {
    const [topic] = others;
    const status = isOurs(topic) ? undefined : await tryPlugin(cli, topic, words);
    return status ?? showHelp(cli, others);
  }
  if (MANAGEMENT.has(first)) return dispatchManagement(cli, first, others);
  const entry = topLevel(first);
  if (entry === undefined) {
    const status = await tryPlugin(cli, first, words);
    if (status !== undefined) return status;
    const known = [
      ...MANAGEMENT.keys(),
      ...COMMANDS.map((command) => command.top).filter((top) => top !== ""),
    ];
    await unknownCommand(cli, [first], known);
    return 1;
  }
  return dispatchCommand(cli, entry, `${program} ${first}`, others);
}

function isOurs(word: string | undefined): word is undefined {
  return word === undefined || MANAGEMENT.has(word) || topLevel(word) !== undefined;
}

/** The exit status of the plugin that a word means, or is another word for; undefined without one. */
async function tryPlugin(cli: Cli, word: string, words: readonly string[]): Promise<number | undefined> {
  const { aliases } = await cli.config();
  for (const alias of aliases.keys())
    if (!ALIASES.has(alias))
      throw new Exit(
        1,
        `not allowed to alias ${JSON.stringify(alias)} (allowed: ${[...ALIASES].join(", ")})`,
      );
  const name = aliases.get(word) ?? word;
  const { findPlugin } = await import("./plugins/find.ts");
  const plugin = await findPlugin(cli, name);
  if (plugin === undefined) return undefined;
  const { runPlugin } = await import("./plugins/run.ts");
  const at = words.indexOf(word);
  return runPlugin(cli, plugin, name === word ? words : words.with(at, name));
}

async function dispatchManagement(cli: Cli, parent: string, words: readonly string[]): Promise<number> {
  const [first, ...others] = words;
  if (first === undefined) {
    const { managementOverview } = await import("./help.ts");
    await cli.err.write(managementOverview(cli, parent));
    return 0;
  }
  if (first === "-h") await cli.print(OLD_HELP);
  if (first === "--help" || first === "-h" || first === "help")
    return showHelp(cli, [parent, ...(first === "help" ? others : [])]);
  const entry = below(parent, first);
  if (entry === undefined) {
    if (first.startsWith("-")) {
      await cli.warn(`unknown flag: ${first}\nSee '${cli.program} ${parent} --help'.`);
      return FLAG_ERROR_STATUS;
    }
    await unknownCommand(
      cli,
      [parent, first],
      COMMANDS.filter((command) => command.parent === parent).flatMap((command) => command.names),
    );
    return 1;
  }
  return dispatchCommand(cli, entry, `${cli.program} ${parent} ${first}`, others);
}

async function unknownCommand(cli: Cli, path: readonly string[], known: readonly string[]): Promise<void> {
  const word = path.at(-1) ?? "";
  const before = path.slice(0, -1);
  const close = nearest(word, known);
  const help = [cli.program, ...before, "--help"].join(" ");
  await cli.warn(`${cli.program}: '${path.join(" ")}' is not a ${cli.program} command.`);
  if (close !== undefined) await cli.warn(`Did you mean ${[cli.program, ...before, close].join(" ")}?`);
  await cli.warn(`See '${help}'`);
}

async function dispatchCommand(
  cli: Cli,
  entry: CommandEntry,
  name: string,
  words: readonly string[],
): Promise<number> {
  const engine = cli.engine();
  engine.then((client) => client.prepare(entry.connections ?? 1)).catch(() => {});
  const command = (await entry.load()).command();
  const help = command.flags.bool("help", false, "Print usage", { hidden: command.reportsAsRun !== true });
  const oldHelp = command.flags.letter("h");
  try {
    const rest = command.flags.parse(words);
    if (oldHelp?.value === true) await cli.print(OLD_HELP);
    if (help.value || oldHelp?.value === true) return await showCommandHelp(cli, entry, command, name);
    const wrong = wrongCount(command.arguments, rest.length);
    if (wrong !== undefined) {
      await cli.warn(
        `"${name}" ${wrong}.\nSee '${name} --help'.\n\nUsage:  ${name}${command.usage === "" ? "" : ` ${command.usage}`}\n\n${entry.summary}`,
      );
      return 1;
    }
    await cli.invocation.caller.enter(() => isShareable(cli, entry, command, engine));
    return await command.run(cli, rest);
  } catch (error) {
    return report(cli, error, name, command);
  }
}

async function isShareable(
  cli: Cli,
  entry: CommandEntry,
  command: Command,
  engine: Promise<EngineClient>,
): Promise<boolean> {
  if (entry.shareable !== true || command.needsOwnProcess?.() === true) return false;
  const { endpoint } = await cli.address();
  const paths = [endpoint.kind === "unix" ? endpoint.path : "", cli.options.configDirectory(cli.invocation)];
  return paths.every((path) => path.startsWith("/")) && (await engine).ready();
}

/** What is wrong with a number of words, in the words of Docker's CLI. */
function wrongCount(rule: ArgumentRule, count: number): string | undefined {
  if (count >= rule.least && count <= rule.most) return undefined;
  const plural = (n: number): string => `${n} argument${n === 1 ? "" : "s"}`;
  if (rule.most === 0) return "accepts no arguments";
  if (rule.least === rule.most) return `requires exactly ${plural(rule.least)}`;
  if (rule.most === Number.POSITIVE_INFINITY) return `requires at least ${plural(rule.least)}`;
  if (rule.least === 0) return `requires at most ${plural(rule.most)}`;
  return `requires at least ${rule.least} and at most ${plural(rule.most)}`;
}

async function showHelp(cli: Cli, words: readonly string[]): Promise<number> {
  const help = await import("./help.ts");
  const [first, second] = words;
  if (first === undefined) {
    const { listPlugins } = await import("./plugins/find.ts");
    await cli.out.write(help.overview(cli, await listPlugins(cli), help.terminalColumns()));
    return 0;
  }
  if (MANAGEMENT.has(first)) {
    const entry = second === undefined ? undefined : below(first, second);
    if (entry !== undefined)
      return showCommandHelp(cli, entry, (await entry.load()).command(), `${cli.program} ${first} ${second}`);
    if (second !== undefined) return unknownTopic(cli, words);
    await cli.out.write(help.managementOverview(cli, first));
    return 0;
  }
  const entry = topLevel(first);
  if (entry === undefined) return unknownTopic(cli, words);
  return showCommandHelp(cli, entry, (await entry.load()).command(), `${cli.program} ${first}`);
}

async function unknownTopic(cli: Cli, words: readonly string[]): Promise<number> {
  await cli.warn(`unknown help topic: ${words.join(" ")}`);
  return 1;
}

async function showCommandHelp(
  cli: Cli,
  entry: CommandEntry,
  command: Command,
  name: string,
): Promise<number> {
  const help = await import("./help.ts");
  await cli.out.write(help.commandHelp(cli.program, entry, command, name, help.terminalColumns()));
  return 0;
}

/** Prints a failure where Docker's users look for it, and says how to exit. */
async function report(cli: Cli, error: unknown, name: string, command: Command | undefined): Promise<number> {
  if (error instanceof OwnProcessNeeded) throw error;
  if (errnoOf(error) === "EPIPE") return 1;
  if (error instanceof FlagError) {
    await cli.warn(`${error.message}\nSee '${name} --help'.`);
    return FLAG_ERROR_STATUS;
  }
  if (error instanceof Exit) {
    if (error.message !== "") await cli.warn(error.message);
    return error.status;
  }
  if (!(error instanceof GantryError) && errnoOf(error) === undefined) {
    await cli.warn(error instanceof Error ? (error.stack ?? error.message) : String(error));
    return 1;
  }
  const message = describe(error);
  if (command?.reportsAsRun !== true) {
    await cli.warn(message);
    return 1;
  }
  await cli.warn(`${cli.program}: ${message}\n\nRun '${name} --help' for more information`);
  return FLAG_ERROR_STATUS;
}

/** The message of a failure as users of Docker's CLI know it. */
export function describe(error: unknown): string {
  const message = messageOf(error);
  return error instanceof ResponseError ? `Error response from daemon: ${message}` : message;
}
