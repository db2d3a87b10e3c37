/** Health checks: what a configuration asks for, when the next probe is due, and what a result makes of what was known. Pure. */
import type {
  ContainerConfig,
  HealthConfig,
  HealthDocument,
  HealthStatus,
} from "../../specs/engine/container.ts";
import { formatTime } from "./timestamp.ts";

export interface ProbeResult {
  readonly startNs: bigint;
  readonly endNs: bigint;
  /** -1 when the probe could not be run, or not to its end. */
  readonly exitCode: number;
  readonly output: string;
}

/** What is known of a container's health. */
export interface Health {
  readonly status: HealthStatus;
  readonly failingStreak: number;
  /** Oldest first. They outlive a start, as Docker's do. */
  readonly log: readonly ProbeResult[];
  /** Since its start. */
  readonly wasHealthy: boolean;
}

export interface HealthPlan {
  /** Program and arguments; empty = there is nothing that could be run, and each probe fails. */
  readonly command: readonly string[];
  readonly intervalMs: number;
  readonly timeoutNs: number;
  readonly startPeriodMs: number;
  readonly startIntervalMs: number;
  readonly retries: number;
}

const MOST_RESULTS = 5;
const DEFAULT_NS = { Interval: 30e9, Timeout: 30e9, StartPeriod: 0, StartInterval: 5e9 } as const;
const DEFAULT_RETRIES = 3;
/** Docker's least. What an image says was not refused for less: it does not count then. */
export const LEAST_NS = 1_000_000;

/** Undefined = it is not checked. */
export function healthPlan(config: ContainerConfig): HealthPlan | undefined {
  const { Healthcheck, Shell } = config;
  const command = commandOf(Healthcheck?.Test ?? [], Shell);
  if (Healthcheck === null || command === undefined) return undefined;
  const ns = (key: keyof typeof DEFAULT_NS): number =>
    Healthcheck[key] < LEAST_NS ? DEFAULT_NS[key] : Healthcheck[key];
  return {
    command,
    intervalMs: ns("Interval") / 1e6,
    timeoutNs: ns("Timeout"),
    startPeriodMs: ns("StartPeriod") / 1e6,
    startIntervalMs: ns("StartInterval") / 1e6,
    retries: Healthcheck.Retries > 0 ? Healthcheck.Retries : DEFAULT_RETRIES,
  };
}

/** Any other first word is no check, as in Docker. */
function commandOf(
  [kind = "", ...words]: readonly string[],
  shell: readonly string[] | null,
): readonly string[] | undefined {
  if (kind === "CMD") return words;
  if (kind !== "CMD-SHELL") return undefined;
  return [...(shell === null || shell.length === 0 ? ["/bin/sh", "-c"] : shell), ...words];
}

/** At the start of its process. */
export function healthAtStart(config: ContainerConfig, before: Health | null): Health | null {
  if (healthPlan(config) === undefined) return null;
  return { status: "starting", failingStreak: 0, log: before?.log ?? [], wasHealthy: false };
}

/** While nobody looks, because it stands still or has ended, nobody can say that it is well; there is no event of that. */
export function healthUnwatched(before: Health | null): Health | null {
  return before === null ? null : { ...before, status: "unhealthy" };
}

/** The pause before the next probe. `sinceStartMs`: since the start of the container's process. */
export function probeDelayMs(plan: HealthPlan, status: HealthStatus, sinceStartMs: number): number {
  const isStarting = status === "starting" && sinceStartMs < plan.startPeriodMs;
  return isStarting ? plan.startIntervalMs : plan.intervalMs;
}

/** `sinceStartMs`: from the start of the container's process to the start of the probe. */
export function healthAfter(
  before: Health,
  result: ProbeResult,
  plan: HealthPlan,
  sinceStartMs: number,
): Health {
  const log = [...before.log, result].slice(-MOST_RESULTS);
  if (result.exitCode === 0) return { status: "healthy", failingStreak: 0, log, wasHealthy: true };
  // Who has never been well may fail for a while.
  if (before.status === "starting" && sinceStartMs < plan.startPeriodMs) return { ...before, log };
  const failingStreak = before.failingStreak + 1;
  const status = failingStreak >= plan.retries ? "unhealthy" : before.status;
  return { ...before, status, failingStreak, log };
}

export function healthDocument({ status, failingStreak, log }: Health): HealthDocument {
  return {
    Status: status,
    FailingStreak: failingStreak,
    Log: log.map(({ startNs, endNs, exitCode, output }) => ({
      Start: formatTime(startNs),
      End: formatTime(endNs),
      ExitCode: exitCode,
      Output: output,
    })),
  };
}

/** What is wrong with what a user asks for, in Docker's words. */
export function healthComplaint(wanted: HealthConfig): string | undefined {
  for (const key of ["Interval", "Timeout"] as const)
    if (isTooShort(wanted[key])) return `${key} in Healthcheck cannot be less than 1ms`;
  if (wanted.Retries < 0) return "Retries in Healthcheck cannot be negative";
  for (const key of ["StartPeriod", "StartInterval"] as const)
    if (isTooShort(wanted[key])) return `${key} in Healthcheck cannot be less than 1ms`;
  return undefined;
}

function isTooShort(ns: number): boolean {
  return ns !== 0 && ns < LEAST_NS;
}
