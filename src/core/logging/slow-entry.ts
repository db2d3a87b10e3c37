/** One entry through JSON.parse: for whatever the scanner does not know by sight. */
import { parseTime, type Moment } from "./entry-time.ts";

/** 1 stdout, 2 stderr; 0 = neither, never shown. */
export type StreamNumber = 0 | 1 | 2;

export interface Entry {
  readonly text: string;
  readonly stream: StreamNumber;
  /** The attributes as `details` puts them before the text, with the space that follows even when there are none. */
  readonly details: string;
  readonly moment: Moment;
  /** The time as `timestamps` puts it first, with the space that follows. */
  readonly timestamp: string;
}

/** Undefined when the line is no entry. */
export function parseEntry(line: string): Entry | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { log, stream, time, attrs }: Readonly<Record<string, unknown>> = { ...value };
  if (typeof log !== "string" || typeof time !== "string") return undefined;
  const when = parseTime(time);
  if (when === undefined) return undefined;
  return {
    text: log,
    stream: stream === "stdout" ? 1 : stream === "stderr" ? 2 : 0,
    details: `${printAttributes(attrs)} `,
    moment: when.moment,
    timestamp: when.fixed,
  };
}

/** Half of a surrogate pair that stands for a byte which is no UTF-8: native/include/jsonlog.h. */
export function isExactByte(codePoint: number): boolean {
  return codePoint >= 0xdc80 && codePoint <= 0xdcff;
}

export function bytesOfText(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text, "utf8");
  return Buffer.concat(
    Array.from(text, (character) => {
      const point = character.codePointAt(0) ?? 0;
      return isExactByte(point) ? Buffer.of(point & 0xff) : Buffer.from(character, "utf8");
    }),
  );
}

/** "a=1,b=2", sorted by name, both sides escaped as in a form: Docker's way. */
function printAttributes(attrs: unknown): string {
  if (typeof attrs !== "object" || attrs === null) return "";
  return Object.entries(attrs)
    .filter((pair): pair is [string, string] => typeof pair[1] === "string")
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, text]) => `${escapeQuery(name)}=${escapeQuery(text)}`)
    .join(",");
}

/** Like Go's url.QueryEscape: all but letters, digits and -_.~ is escaped, a space becomes a plus. */
function escapeQuery(text: string): string {
  return encodeURIComponent(text.toWellFormed())
    .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%20", "+");
}
