/** Values as Go's fmt prints them. */
import { isFields } from "../../client/fields.ts";
import { goJson, goQuote } from "./text.ts";
import { isRecord } from "./template-value.ts";

/** Documents that Docker's templates print by the order of their fields, not as maps: published ports and mounts. */
const STRUCTS = [
  { marks: ["HostIp", "HostPort"], names: ["HostIp", "HostPort"] },
  {
    marks: ["Type", "Destination", "RW", "Propagation"],
    names: ["Type", "Name", "Source", "Destination", "Driver", "Mode", "RW", "Propagation"],
  },
] as const;

export function printValue(value: unknown): string {
  if (value === undefined) return "<no value>";
  if (value === null) return "<nil>";
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint")
    return String(value);
  if (Array.isArray(value)) return `[${value.map(printValue).join(" ")}]`;
  if (isRecord(value)) return `{${[...value.fields.values()].map((field) => field()).join(" ")}}`;
  if (isFields(value)) {
    const struct = STRUCTS.find(({ marks }) => marks.every((name) => Object.hasOwn(value, name)));
    if (struct !== undefined)
      return `{${struct.names.map((name) => printValue(value[name] ?? "")).join(" ")}}`;
    const keys = Object.keys(value).sort();
    return `map[${keys.map((key) => `${key}:${printValue(value[key])}`).join(" ")}]`;
  }
  return "";
}

/** JSON of a value; a list row becomes an object of all its fields. */
export function jsonOf(value: unknown): string {
  if (!isRecord(value)) return goJson(value ?? null);
  const names = [...value.fields.keys()].sort();
  return `{${names.map((name) => `${goJson(name)}:${goJson(value.fields.get(name)?.() ?? "")}`).join(",")}}`;
}

/** Go's Sprintf with the verbs v d s q t x X f e g c T and %, flags, width and precision. */
export function printFormat(format: string, values: readonly unknown[]): string {
  let next = 0;
  const text = format.replaceAll(
    /%([-+# 0]*)(\d+|\*)?(?:\.(\d+|\*)?)?(.)/gsu,
    (
      verbatim: string,
      flags: string,
      width: string | undefined,
      precision: string | undefined,
      verb: string,
    ) => {
      if (verb === "%") return "%";
      const star = (): number => Number(values[next++]);
      const columns = width === "*" ? star() : Number(width ?? 0);
      const digits =
        precision === "*"
          ? star()
          : precision === undefined
            ? verbatim.includes(".")
              ? 0
              : undefined
            : Number(precision);
      if (next >= values.length) return `%!${verb}(MISSING)`;
      const shown = formatVerb(verb, values[next++], flags, digits);
      if (flags.includes("-")) return shown.padEnd(columns);
      if (flags.includes("0") && /^-?\d/.test(shown))
        return shown.replace(/^(-?)/, (sign) => sign + "0".repeat(Math.max(0, columns - shown.length)));
      return shown.padStart(columns);
    },
  );
  const extra = values.slice(next);
  if (extra.length === 0) return text;
  return `${text}%!(EXTRA ${extra.map((value) => `${goType(value)}=${printValue(value)}`).join(", ")})`;
}

function formatVerb(verb: string, value: unknown, flags: string, digits: number | undefined): string {
  const sign = flags.includes("+") && typeof value === "number" && value >= 0 ? "+" : "";
  switch (verb) {
    case "v":
      return printValue(value);
    case "s":
      return (typeof value === "number" ? badVerb(verb, value) : printValue(value)).slice(0, digits);
    case "q":
      if (Array.isArray(value)) return `[${value.map((item) => goQuote(printValue(item))).join(" ")}]`;
      return goQuote(printValue(value));
    case "t":
      return typeof value === "boolean" ? String(value) : badVerb(verb, value);
    case "T":
      return goType(value);
    case "d":
      return Number.isInteger(value) ? sign + String(value) : badVerb(verb, value);
    case "x":
    case "X": {
      const hex = hexOf(value);
      return hex === undefined ? badVerb(verb, value) : verb === "X" ? hex.toUpperCase() : hex;
    }
    case "c":
      return typeof value === "number" ? String.fromCodePoint(value) : badVerb(verb, value);
    case "f":
      return typeof value === "number" ? sign + value.toFixed(digits ?? 6) : badVerb(verb, value);
    case "e":
      return typeof value === "number" ? sign + value.toExponential(digits ?? 6) : badVerb(verb, value);
    case "g":
      return typeof value === "number"
        ? sign + String(digits === undefined ? value : Number(value.toPrecision(digits)))
        : badVerb(verb, value);
    default:
      return badVerb(verb, value);
  }
}

function hexOf(value: unknown): string | undefined {
  if (typeof value === "number" && Number.isInteger(value)) return value.toString(16);
  return typeof value === "string" ? Buffer.from(value).toString("hex") : undefined;
}

function badVerb(verb: string, value: unknown): string {
  return `%!${verb}(${goType(value)}=${printValue(value)})`;
}

function goType(value: unknown): string {
  if (value === null || value === undefined) return "<nil>";
  if (typeof value === "string") return "string";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float64";
  return Array.isArray(value) ? "[]interface {}" : "map[string]interface {}";
}
