/** What of an engine's containers does not fit together after a kill. Pure: `container-facts.ts` has gathered it. */
import { SLOWNESS } from "../support/until.ts";
import { type Claim, victimsIn } from "./container-claims.ts";
import type { ContainerFacts, Facts } from "./container-facts.ts";

/** Whom a blow hits. "twice": the daemon, and the next one while it starts; "pause": the daemon stands still for a while. */
export type Form = "daemon" | "twice" | "shim" | "helper" | "pause";

/** All moments in milliseconds since 1970. */
export interface Blow {
  readonly form: Form;
  readonly atMs: number;
  /** From when on requests are answered again. */
  readonly backMs: number;
}

/** What a verb may leave, however far it came. */
export interface Promises {
  readonly before: Claim;
  readonly after: Claim;
  readonly between: readonly Claim[];
  /** How often the process of one victim is started at most, or undefined when nobody knows. */
  readonly runs: number | undefined;
}

/** One that nobody touches. */
export interface Bystander {
  readonly name: string;
  readonly pid: number;
  readonly ticks: string;
  readonly startedMs: number;
}

/** What a kill of the daemon takes of its events (core/events/events.ts), and what a busy machine adds to it. */
const EVENTS_LOST_MS = 1000 * SLOWNESS;

/** For any container at any time. */
export function containerViolations({ containers, unreadable }: Facts): readonly string[] {
  return [
    ...unreadable.map((what) => `a listed container cannot be inspected: ${what}`),
    ...containers.flatMap((container) =>
      ["running", "paused"].includes(container.status) ? liveFaults(container) : endedFaults(container),
    ),
  ];
}

function liveFaults({ name, status, pid, ticks, shims, processes }: ContainerFacts): readonly string[] {
  return [
    ...(pid > 0 && ticks !== "" ? [] : [`${name} is ${status}, and its process ${pid} is not there`]),
    ...(shims === 1 ? [] : [`${name} is ${status} and has ${shims} shims`]),
    ...(processes.length > 0 ? [] : [`${name} is ${status}, and nothing is in its cgroup`]),
  ];
}

function endedFaults(container: ContainerFacts): readonly string[] {
  const { name, status, pid, shims, processes, startedMs, finishedMs } = container;
  return [
    ...(["created", "exited", "restarting"].includes(status) ? [] : [`${name} stays ${status}`]),
    ...(pid === 0 ? [] : [`${name} is ${status} and has the process ${pid}`]),
    ...(shims === 0 ? [] : [`${name} is ${status} and has ${shims} shims`]),
    ...(processes.length === 0
      ? []
      : [`${name} is ${status}, and in its cgroup there is "${processes.join('", "')}"`]),
    ...(status !== "exited" || startedMs <= finishedMs
      ? []
      : [`${name} was started ${startedMs - finishedMs} ms after its end`]),
  ];
}

/** `isDone`: the verb was answered without an error. A shim takes its container along. */
export function claimViolations(
  facts: Facts,
  promises: Promises,
  { isDone, form }: { readonly isDone: boolean; readonly form: Form },
): readonly string[] {
  const { before, after, between } = promises;
  if (form === "shim" && victimsIn(facts).every(({ status }) => status === "exited" || status === "created"))
    return [];
  const possible = isDone ? [after] : [before, ...between, after];
  if (possible.some(({ holds }) => holds(facts))) return [];
  const there = facts.containers
    .filter(({ isVictim }) => isVictim)
    .map(({ name, status, exitCode }) => `${name} ${status} ${exitCode}`);
  return [
    `the verb was ${isDone ? "answered" : "cut off"}, and it is not so that ${possible.map(({ says }) => says).join(", or that ")}; there is: ${there.join(", ") || "nothing"}`,
  ];
}

/** `unseen`: containers that have ended while no daemon was there, with their exit codes. */
export function deathViolations(
  facts: Facts,
  runs: number | undefined,
  blow: Blow,
  unseen: ReadonlyMap<string, number>,
): readonly string[] {
  const told = new Map<string, string[]>();
  for (const { id, exitCode } of facts.deaths) told.set(id, [...(told.get(id) ?? []), exitCode]);
  const tooOften = [...told]
    .filter(([, codes]) => runs !== undefined && codes.length > runs)
    .map(([id, codes]) => `${codes.length} deaths were told of ${id}, which ran ${runs} times at most`);
  const victims = victimsIn(facts).filter(({ status, startedMs }) => status === "exited" && startedMs > 0);
  const untold = victims
    .filter(({ id, finishedMs }) => !told.has(id) && !isExcused(finishedMs, blow))
    .map(({ name, finishedMs }) => `no death was told of ${name}, ${relative(finishedMs, blow)}`);
  const otherwise = victims
    .filter(
      ({ id, exitCode, startError }) =>
        startError === "" && told.has(id) && told.get(id)?.at(-1) !== String(exitCode),
    )
    .map(
      ({ id, name, exitCode }) =>
        `${name} has ended with ${exitCode}, and its death was told with ${told.get(id)?.at(-1) ?? ""}`,
    );
  const missed = [...unseen].flatMap(([id, exitCode]) => {
    const codes = told.get(id) ?? [];
    if (codes.length === 0 && blow.form === "twice") return [];
    return codes.at(-1) === String(exitCode)
      ? []
      : [
          `${id} has ended with ${exitCode} while no daemon was there; its deaths as told: "${codes.join(" ")}"`,
        ];
  });
  return [...tooOften, ...untold, ...otherwise, ...missed];
}

/** Told, perhaps, in the last moments of a daemon. Of one that died in its start nobody knows which those were. */
function isExcused(finishedMs: number, { form, atMs, backMs }: Blow): boolean {
  if (form === "twice") return finishedMs > atMs - EVENTS_LOST_MS && finishedMs < backMs;
  return form === "daemon" && finishedMs > atMs - EVENTS_LOST_MS && finishedMs < atMs;
}

function relative(finishedMs: number, { form, atMs, backMs }: Blow): string {
  return `which ended ${(finishedMs - atMs).toFixed(0)} ms after the blow (${form}), which took ${(backMs - atMs).toFixed(0)} ms`;
}

export function bystanderViolations(
  { containers }: Facts,
  bystanders: readonly Bystander[],
): readonly string[] {
  return bystanders.flatMap(({ name, pid, ticks, startedMs }) => {
    const found = containers.find((container) => container.name === name);
    if (found === undefined) return [`${name}, which nobody touched, is gone`];
    if (found.status !== "running") return [`${name}, which nobody touched, is ${found.status}`];
    return found.pid === pid && found.ticks === ticks && found.startedMs === startedMs
      ? []
      : [`${name}, which nobody touched, has another process or start`];
  });
}

export interface CheckedNames {
  /** Its check ends at once. */
  readonly healthy: string;
  /** Its check never ends by itself. */
  readonly hanging: string;
  /** Ends again and again, and is to be started each time. */
  readonly reviving: string;
}

/** The main process, what it may have started, and one probe. */
const HANGING_PROCESSES = 2;

/** `backMs`: since when the present daemon answers, or undefined when it is still the same. */
export function lifeViolations(
  { containers }: Facts,
  names: CheckedNames,
  backMs: number | undefined,
): readonly string[] {
  const find = (wanted: string): ContainerFacts | undefined => containers.find(({ name }) => name === wanted);
  const [healthy, hanging, reviving] = [find(names.healthy), find(names.hanging), find(names.reviving)];
  return [
    ...(healthy?.health?.status === "healthy" ? [] : [`${names.healthy} is ${healthy?.health?.status}`]),
    ...((healthy?.health?.probedMs ?? 0) > (backMs ?? 0) ? [] : [`${names.healthy} is not probed any more`]),
    ...(hanging !== undefined && hanging.processes.length <= HANGING_PROCESSES
      ? []
      : [`in ${names.hanging} there is "${hanging?.processes.join('", "') ?? ""}"`]),
    ...(reviving !== undefined && ["running", "restarting"].includes(reviving.status)
      ? []
      : [`${names.reviving} is ${reviving?.status ?? "gone"}`]),
    ...((reviving?.startedMs ?? 0) > (backMs ?? 0) || reviving?.status === "running"
      ? []
      : [`${names.reviving} is not started any more`]),
    ...((reviving?.shims ?? 0) <= 1 ? [] : [`${names.reviving} runs twice`]),
  ];
}

/** Lines as a counter writes them, from `next` on. */
export function sequenceViolation(name: string, lines: readonly string[], next: number): string | undefined {
  const wrong = lines.findIndex((line, index) => line !== String(next + index));
  return wrong < 0 ? undefined : `the log of ${name} has "${lines[wrong] ?? ""}" instead of ${next + wrong}`;
}

export interface FailedProbe {
  readonly port: number;
  readonly atMs: number;
  readonly why: string;
}

/** One may fail while no daemon is there, none afterwards. */
export function probeViolations(failed: readonly FailedProbe[], { backMs }: Blow): readonly string[] {
  const early = failed.filter(({ atMs }) => atMs < backMs);
  const late = failed.filter(({ atMs }) => atMs >= backMs);
  return (early.length > 1 ? [...early, ...late] : late).map(
    ({ port, atMs, why }) =>
      `port ${port} was not answered ${(atMs - backMs).toFixed(0)} ms after the daemon was back: ${why}`,
  );
}
