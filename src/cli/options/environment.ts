/** `--env`, `--env-file`, `--label`, `--label-file`. */
import { readSmallBytes } from "../../base/bun-stdio.ts";

/**
 * The variables in order, files first. A bare name takes its value from our own environment; one that is not set there
 * stays bare, which tells the engine to drop it from the image's environment.
 */
export async function readEnvironment(
  files: readonly string[],
  given: readonly string[],
  own: ReadonlyMap<string, string>,
): Promise<string[]> {
  const variables: string[] = [];
  for (const file of files) variables.push(...parseEnvironmentFile(await readFile(file), file, own));
  for (const variable of given) {
    const value = variable.includes("=") ? undefined : own.get(variable);
    variables.push(value === undefined ? variable : `${variable}=${value}`);
  }
  return variables;
}

/** `KEY=VALUE` or `KEY` a line; blank lines and those with `#` first are skipped, quotes and inner blanks stay. */
export function parseEnvironmentFile(
  content: string,
  path: string,
  own: ReadonlyMap<string, string> | undefined,
): string[] {
  const variables: string[] = [];
  for (const [at, raw] of content
    .replace(/^\uFEFF/, "")
    .split("\n")
    .entries()) {
    const line = raw.replace(/\r$/, "").replace(/^\s+/, "");
    if (line === "" || line.startsWith("#")) continue;
    const cut = line.indexOf("=");
    const name = cut < 0 ? line.trimEnd() : line.slice(0, cut);
    if (name === "") throw new Error(`poorly formatted environment: no variable name on line '${line}'`);
    if (/\s/.test(name))
      throw new Error(`poorly formatted environment: variable '${name}' contains whitespaces`);
    if (line.includes("\0")) throw new Error(`${path}: line ${at + 1} holds a NUL byte`);
    if (cut >= 0) variables.push(line);
    else {
      const value = own?.get(name);
      if (value !== undefined) variables.push(`${name}=${value}`);
    }
  }
  return variables;
}

export async function readLabels(files: readonly string[], given: readonly string[]): Promise<string[]> {
  const labels: string[] = [];
  for (const file of files) labels.push(...parseEnvironmentFile(await readFile(file), file, new Map()));
  return [...labels, ...given];
}

/** Throws for bytes that are no UTF-8, which the API could not carry. */
async function readFile(path: string): Promise<string> {
  const content = await readSmallBytes(path);
  if (content === undefined) throw new Error(`open ${path}: no such file or directory`);
  return textOf(content, path);
}

export function textOf(content: Uint8Array, path: string): string {
  try {
    return utf8(content);
  } catch {
    const lines = linesOf(content);
    const at = lines.findIndex((line) => !isUtf8(line));
    throw new Error(
      `env file ${path} contains invalid utf8 bytes at line ${at + 1}: [${lines[at]?.join(" ")}]`,
    );
  }
}

function utf8(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    utf8(bytes);
    return true;
  } catch {
    return false;
  }
}

function linesOf(content: Uint8Array): readonly Uint8Array[] {
  const lines: Uint8Array[] = [];
  let start = 0;
  for (let end = content.indexOf(10); end >= 0; end = content.indexOf(10, start)) {
    lines.push(content.subarray(start, end));
    start = end + 1;
  }
  return [...lines, content.subarray(start)];
}
