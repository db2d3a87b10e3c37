/** Points in time as `since` and `until` take them: Unix seconds with a fraction, RFC 3339, or a duration before now. */
import { fail } from "../../base/errors.ts";

const UNITS: Readonly<Record<string, bigint>> = {
  h: 3_600_000_000_000n,
  m: 60_000_000_000n,
  s: 1_000_000_000n,
  ms: 1_000_000n,
  us: 1_000n,
  ns: 1n,
};

/** Unix nanoseconds. Throws `invalid_argument`. */
export function parseTime(text: string, nowNs: bigint): bigint {
  const unix = /^(\d{1,10})(?:\.(\d{1,9}))?$/.exec(text);
  if (unix !== null) return BigInt(unix[1] ?? "0") * UNIT_S + BigInt((unix[2] ?? "").padEnd(9, "0"));
  if (/^(?:\d{1,9}(?:\.\d{1,9})?(?:h|m|s|ms|us|ns)){1,6}$/.test(text)) return nowNs - parseDuration(text);
  const date = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)?)?$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (Number.isNaN(date))
    throw fail(
      "invalid_argument",
      `failed to parse value as time or duration: ${JSON.stringify(text.slice(0, 100))}`,
    );
  return BigInt(date) * 1_000_000n;
}

const UNIT_S = 1_000_000_000n;

function parseDuration(text: string): bigint {
  let total = 0n;
  for (const [, whole = "0", fraction = "", unit = "s"] of text.matchAll(
    /(\d{1,9})(?:\.(\d{1,9}))?(ms|us|ns|h|m|s)/g,
  )) {
    const size = UNITS[unit] ?? UNIT_S;
    total += BigInt(whole) * size + (BigInt(fraction.padEnd(9, "0")) * size) / UNIT_S;
  }
  return total;
}
