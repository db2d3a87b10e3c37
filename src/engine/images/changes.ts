/**
 * `import --change`: Dockerfile instructions that set an image's configuration. One instruction a text, as the API hands
 * them over; a continued line or a variable has no meaning here.
 */
import { fail, type GantryError } from "../../base/errors.ts";
import type { ContainerConfig } from "../../specs/engine/container.ts";
import { asList, asString, emptyMap, parseJson } from "../../specs/engine/fields.decode.ts";

type Changes = { -readonly [K in keyof ContainerConfig]?: ContainerConfig[K] };

/** Throws `invalid_argument` for an instruction that is malformed or does not belong here. */
export function parseChanges(texts: readonly string[]): Partial<ContainerConfig> {
  const config: Changes = {};
  for (const text of texts) {
    const match = /^\s*([A-Za-z]+)\s+(\S[^\n\0]*?)\s*$/.exec(text);
    if (match === null) throw invalid(text, "an instruction and its arguments are needed");
    apply(config, (match[1] ?? "").toUpperCase(), match[2] ?? "", text);
  }
  return config;
}

function apply(config: Changes, instruction: string, rest: string, text: string): void {
  switch (instruction) {
    case "CMD":
      config.Cmd = command(rest);
      return;
    case "ENTRYPOINT":
      config.Entrypoint = command(rest);
      return;
    case "ENV":
      config.Env = pairs(rest, text).reduce<readonly string[]>(
        (env, [name, value]) => [...env.filter((entry) => !entry.startsWith(`${name}=`)), `${name}=${value}`],
        config.Env ?? [],
      );
      return;
    case "LABEL":
      config.Labels = addAll(config.Labels, pairs(rest, text));
      return;
    case "EXPOSE":
      config.ExposedPorts = addAll(
        config.ExposedPorts,
        rest.split(/\s+/).map((port) => [exposedPort(port, text), {}] as const),
      );
      return;
    case "VOLUME":
      config.Volumes = addAll(
        config.Volumes,
        (rest.startsWith("[") ? jsonList(rest) : rest.split(/\s+/)).map((path) => [path, {}] as const),
      );
      return;
    case "USER":
      config.User = rest;
      return;
    case "WORKDIR":
      if (!rest.startsWith("/")) throw invalid(text, "the directory must be absolute");
      config.WorkingDir = rest;
      return;
    case "STOPSIGNAL":
      config.StopSignal = rest;
      return;
    case "ONBUILD":
      config.OnBuild = [...(config.OnBuild ?? []), rest];
      return;
    default:
      throw invalid(text, `${instruction} is not a valid change command`);
  }
}

/** A JSON list, or text for the shell. */
function command(rest: string): readonly string[] {
  return rest.startsWith("[") ? jsonList(rest) : ["/bin/sh", "-c", rest];
}

function jsonList(text: string): readonly string[] {
  return asList(parseJson(text), "change", asString);
}

/** `a=b c="d e"`, or the old form `a b c` = one variable. */
function pairs(rest: string, text: string): readonly (readonly [string, string])[] {
  const first = rest.split(/\s/, 1)[0] ?? "";
  if (!first.includes("=")) {
    const value = rest.slice(first.length).trim();
    if (value === "") throw invalid(text, "a value is needed");
    return [[first, value]];
  }
  const found: (readonly [string, string])[] = [];
  const pattern = /\s*([^\s="']+)=((?:"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^\s"'\\])*)(?=\s|$)/y;
  while (pattern.lastIndex < rest.length) {
    const match = pattern.exec(rest);
    if (match === null) throw invalid(text, "name=value pairs are needed");
    found.push([match[1] ?? "", unquote(match[2] ?? "")]);
  }
  return found;
}

function unquote(text: string): string {
  return text.replaceAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'|\\(.)/g, (_, double, single, escaped) => {
    if (typeof double === "string") return double.replaceAll(/\\(["\\$])/g, "$1");
    if (typeof single === "string") return single;
    return typeof escaped === "string" ? escaped : "";
  });
}

function exposedPort(port: string, text: string): string {
  const match = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/i.exec(port);
  if (match === null || Number(match[1]) > 65_535) throw invalid(text, `invalid port "${port}"`);
  return `${Number(match[1])}/${(match[2] ?? "tcp").toLowerCase()}`;
}

function addAll<T>(
  map: Readonly<Record<string, T>> | null | undefined,
  entries: readonly (readonly [string, T])[],
): Readonly<Record<string, T>> {
  const all = Object.assign(emptyMap<T>(), map);
  for (const [key, value] of entries) all[key] = value;
  return all;
}

function invalid(text: string, why: string): GantryError {
  return fail("invalid_argument", `invalid change ${JSON.stringify(text.slice(0, 200))}: ${why}`);
}
