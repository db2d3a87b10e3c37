/** Moments as flags give them: Unix seconds, a date and time, or how long ago ("42m"). */
import { parseDuration } from "../base/duration.ts";
import { Exit } from "./exit.ts";

const DATE_TIME =
  /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2})(?::(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?)?(Z|[+-]\d{2}:\d{2})?$/;

/**
 * The moment as the API takes it, "seconds" or "seconds.nanoseconds"; undefined for none given. Times without a zone are
 * local ones, those given as durations are rounded down to seconds, as Docker's CLI does. `now` is in milliseconds.
 * `flag` goes into the message, "" leaves it out.
 */
export function parseTimestamp(flag: string, text: string, now = Date.now()): string | undefined {
  if (text === "") return undefined;
  const ago = parseDuration(text);
  if (ago !== undefined && text !== "0") return String(Math.floor((now - ago / 1e6) / 1000));
  if (/^\d+(?:\.\d{1,9})?$/.test(text)) return text;
  const match = DATE_TIME.exec(text);
  if (match === null) {
    const where = flag === "" ? "" : `invalid value for "${flag}": `;
    throw new Exit(1, `${where}failed to parse value as time or duration: "${text}"`);
  }
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? 0));
  const fields = [year ?? 0, (month ?? 1) - 1, day ?? 1, hour ?? 0, minute ?? 0, second ?? 0] as const;
  const zone = match[8];
  const milliseconds =
    zone === undefined ? new Date(...fields).getTime() : Date.UTC(...fields) - zoneOffset(zone);
  return unixText(BigInt(milliseconds) * 1_000_000n + BigInt((match[7] ?? "").padEnd(9, "0")));
}

/** Milliseconds that the zone is ahead of UTC. */
function zoneOffset(zone: string): number {
  if (zone === "Z") return 0;
  const [hours = 0, minutes = 0] = zone.slice(1).split(":").map(Number);
  return (zone.startsWith("-") ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

function unixText(nanoseconds: bigint): string {
  return `${nanoseconds / 1_000_000_000n}.${String(nanoseconds % 1_000_000_000n).padStart(9, "0")}`;
}
