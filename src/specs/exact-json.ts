import { fail } from "../base/errors.ts";

const DEPTH_LIMIT = 200;

/**
 * Parses a JSON document in which integers may have 64 bits: those that a double cannot hold come back as bigint. At most
 * 200 levels. Throws `invalid_argument`.
 */
export function parseExactJson(text: string): unknown {
  const plain = parsed(text);
  checkDepth(plain);
  // Sixteen digits in a row are the least that a double may not hold: without them the second reading is not needed.
  if (!/\d{16}/.test(text)) return plain;
  const exact: unknown = JSON.parse(text, (_, value: unknown, context?: { readonly source?: string }) => {
    if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
    const source = context?.source ?? "";
    return /^-?\d{1,20}$/.test(source) ? BigInt(source) : value;
  });
  return exact;
}

function parsed(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch (cause) {
    throw fail(
      "invalid_argument",
      `invalid JSON: ${cause instanceof Error ? cause.message : "syntax error"}`,
    );
  }
}

/**
 * Level by level over the values: there are far fewer of them than characters, which counts in a program that has just
 * started. The parser itself does not mind any depth, readers with a stack do.
 */
function checkDepth(value: unknown): void {
  let level: object[] = typeof value === "object" && value !== null ? [value] : [];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth >= DEPTH_LIMIT) throw fail("invalid_argument", `invalid JSON: more than ${DEPTH_LIMIT} levels`);
    const next: object[] = [];
    for (const holder of level) {
      const inner: readonly unknown[] = Array.isArray(holder) ? holder : Object.values(holder);
      for (const entry of inner) if (typeof entry === "object" && entry !== null) next.push(entry);
    }
    level = next;
  }
}

/** An integer of 64 bits, signed or not. */
export function asBigInt(value: unknown, path: string): bigint {
  const number = typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof number !== "bigint" || number < -(1n << 63n) || number >= 1n << 64n)
    throw fail("invalid_argument", `invalid JSON: field "${path}" must be an integer of 64 bits`);
  return number;
}
