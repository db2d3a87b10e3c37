/** The functions of templates: Go's own and those of Docker's CLI. */
import { isFields } from "../../client/fields.ts";
import { jsonOf, printFormat, printValue } from "./template-print.ts";
import { isRecord } from "./template-value.ts";

type TemplateFunction = (values: readonly unknown[]) => unknown;

/** What Go's templates take for true: anything but the empty value of its type. */
export function isTrue(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === "" || value === 0) return false;
  if (Array.isArray(value)) return value.length > 0;
  return !isFields(value) || isRecord(value) || Object.keys(value).length > 0;
}

function text(value: unknown): string {
  if (typeof value !== "string")
    throw new Error(`wrong type for value; expected string; got ${printValue(value)}`);
  return value;
}

function integer(value: unknown): number {
  if (typeof value !== "number" || !Number.isInteger(value))
    throw new Error(`wrong type for value; expected int; got ${printValue(value)}`);
  return value;
}

function count(values: readonly unknown[], least: number, most = least): void {
  if (values.length >= least && values.length <= most) return;
  throw new Error(
    `wrong number of args: want ${least === most ? least : `at least ${least}`} got ${values.length}`,
  );
}

function sameValue(a: unknown, b: unknown): boolean {
  const basic = (value: unknown): boolean =>
    value === null || ["string", "number", "boolean", "undefined"].includes(typeof value);
  if (!basic(a) || !basic(b)) throw new Error("non-comparable types for comparison");
  if (a !== null && b !== null && typeof a !== typeof b) throw new Error("incompatible types for comparison");
  return a === b;
}

function lessThan(a: unknown, b: unknown): boolean {
  if (typeof a === "number" && typeof b === "number") return a < b;
  if (typeof a === "string" && typeof b === "string") return a < b;
  throw new Error("incompatible types for comparison");
}

function index([collection, ...keys]: readonly unknown[]): unknown {
  let value = collection;
  for (const key of keys) {
    if (value === null || value === undefined) throw new Error("index of nil pointer");
    if (Array.isArray(value) || typeof value === "string") {
      const at = integer(key);
      if (at < 0 || at >= value.length) throw new Error(`index out of range: ${at}`);
      value = typeof value === "string" ? value.charCodeAt(at) : value[at];
    } else if (isFields(value) && !isRecord(value)) {
      const name = text(key);
      value = Object.hasOwn(value, name) ? value[name] : "";
    } else throw new Error(`can't index item of type ${typeof value}`);
  }
  return value;
}

function slice([value, from, to]: readonly unknown[]): unknown {
  if (typeof value !== "string" && !Array.isArray(value)) throw new Error("can't slice item");
  const first = from === undefined ? 0 : integer(from);
  const last = to === undefined ? value.length : integer(to);
  if (first < 0 || last > value.length || first > last) throw new Error(`index out of range: ${last}`);
  return value.slice(first, last);
}

function length([value]: readonly unknown[]): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (isFields(value) && !isRecord(value)) return Object.keys(value).length;
  if (value === null || value === undefined) throw new Error("len of nil pointer");
  throw new Error(`len of type ${typeof value}`);
}

/** Operands side by side with a blank between those that are not both strings, as Go's Sprint does. */
function print(values: readonly unknown[]): string {
  let printed = "";
  for (const [at, value] of values.entries()) {
    if (at > 0 && typeof value !== "string" && typeof values[at - 1] !== "string") printed += " ";
    printed += printValue(value);
  }
  return printed;
}

function joined([list, separator]: readonly unknown[]): string {
  if (list === null || list === undefined) return "";
  if (!Array.isArray(list)) throw new Error("wrong type for value; expected []string");
  return list.map(printValue).join(text(separator));
}

function padded([value, before, after]: readonly unknown[]): string {
  const shown = text(value);
  return shown === "" ? shown : " ".repeat(integer(before)) + shown + " ".repeat(integer(after));
}

const HTML: ReadonlyMap<string, string> = new Map([
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
  ['"', "&#34;"],
  ["'", "&#39;"],
]);

/** Each with the least and most number of its arguments. */
const FUNCTIONS: ReadonlyMap<string, readonly [TemplateFunction, number, number]> = new Map([
  ["eq", [([a, ...others]: readonly unknown[]) => others.some((other) => sameValue(a, other)), 2, 99]],
  ["ne", [([a, b]: readonly unknown[]) => !sameValue(a, b), 2, 2]],
  ["lt", [([a, b]: readonly unknown[]) => lessThan(a, b), 2, 2]],
  ["le", [([a, b]: readonly unknown[]) => lessThan(a, b) || sameValue(a, b), 2, 2]],
  ["gt", [([a, b]: readonly unknown[]) => lessThan(b, a), 2, 2]],
  ["ge", [([a, b]: readonly unknown[]) => !lessThan(a, b), 2, 2]],
  ["not", [([value]: readonly unknown[]) => !isTrue(value), 1, 1]],
  ["len", [length, 1, 1]],
  ["index", [index, 1, 99]],
  ["slice", [slice, 1, 3]],
  ["print", [print, 0, 99]],
  ["printf", [([format, ...values]: readonly unknown[]) => printFormat(text(format), values), 1, 99]],
  ["println", [(values: readonly unknown[]) => `${values.map(printValue).join(" ")}\n`, 0, 99]],
  [
    "html",
    [(values: readonly unknown[]) => print(values).replaceAll(/[&<>"']/g, (c) => HTML.get(c) ?? c), 1, 99],
  ],
  [
    "urlquery",
    [(values: readonly unknown[]) => encodeURIComponent(print(values)).replaceAll("%20", "+"), 1, 99],
  ],
  ["json", [([value]: readonly unknown[]) => jsonOf(value), 1, 1]],
  ["join", [joined, 2, 2]],
  ["split", [([value, separator]: readonly unknown[]) => text(value).split(text(separator)), 2, 2]],
  [
    "title",
    [
      ([value]: readonly unknown[]) =>
        text(value).replaceAll(/(^|[^\p{L}\p{Nd}_'])\p{L}/gu, (c) => c.toUpperCase()),
      1,
      1,
    ],
  ],
  ["lower", [([value]: readonly unknown[]) => text(value).toLowerCase(), 1, 1]],
  ["upper", [([value]: readonly unknown[]) => text(value).toUpperCase(), 1, 1]],
  ["pad", [padded, 3, 3]],
  [
    "truncate",
    [([value, most]: readonly unknown[]) => Array.from(text(value)).slice(0, integer(most)).join(""), 2, 2],
  ],
]);

/** Functions that leave a column header as it is. */
const KEEP_HEADERS = new Set(["json", "title", "lower", "upper", "truncate", "join", "split"]);

export function isFunctionName(name: string): boolean {
  return name === "and" || name === "or" || FUNCTIONS.has(name);
}

/** Throws a plain Error; the caller says where in the template. */
export function callFunction(name: string, values: readonly unknown[], headers: boolean): unknown {
  const entry = FUNCTIONS.get(name);
  if (entry === undefined) throw new Error(`function ${JSON.stringify(name)} not defined`);
  const [call, least, most] = entry;
  count(values, least, most);
  if (headers && KEEP_HEADERS.has(name)) return values[0];
  return call(values);
}
