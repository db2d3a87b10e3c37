/** Sizes as people write and read them; the grammars and wordings that Docker's CLI uses. */

const BINARY_UNIT: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
  p: 1024 ** 5,
};

/**
 * "64m", "1.5g", "10 MiB", "512" in bytes, every unit a power of 1024 and fractions rounded down. Undefined when the
 * text is no such size or beyond 2^53.
 */
export function parseBinarySize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([bkmgtp]?)(i?b)?$/i.exec(text);
  if (match === null) return undefined;
  const unit = (match[2] ?? "").toLowerCase();
  if (unit === "b" && match[3] !== undefined) return undefined;
  const scale = BINARY_UNIT[unit];
  if (scale === undefined) return undefined;
  const bytes = Math.floor(Number(match[1]) * scale);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

const DECIMAL_NAMES = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
const BINARY_NAMES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/** Powers of 1000, as many digits as asked for: "1.23MB", "0B". */
export function formatDecimalSize(bytes: number, digits = 4): string {
  return scaled(bytes, 1000, DECIMAL_NAMES, digits);
}

/** Powers of 1024, four digits: "7.654GiB". */
export function formatBinarySize(bytes: number): string {
  return scaled(bytes, 1024, BINARY_NAMES, 4);
}

function scaled(bytes: number, base: number, names: readonly string[], digits: number): string {
  let value = bytes;
  let power = 0;
  while (value >= base && power < names.length - 1) {
    value /= base;
    power++;
  }
  return `${significant(value, digits)}${names[power] ?? ""}`;
}

/** C's %g: that many significant digits, trailing zeros dropped, exponent form only where the digits do not reach. */
function significant(value: number, digits: number): string {
  if (value === 0) return "0";
  const text = value.toPrecision(digits);
  if (!text.includes("e")) return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  const [mantissa = "", exponent = ""] = text.split("e");
  const power = Number(exponent);
  const sign = power < 0 ? "-" : "+";
  const trimmed = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
  return `${trimmed}e${sign}${String(Math.abs(power)).padStart(2, "0")}`;
}
