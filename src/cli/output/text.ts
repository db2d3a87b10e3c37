/** Small texts that the lists share. */
import { durationInWords } from "../../base/duration.ts";

/** "3 minutes ago"; `moment` in Unix seconds. */
export function ago(moment: number, now: number): string {
  return `${durationInWords(now - moment)} ago`;
}

/** Unix seconds as Go prints a local time: "2026-11-21 01:47:00 +0000 UTC". */
export function localTime(moment: number): string {
  const date = new Date(moment * 1000);
  const two = (n: number): string => String(n).padStart(2, "0");
  const zone = localOffset(date);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day} ${time} ${zone} ${zoneName(date, zone)}`;
}

/** "+0100" */
function localOffset(date: Date): string {
  const two = (n: number): string => String(n).padStart(2, "0");
  const offset = -date.getTimezoneOffset();
  const size = Math.abs(offset);
  return `${offset < 0 ? "-" : "+"}${two(Math.trunc(size / 60))}${two(size % 60)}`;
}

function zoneName(date: Date, offset: string): string {
  if (offset === "+0000") return "UTC";
  const name = /\(([^)]*)\)/.exec(date.toString())?.[1] ?? "";
  const short = /^[A-Z]{2,5}$/.test(name) ? name : name.replaceAll(/[^A-Z]/g, "");
  return short === "" ? offset : short;
}

/**
 * A moment in RFC 3339 as Go prints it: "2026-11-21 01:47:00.12 +0000 UTC". An offset other than ours has no name and stands
 * for it.
 */
export function goTime(moment: string): string {
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|([+-]\d\d):(\d\d))$/.exec(moment);
  if (match === null) return moment;
  const [, day, time, digits = "", hours, minutes = ""] = match;
  const fraction = digits.replace(/0+$/, "");
  const shown = `${day} ${time}${fraction === "" ? "" : `.${fraction}`}`;
  if (hours === undefined) return `${shown} +0000 UTC`;
  const zone = `${hours}${minutes}`;
  const date = new Date(moment);
  return `${shown} ${zone} ${zone === localOffset(date) ? zoneName(date, zone) : zone}`;
}

/** At most `length` characters, the last one "…" when some were cut off. */
export function ellipsis(text: string, length: number): string {
  if (text.length <= length) return text;
  const characters = Array.from(text);
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join("")}…`;
}

/** The first 12 digits of an ID, without the name of its hash. */
export function shortId(id: string): string {
  return id.slice(id.indexOf(":") + 1).slice(0, 12);
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["\x07", "\\a"],
  ["\b", "\\b"],
  ["\f", "\\f"],
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
  ["\v", "\\v"],
  ["\\", "\\\\"],
  ['"', '\\"'],
]);

/** Stands between the quotes as it is. */
const NEEDS_NO_ESCAPE = /^[\x20-\x7e]*$/;

/** A text in double quotes as Go's strconv.Quote writes it. */
export function goQuote(text: string): string {
  if (NEEDS_NO_ESCAPE.test(text) && !text.includes('"') && !text.includes("\\")) return `"${text}"`;
  let quoted = '"';
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const escape = ESCAPES.get(character);
    if (escape !== undefined) quoted += escape;
    else if (code < 0x20 || code === 0x7f) quoted += `\\x${code.toString(16).padStart(2, "0")}`;
    else if (/[\p{C}\p{Zl}\p{Zp}]|[^\P{Z} ]/u.test(character))
      quoted +=
        code > 0xffff
          ? `\\U${code.toString(16).padStart(8, "0")}`
          : `\\u${code.toString(16).padStart(4, "0")}`;
    else quoted += character;
  }
  return `${quoted}"`;
}

/** JSON as Go writes it: `<`, `>` and `&` escaped as well; and what a terminal could take for a command. */
export function goJson(value: unknown): string {
  return escapeControls((JSON.stringify(value) ?? "null").replaceAll(/[<>&\u2028\u2029]/g, unicodeEscape));
}

/** A JSON text with the control characters and overrides of direction that JSON lets stand written as escapes. */
export function escapeControls(json: string): string {
  return json.replaceAll(/[\x7f-\x9f\p{Bidi_Control}]/gu, unicodeEscape);
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
