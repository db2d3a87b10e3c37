/** Values of the daemon's settings as flags and daemon.json give them. Each throws `invalid_argument` with the setting's name. */
import { fail } from "../base/errors.ts";

/** Go's strconv.ParseBool. */
export function boolOf(flag: string, text: string): boolean {
  if (["1", "t", "T", "true", "TRUE", "True"].includes(text)) return true;
  if (["0", "f", "F", "false", "FALSE", "False"].includes(text)) return false;
  throw fail(
    "invalid_argument",
    `invalid argument ${JSON.stringify(text)} for "${flag}" flag: must be true or false`,
  );
}

export function settingBool(key: string, value: unknown): boolean {
  if (typeof value !== "boolean") throw fail("invalid_argument", `"${key}" must be true or false`);
  return value;
}

export function settingText(key: string, value: unknown): string {
  if (typeof value !== "string" || value.includes("\0"))
    throw fail("invalid_argument", `"${key}" must be a text`);
  return value;
}

export function settingTexts(key: string, value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw fail("invalid_argument", `"${key}" must be a list`);
  return value.map((item) => settingText(key, item));
}
