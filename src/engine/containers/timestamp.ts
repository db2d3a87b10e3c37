/** Points in time as Unix nanoseconds (bigint, 0 = never) and in the form the Engine API writes them. */

let last = 0n;

/** Now, never the same value twice: the clock's milliseconds, told apart within one by counting. */
export function nowNs(): bigint {
  const now = BigInt(Date.now()) * 1_000_000n;
  last = now > last ? now : last + 1n;
  return last;
}

/** RFC 3339 in UTC with up to nine decimals, trailing zeros cut; 0 is Go's zero time. */
export function formatTime(ns: bigint): string {
  if (ns === 0n) return "0001-01-01T00:00:00Z";
  const whole = new Date(Number(ns / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  const fraction = (ns % 1_000_000_000n).toString().padStart(9, "0").replace(/0+$/, "");
  return fraction === "" ? `${whole}Z` : `${whole}.${fraction}Z`;
}
