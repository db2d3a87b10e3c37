/** Values of log options, by the grammars and in the words of Go's library and of go-units, which Docker's are. */
import { fail } from "../../base/errors.ts";
import { durationError, parseDuration } from "../../base/duration.ts";

export type LogOptions = ReadonlyMap<string, string>;

const DECIMAL = 1000;
const BINARY = 1024;

/** "10m" of a file: ten million bytes. Throws `invalid_argument`. */
export function fileSize(text: string): number {
  return size(text, DECIMAL);
}

/** "10m" of memory. Throws `invalid_argument`. */
export function memorySize(text: string): number {
  return size(text, BINARY);
}

function size(text: string, base: number): number {
  const [, number = "", suffix = ""] = /^(.*[\d.]) ?([^\d. ]*)$/s.exec(text) ?? [];
  if (number === "" || number.startsWith("-")) throw wrong(`invalid size: '${text}'`);
  if (!/^\+?(\d+\.?\d*|\.\d+)$/.test(number))
    throw wrong(`strconv.ParseFloat: parsing ${JSON.stringify(number)}: invalid syntax`);
  const [, unit] = /^([kmgtp])(?:i?b)?$|^b?$/i.exec(suffix) ?? ["", "?"];
  if (unit === "?") throw wrong(`invalid suffix: '${suffix.toLowerCase()}'`);
  const power = unit === undefined ? 0 : "kmgtp".indexOf(unit.toLowerCase()) + 1;
  const bytes = Math.floor(Number(number) * base ** power);
  if (!Number.isSafeInteger(bytes)) throw wrong(`invalid size: '${text}'`);
  return bytes;
}

/** Throws `invalid_argument`. */
export function integer(text: string): number {
  if (!/^[+-]?\d{1,15}$/.test(text)) throw notParsed("Atoi", text);
  return Number(text);
}

/** Throws `invalid_argument`. */
export function boolean(text: string): boolean {
  if (["1", "t", "T", "TRUE", "true", "True"].includes(text)) return true;
  if (["0", "f", "F", "FALSE", "false", "False"].includes(text)) return false;
  throw notParsed("ParseBool", text);
}

/** Milliseconds. Throws `invalid_argument`. */
export function duration(text: string): number {
  const nanoseconds = parseDuration(text);
  if (nanoseconds === undefined) throw wrong(durationError(text));
  return nanoseconds / 1e6;
}

export function notParsed(how: string, text: string): Error {
  return wrong(`strconv.${how}: parsing ${JSON.stringify(text.slice(0, 100))}: invalid syntax`);
}

export function wrong(message: string, cause?: unknown): Error {
  return fail("invalid_argument", message, cause);
}
