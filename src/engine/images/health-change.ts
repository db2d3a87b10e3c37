/** The instruction HEALTHCHECK, in Docker's words. Pure. */
import { durationError, parseDuration } from "../../base/duration.ts";
import type { HealthConfig } from "../../specs/engine/container.ts";
import { type ChangeLine, invalid, jsonForm } from "./change-lines.ts";

export const HEALTH_FLAGS = ["interval", "timeout", "start-period", "start-interval", "retries"] as const;

const NOTHING_SAID = { Interval: 0, Timeout: 0, StartPeriod: 0, StartInterval: 0, Retries: 0 };
const MIN_NS = 1e6;
const MAX_RETRIES = 2 ** 31 - 1;

/** What is 0 was not said. Throws `invalid_argument`. */
export function healthChange({ rest }: ChangeLine, flags: ReadonlyMap<string, string>): HealthConfig {
  const [, word = "", text = ""] = /^(\S+)\s*([^]*)$/.exec(rest) ?? [];
  const kind = word.toUpperCase();
  if (kind === "") throw invalid("HEALTHCHECK requires at least one argument");
  if (kind === "NONE") {
    if (text !== "") throw invalid("HEALTHCHECK NONE takes no arguments");
    return { Test: ["NONE"], ...NOTHING_SAID };
  }
  if (kind !== "CMD")
    throw invalid(`Unknown type ${JSON.stringify(kind.slice(0, 100))} in HEALTHCHECK (try CMD)`);
  const list = jsonForm(text);
  const command = list ?? (text === "" ? [] : [text]);
  if (command.length === 0) throw invalid("Missing command after HEALTHCHECK CMD");
  return {
    Test: [list === undefined ? "CMD-SHELL" : "CMD", ...command],
    Interval: duration("interval", flags),
    Timeout: duration("timeout", flags),
    StartPeriod: duration("start-period", flags),
    StartInterval: duration("start-interval", flags),
    Retries: retries(flags.get("retries") ?? ""),
  };
}

function duration(name: string, flags: ReadonlyMap<string, string>): number {
  const text = flags.get(name) ?? "";
  if (text === "") return 0;
  const ns = parseDuration(text);
  if (ns === undefined) throw invalid(durationError(text.slice(0, 100)));
  if (ns !== 0 && ns < MIN_NS) throw invalid(`Interval ${JSON.stringify(name)} cannot be less than 1ms`);
  return ns;
}

function retries(text: string): number {
  if (text === "") return 0;
  const quoted = JSON.stringify(text.slice(0, 100));
  if (!/^[+-]?\d+$/.test(text)) throw invalid(`strconv.ParseInt: parsing ${quoted}: invalid syntax`);
  const count = Number(text);
  if (Math.abs(count) > MAX_RETRIES) throw invalid(`strconv.ParseInt: parsing ${quoted}: value out of range`);
  if (count < 0) throw invalid(`--retries cannot be negative (${count})`);
  return count;
}
