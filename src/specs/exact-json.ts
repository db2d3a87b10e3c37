import { fail } from "../base/errors.ts";
import { parseJson } from "./engine/fields.decode.ts";

/**
 * Parses a JSON document in which integers may have 64 bits: those that a double cannot hold come back as bigint.
 * Throws `invalid_argument`.
 */
export function parseExactJson(text: string): unknown {
  // Checks syntax and depth, so that what follows cannot fail.
  const plain = parseJson(text);
  // Sixteen digits in a row are the least that a double may not hold: without them the second reading is not needed.
  if (!/\d{16}/.test(text)) return plain;
  const exact: unknown = JSON.parse(text, (_, value: unknown, context?: { readonly source?: string }) => {
    if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
    const source = context?.source ?? "";
    return /^-?\d{1,20}$/.test(source) ? BigInt(source) : value;
  });
  return exact;
}

/** An integer of 64 bits, signed or not. */
export function asBigInt(value: unknown, path: string): bigint {
  const number = typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof number !== "bigint" || number < -(1n << 63n) || number >= 1n << 64n)
    throw fail("invalid_argument", `invalid JSON: field "${path}" must be an integer of 64 bits`);
  return number;
}
