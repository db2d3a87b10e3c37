/** What is known of a container whose log is sent away: its tag, and the labels and variables that go along. Pure. */
import { messageOf } from "../../base/errors.ts";
import { emptyMap } from "../../specs/engine/fields.decode.ts";
import { type LogOptions, wrong } from "./option-values.ts";

export interface LogFacts {
  readonly id: string;
  readonly name: string;
  /** "sha256:…" */
  readonly imageId: string;
  readonly imageName: string;
  readonly entrypoint: string;
  readonly args: readonly string[];
  readonly createdNs: bigint;
  /** "NAME=value" */
  readonly env: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly hostname: string;
}

/** Go's text/template over a plain object. Throws an error that says what is wrong with the template. */
export type RenderTemplate = (template: string, name: string, data: unknown) => string;

export const DEFAULT_TAG = "{{.ID}}";

const SHORT_ID = 12;
const TAG_MAX = 4096;
/** A key of a hostile image must not keep an expression busy. */
const MATCHED_MAX = 512;

export function commandOf({ entrypoint, args }: LogFacts): string {
  return [entrypoint, ...args].join(" ");
}

/** The option `tag`, or `fallback`, filled in. Throws `invalid_argument`. */
export function tagOf(
  options: LogOptions,
  facts: LogFacts,
  { fallback, render }: { readonly fallback: string; readonly render: RenderTemplate },
): string {
  const template = options.get("tag") || fallback;
  if (!template.includes("{{")) return template;
  if (template === DEFAULT_TAG) return facts.id.slice(0, SHORT_ID);
  let tag: string;
  try {
    tag = render(template, "log-tag", templateData(options, facts));
  } catch (error) {
    throw wrong(messageOf(error), error);
  }
  // It goes with every line.
  if (tag.length > TAG_MAX) throw wrong(`the tag is longer than ${TAG_MAX} characters`);
  return tag;
}

function templateData(options: LogOptions, facts: LogFacts): Readonly<Record<string, unknown>> {
  const imageId = facts.imageId.replace(/^sha256:/, "");
  return Object.assign(emptyMap<unknown>(), {
    ID: facts.id.slice(0, SHORT_ID),
    FullID: facts.id,
    Name: facts.name,
    Command: commandOf(facts),
    ImageID: imageId.slice(0, SHORT_ID),
    ImageFullID: facts.imageId,
    ImageName: facts.imageName,
    Hostname: facts.hostname,
    DaemonName: "docker",
    ContainerID: facts.id,
    ContainerName: `/${facts.name}`,
    ContainerEntrypoint: facts.entrypoint,
    ContainerArgs: facts.args,
    ContainerImageID: facts.imageId,
    ContainerImageName: facts.imageName,
    ContainerEnv: facts.env,
    ContainerLabels: facts.labels,
    Config: Object.assign(emptyMap<string>(), Object.fromEntries(options)),
  });
}

/** The chosen labels and variables, in Docker's order: what comes later wins. Throws `invalid_argument`. */
export function attributesOf(options: LogOptions, { labels, env }: LogFacts): ReadonlyMap<string, string> {
  const variables = new Map<string, string>();
  for (const entry of env) {
    const at = entry.indexOf("=");
    if (at >= 0) variables.set(entry.slice(0, at), entry.slice(at + 1));
  }
  return new Map([
    ...chosen(new Map(Object.entries(labels)), options, "labels"),
    ...chosen(variables, options, "env"),
  ]);
}

function chosen(
  all: ReadonlyMap<string, string>,
  options: LogOptions,
  option: "labels" | "env",
): readonly (readonly [string, string])[] {
  const names = new Set((options.get(option) ?? "").split(","));
  const expression = regexOf(options, `${option}-regex`);
  return [...all].filter(
    ([name]) => names.has(name) || expression?.test(name.slice(0, MATCHED_MAX)) === true,
  );
}

/** Throws `invalid_argument` for an expression that makes no sense. */
export function regexOf(options: LogOptions, option: string): RegExp | undefined {
  const source = options.get(option) ?? "";
  if (source === "") return undefined;
  const flags = /^\(\?([ims]+)\)/.exec(source);
  try {
    return new RegExp(source.slice(flags?.[0].length ?? 0), `u${flags?.[1] ?? ""}`);
  } catch (error) {
    throw wrong(`error parsing regexp of log opt '${option}': ${messageOf(error)}`, error);
  }
}

/** As the shim wants it: a JSON object text, "" for nothing. */
export function attributesJson(attributes: ReadonlyMap<string, string>): string {
  if (attributes.size === 0) return "";
  const sorted = [...attributes].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return JSON.stringify(Object.assign(emptyMap<string>(), Object.fromEntries(sorted)));
}
