/** The Status column: "Up 2 minutes (Paused)", "Exited (0) 3 seconds ago". Docker's words and roundings. */
import type { Health } from "./health.ts";
import type { RuntimeState } from "./record.ts";

const MINUTE = 60;
const HOUR = 60 * MINUTE;

/** go-units' HumanDuration. */
export function humanDuration(ms: number): string {
  const seconds = Math.floor(Math.max(ms, 0) / 1000);
  const minutes = Math.floor(seconds / MINUTE);
  const hours = Math.round(seconds / HOUR);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`;
  return `${Math.floor(hours / 24 / 365)} years`;
}

function healthText(health: Health | null): string {
  if (health === null) return "";
  return health.status === "starting" ? " (health: starting)" : ` (${health.status})`;
}

export function statusText(state: RuntimeState, nowNs: bigint): string {
  const since = (ns: bigint): string => humanDuration(Number((nowNs - ns) / 1_000_000n));
  switch (state.status) {
    case "running":
      return `Up ${since(state.startedNs)}${healthText(state.health)}`;
    case "paused":
      return `Up ${since(state.startedNs)} (Paused)`;
    case "restarting":
      return `Restarting (${state.exitCode}) ${since(state.finishedNs)} ago`;
    case "removing":
      return "Removal In Progress";
    case "dead":
      return "Dead";
    case "created":
      return "Created";
    case "exited":
      return state.finishedNs === 0n ? "" : `Exited (${state.exitCode}) ${since(state.finishedNs)} ago`;
  }
}
