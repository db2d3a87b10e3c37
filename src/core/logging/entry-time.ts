/** The times of log entries: RFC 3339, read without allocating, for millions of them pass by. */

/** "2006-01-02T15:04:05" */
const SECONDS_BYTES = 19;
const LETTER_Z = 0x5a;
const DOT = 0x2e;
const ZERO = 0x30;
const SPACE = 0x20;
const DAY = 86_400;

/** "2006-01-02T15:04:05.000000000Z " */
export const FIXED_TIME_BYTES = 31;

/** A moment that two numbers hold exactly. */
export interface Moment {
  /** Unix seconds. */
  readonly seconds: number;
  readonly nanos: number;
}

export function momentOfNs(ns: bigint): Moment {
  const nanos = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return { seconds: Number((ns - nanos) / 1_000_000_000n), nanos: Number(nanos) };
}

/** In UTC, without trailing zeros: Go's RFC3339Nano. */
export function timeText({ seconds, nanos }: Moment): string {
  const whole = new Date(seconds * 1000).toISOString().slice(0, SECONDS_BYTES);
  const fraction = String(nanos).padStart(9, "0").replace(/0+$/, "");
  return `${whole}${fraction === "" ? "" : `.${fraction}`}Z`;
}

/** Negative, 0 or positive, as `a` is before, at or after `b`. */
export function compareMoments(a: Moment, b: Moment): number {
  return a.seconds - b.seconds || a.nanos - b.nanos;
}

/** Days from 1970-01-01 in the proleptic Gregorian calendar; the year begins in March so that the leap day is its last. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return (
    era * 146_097 +
    yearOfEra * 365 +
    Math.floor(yearOfEra / 4) -
    Math.floor(yearOfEra / 100) +
    dayOfYear -
    719_468
  );
}

/** Reads times that end in "Z"; one object serves a whole file. */
export class UtcTime implements Moment {
  seconds = 0;
  nanos = 0;

  /** False, and the fields are undefined, when the bytes from `at` to `end` are no such time. */
  read(bytes: Uint8Array, at: number, end: number): boolean {
    const year = this.#digits(bytes, at, 4);
    const month = this.#digits(bytes, at + 5, 2);
    const day = this.#digits(bytes, at + 8, 2);
    const hour = this.#digits(bytes, at + 11, 2);
    const minute = this.#digits(bytes, at + 14, 2);
    const second = this.#digits(bytes, at + 17, 2);
    if (!(year + month + day + hour + minute + second >= 0) || bytes[end - 1] !== LETTER_Z) return false;
    this.seconds = daysSinceEpoch(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
    this.nanos = 0;
    const fraction = at + SECONDS_BYTES;
    if (fraction === end - 1) return true;
    const digits = end - 1 - (fraction + 1);
    if (bytes[fraction] !== DOT || digits < 1 || digits > 9) return false;
    const value = this.#digits(bytes, fraction + 1, digits);
    this.nanos = value * 10 ** (9 - digits);
    return value >= 0;
  }

  /** NaN when one of the bytes is no digit. */
  #digits(bytes: Uint8Array, at: number, count: number): number {
    let value = 0;
    for (let i = at; i < at + count; i++) {
      const digit = (bytes[i] ?? 0) - ZERO;
      if (digit < 0 || digit > 9) return Number.NaN;
      value = value * 10 + digit;
    }
    return value;
  }
}

/** Copies a time that UtcTime accepts, with all nine digits of its fraction and a space, as `timestamps` wants it. */
export function copyFixed(from: Uint8Array, at: number, end: number, out: Uint8Array, to: number): number {
  for (let i = 0; i < SECONDS_BYTES; i++) out[to + i] = from[at + i] ?? 0;
  out[to + SECONDS_BYTES] = DOT;
  const first = at + SECONDS_BYTES + 1;
  for (let i = 0; i < 9; i++)
    out[to + SECONDS_BYTES + 1 + i] = first + i < end - 1 ? (from[first + i] ?? 0) : ZERO;
  out[to + FIXED_TIME_BYTES - 2] = LETTER_Z;
  out[to + FIXED_TIME_BYTES - 1] = SPACE;
  return to + FIXED_TIME_BYTES;
}

const ANY_ZONE = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$/;

/** A time in any zone, with its text for `timestamps`; undefined when it is none. */
export function parseTime(text: string): { readonly moment: Moment; readonly fixed: string } | undefined {
  const [, upToSeconds, fraction = "", zone] = ANY_ZONE.exec(text) ?? [];
  const ms = Date.parse(`${upToSeconds}${zone}`);
  if (Number.isNaN(ms)) return undefined;
  const digits = fraction.padEnd(9, "0");
  return {
    moment: { seconds: ms / 1000, nanos: Number(digits) },
    fixed: `${upToSeconds}.${digits}${zone} `,
  };
}
