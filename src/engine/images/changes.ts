/**
 * `commit --change` and `import --change`: Dockerfile instructions that set an image's configuration. Which there are, what
 * they make of what was there, and every refusal are Docker's.
 */
import { posix } from "node:path";
import type { ContainerConfig } from "../../specs/engine/container.ts";
import { emptyMap } from "../../specs/engine/fields.decode.ts";
import { parseSignal } from "../containers/signals.ts";
import { type ChangeLine, invalid, jsonForm, splitChanges, words } from "./change-lines.ts";
import { exposedPorts } from "./exposed-ports.ts";
import { HEALTH_FLAGS, healthChange } from "./health-change.ts";
import { expandWord } from "./shell-word.ts";

type Config = { -readonly [K in keyof ContainerConfig]?: ContainerConfig[K] };

/** The configuration with the changes. Throws `invalid_argument` for an instruction that is malformed or does not belong here. */
export function applyChanges<T extends Partial<ContainerConfig>>(before: T, texts: readonly string[]): T {
  if (texts.length === 0) return before;
  const config: Config = { ...before };
  let setsCommand = false;
  for (const line of splitChanges(texts)) {
    const instruction = INSTRUCTIONS.get(line.name.toUpperCase());
    if (instruction === undefined) throw invalid(`${line.name.slice(0, 100)} is not a valid change command`);
    instruction(config, line);
    if (instruction === setCommand) setsCommand = true;
    // A command was meant for the entry point that it came with.
    if (instruction === setEntrypoint && !setsCommand) config.Cmd = null;
  }
  return { ...before, ...config };
}

type Instruction = (config: Config, line: ChangeLine) => void;

const INSTRUCTIONS: ReadonlyMap<string, Instruction> = new Map<string, Instruction>([
  ["CMD", setCommand],
  ["ENTRYPOINT", setEntrypoint],
  ["ENV", setVariables],
  ["EXPOSE", addPorts],
  ["HEALTHCHECK", setHealth],
  ["LABEL", addLabels],
  ["ONBUILD", addTrigger],
  ["STOPSIGNAL", setStopSignal],
  ["USER", (config, line) => void (config.User = oneWord(config, line, "USER"))],
  ["VOLUME", addVolumes],
  ["WORKDIR", setDirectory],
]);

function setCommand(config: Config, line: ChangeLine): void {
  refuseFlags(line);
  config.Cmd = command(config, line) ?? shellOf(config);
}

/** One of nothing is none: what was there stays. */
function setEntrypoint(config: Config, line: ChangeLine): void {
  refuseFlags(line);
  config.Entrypoint = command(config, line) ?? null;
  if (config.Entrypoint?.length === 0) config.Entrypoint = null;
}

/** undefined when there is no text at all. */
function command(config: Config, { rest }: ChangeLine): readonly string[] | undefined {
  if (rest === "") return undefined;
  return jsonForm(rest) ?? [...shellOf(config), rest];
}

function shellOf(config: Config): readonly string[] {
  return config.Shell ?? ["/bin/sh", "-c"];
}

/** Each in the place of the one that it replaces. All see the variables that were there before the line. */
function setVariables(config: Config, line: ChangeLine): void {
  const env = [...(config.Env ?? [])];
  for (const [name, value] of pairs(config, line, "ENV")) {
    const at = env.findIndex((entry) => entry === name || entry.startsWith(`${name}=`));
    env.splice(at < 0 ? env.length : at, 1, `${name}=${value}`);
  }
  config.Env = env;
}

function addLabels(config: Config, line: ChangeLine): void {
  config.Labels = addAll(config.Labels, pairs(config, line, "LABEL"));
}

function addPorts(config: Config, line: ChangeLine): void {
  refuseFlags(line);
  const texts = line.rest.split(/\s+/).filter((text) => text !== "");
  if (texts.length === 0) throw invalid("EXPOSE requires at least one argument");
  const ports = texts.flatMap((text) => exposedPorts(expand(config, line, text)));
  config.ExposedPorts = addAll(
    config.ExposedPorts,
    ports.map((port) => [port, {}] as const),
  );
}

function addVolumes(config: Config, line: ChangeLine): void {
  refuseFlags(line);
  const texts = jsonForm(line.rest) ?? line.rest.split(/\s+/).filter((text) => text !== "");
  if (texts.length === 0) throw invalid("VOLUME requires at least one argument");
  const paths = texts.map((text) => expand(config, line, text).trim());
  if (paths.includes("")) throw invalid("VOLUME specified can not be an empty string");
  config.Volumes = addAll(
    config.Volumes,
    paths.map((path) => [path, {}] as const),
  );
}

/** A relative one begins where the last one was. */
function setDirectory(config: Config, line: ChangeLine): void {
  const directory = oneWord(config, line, "WORKDIR");
  const path = posix.resolve("/", config.WorkingDir ?? "", directory);
  config.WorkingDir = path;
}

function setStopSignal(config: Config, line: ChangeLine): void {
  const text = oneWord(config, line, "STOPSIGNAL");
  // Docker takes any number but 0 here, and a container of the image is refused for it.
  if (!/^\d{1,9}$/.test(text) || Number(text) === 0) parseSignal(text);
  config.StopSignal = text;
}

function setHealth(config: Config, line: ChangeLine): void {
  config.Healthcheck = healthChange(line, flagsOf(line, HEALTH_FLAGS));
}

function addTrigger(config: Config, line: ChangeLine): void {
  refuseFlags(line);
  const { rest } = line;
  const trigger = (/^\S*/.exec(rest)?.[0] ?? "").toUpperCase();
  if (trigger === "") throw invalid("ONBUILD requires at least one argument");
  if (trigger === "ONBUILD") throw invalid("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (trigger === "FROM" || trigger === "MAINTAINER")
    throw invalid(`${trigger} isn't allowed as an ONBUILD trigger`);
  config.OnBuild = [...(config.OnBuild ?? []), rest];
}

/** All of the line as one word. */
function oneWord(config: Config, line: ChangeLine, instruction: string): string {
  refuseFlags(line);
  if (line.rest === "") throw invalid(`${instruction} requires exactly one argument`);
  return expand(config, line, line.rest);
}

/** `a=b c="d e"`, or the old form `a b c` = one variable. */
function pairs(
  config: Config,
  line: ChangeLine,
  instruction: string,
): readonly (readonly [string, string])[] {
  refuseFlags(line);
  const found = words(line);
  const [first] = found;
  if (first === undefined) throw invalid(`${instruction} requires at least one argument`);
  const split = first.includes("=") ? found.map(splitPair) : [splitOld(line.rest, instruction)];
  return split.map(([name, value]) => {
    if (name === "") throw invalid(`${instruction} names can not be blank`);
    return [expand(config, line, name), expand(config, line, value)];
  });
}

function splitPair(word: string): readonly [string, string] {
  const at = word.indexOf("=");
  if (at < 0)
    throw invalid(
      `Syntax error - can't find = in ${JSON.stringify(word.slice(0, 100))}. Must be of the form: name=value`,
    );
  return [word.slice(0, at), word.slice(at + 1)];
}

function splitOld(rest: string, instruction: string): readonly [string, string] {
  const [, name = "", value = ""] = /^(\S+)\s+([^]+)$/.exec(rest) ?? [];
  if (value === "") throw invalid(`${instruction} must have two arguments`);
  return [name, value];
}

function expand(config: Config, { escape }: ChangeLine, text: string): string {
  const variables = new Map<string, string>();
  for (const entry of config.Env ?? []) {
    const at = entry.indexOf("=");
    if (at > 0) variables.set(entry.slice(0, at), entry.slice(at + 1));
  }
  return expandWord(text, { variables, escape });
}

function refuseFlags(line: ChangeLine): void {
  flagsOf(line, []);
}

function flagsOf({ flags }: ChangeLine, known: readonly string[]): ReadonlyMap<string, string> {
  const given = new Map<string, string>();
  for (const flag of flags) {
    const at = flag.indexOf("=");
    const name = at < 0 ? flag : flag.slice(0, at);
    if (!known.includes(name)) throw invalid(`unknown flag: ${name.slice(0, 100)}`);
    if (given.has(name)) throw invalid(`duplicate flag specified: ${name}`);
    if (at < 0) throw invalid(`missing a value on flag: ${name}`);
    given.set(name, flag.slice(at + 1));
  }
  return given;
}

function addAll<T>(
  map: Readonly<Record<string, T>> | null | undefined,
  entries: readonly (readonly [string, T])[],
): Readonly<Record<string, T>> {
  const all = Object.assign(emptyMap<T>(), map);
  for (const [key, value] of entries) all[key] = value;
  return all;
}
