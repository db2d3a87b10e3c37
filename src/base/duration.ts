/** Durations in Go's notation ("1h30m", "100ms") and in words ("2 minutes"). */

const NANOSECONDS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Nanoseconds, undefined when the text is no duration or beyond 2^53 (104 days). A lone "0" needs no unit. */
export function parseDuration(text: string): number | undefined {
  const match = /^([+-]?)(.+)$/s.exec(text);
  if (match === null) return undefined;
  let rest = match[2] ?? "";
  const sign = match[1] === "-" ? -1 : 1;
  if (rest === "0") return 0;
  let total = 0;
  while (rest !== "") {
    const part = /^(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/.exec(rest);
    if (part === null) return undefined;
    total += Number(part[1]) * (NANOSECONDS[part[2] ?? ""] ?? Number.NaN);
    rest = rest.slice(part[0].length);
  }
  const nanoseconds = Math.trunc(total) * sign;
  return Number.isSafeInteger(nanoseconds) ? nanoseconds + 0 : undefined;
}

/** What Go's `time.ParseDuration` says about a text that it refuses. */
export function durationError(text: string): string {
  const quoted = JSON.stringify(text);
  const rest = text.replace(/^[+-]/, "");
  if (rest === "" || !/^[\d.]/.test(rest)) return `time: invalid duration ${quoted}`;
  const unit = /^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))*(?:\d+\.?\d*|\.\d+)([^\d.]*)/.exec(
    rest,
  )?.[1];
  if (unit === undefined) return `time: invalid duration ${quoted}`;
  if (unit === "") return `time: missing unit in duration ${quoted}`;
  return `time: unknown unit ${JSON.stringify(unit)} in duration ${quoted}`;
}

/** A span in words, as Docker's lists show it: "Less than a second", "About an hour", "3 weeks". */
export function durationInWords(seconds: number): string {
  const s = Math.trunc(seconds);
  if (s < 1) return "Less than a second";
  if (s === 1) return "1 second";
  if (s < 60) return `${s} seconds`;
  const minutes = Math.trunc(s / 60);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.round(seconds / 3600);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`;
  return `${Math.trunc(hours / 24 / 365)} years`;
}

/** As Go prints one: "1h0m0s", "1m30s", "1.5s", "700ms", "0s". */
export function formatDuration(nanoseconds: number): string {
  const sign = nanoseconds < 0 ? "-" : "";
  const whole = Math.abs(nanoseconds);
  if (whole === 0) return "0s";
  for (const [unit, size] of [
    ["ns", 1],
    ["µs", 1e3],
    ["ms", 1e6],
  ] as const)
    if (whole < size * 1000) return `${sign}${decimal(whole, size)}${unit}`;
  const minutes = Math.trunc(whole / 60e9);
  const seconds = `${decimal(whole - minutes * 60e9, 1e9)}s`;
  if (minutes === 0) return `${sign}${seconds}`;
  const hours = Math.trunc(minutes / 60);
  return hours === 0 ? `${sign}${minutes}m${seconds}` : `${sign}${hours}h${minutes - hours * 60}m${seconds}`;
}

/** Exactly, without trailing zeros. */
function decimal(value: number, size: number): string {
  const whole = Math.trunc(value / size);
  const fraction = String(value - whole * size)
    .padStart(String(size).length - 1, "0")
    .replace(/0+$/, "");
  return fraction === "" || size === 1 ? String(whole) : `${whole}.${fraction}`;
}
