/** Numbers and truth values in options, read and refused in the words that Docker's users know. */

const TRUE: ReadonlySet<string> = new Set(["1", "t", "T", "TRUE", "true", "True"]);
const FALSE: ReadonlySet<string> = new Set(["0", "f", "F", "FALSE", "false", "False"]);

/** Undefined for anything else. */
export function parseBool(text: string): boolean | undefined {
  if (TRUE.has(text)) return true;
  return FALSE.has(text) ? false : undefined;
}

export function boolError(text: string): string {
  return `strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`;
}

/** A decimal integer of at most 53 bits; else why it is none. */
export function parseInteger(text: string): number | string {
  const refused = (why: string): string => `strconv.Atoi: parsing ${JSON.stringify(text)}: ${why}`;
  if (!/^[+-]?\d{1,40}$/.test(text)) return refused("invalid syntax");
  const value = Number(text);
  if (!Number.isSafeInteger(value)) return refused("value out of range");
  return value === 0 ? 0 : value;
}
