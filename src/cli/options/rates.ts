/** `--net-rate-in` and `--net-rate-out`. */

import type { FlagSet } from "../flags.ts";

/** As tc(8) means its kbit, mbit, gbit and tbit: bits, and powers of 1000; with an "i" powers of 1024. */
const POWERS: Readonly<Record<string, number>> = { "": 0, k: 1, m: 2, g: 3, t: 4 };

/**
 * Bits per second: "500k", "10mbit", "1.5g", "64kibit", "1000"; 0 = no limit. What tc calls "bps" are bytes, and to most people
 * bits, so it is refused.
 */
export function parseRate(text: string): number {
  const match = /^(\d{1,15}(?:\.\d{1,9})?)(?:([kmgt])(i?))?(?:bit)?$/i.exec(text);
  const power = POWERS[(match?.[2] ?? "").toLowerCase()] ?? 0;
  const bits = Math.floor(Number(match?.[1]) * ((match?.[3] ?? "") === "" ? 1000 : 1024) ** power);
  if (!Number.isSafeInteger(bits))
    throw new Error(`invalid rate: '${text}': bits per second such as "500k", "10mbit" or "1.5g"`);
  return bits;
}

/** Adds both flags. */
export function rateFlags(flags: FlagSet) {
  const rate = (name: string, usage: string) =>
    flags.custom(name, 0, usage, { valueName: "rate", parse: parseRate });
  return {
    rateIn: rate(
      "net-rate-in",
      'Limit what the container receives, in bits per second ("500k", "10mbit", 0 = no limit)',
    ),
    rateOut: rate("net-rate-out", "Limit what the container sends, in bits per second"),
  };
}
