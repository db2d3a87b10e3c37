/**
 * The initial state of Blowfish: the first 1042 words of the fraction of π, 18 for the subkeys and 4 × 256 for the
 * S-boxes. They are computed (Machin's formula) instead of written down: 4168 bytes that nobody could proofread.
 */
export interface BlowfishTables {
  readonly subkeys: Int32Array;
  readonly boxes: Int32Array;
}

const WORDS = 18 + 4 * 256;
/** Against the rounding of some ten thousand divisions. */
const GUARD_BITS = 64n;

let made: BlowfishTables | undefined;

/** Takes some ten milliseconds once. */
export function blowfishTables(): BlowfishTables {
  made ??= make();
  return made;
}

function make(): BlowfishTables {
  const bits = BigInt(WORDS) * 32n;
  const one = 1n << (bits + GUARD_BITS);
  const pi = 4n * (4n * arctanOfInverse(5n, one) - arctanOfInverse(239n, one));
  const fraction = (pi - 3n * one) >> GUARD_BITS;
  const digits = fraction.toString(16).padStart(WORDS * 8, "0");
  const words = Int32Array.from({ length: WORDS }, (_, i) =>
    Number.parseInt(digits.slice(i * 8, i * 8 + 8), 16),
  );
  return { subkeys: words.slice(0, 18), boxes: words.slice(18) };
}

/** arctan(1/x) in units of 1/one. */
function arctanOfInverse(x: bigint, one: bigint): bigint {
  const square = x * x;
  let power = one / x;
  let sum = power;
  for (let n = 3n, sign = -1n; power !== 0n; n += 2n, sign = -sign) {
    power /= square;
    sum += (sign * power) / n;
  }
  return sum;
}
