/** What is there of an engine's containers: as it says itself, and as the kernel has it. */
import { readdirSync } from "node:fs";
import { processesRunning, readStartTicks } from "../../src/linux/process-identity.ts";
import type { Engine } from "../support/engine.ts";
import { pids, read } from "../support/leak-check.ts";

export interface ContainerFacts {
  readonly id: string;
  readonly name: string;
  /** One that verbs act on, by its label. */
  readonly isVictim: boolean;
  readonly status: string;
  readonly pid: number;
  readonly exitCode: number;
  /** Why its last start has failed, which gave it its exit code; "" = it has not. */
  readonly startError: string;
  /** Milliseconds since 1970, 0 = never; these two. */
  readonly startedMs: number;
  readonly finishedMs: number;
  /** Bytes, 0 = no limit. */
  readonly memory: number;
  /** Undefined without a health check. */
  readonly health: { readonly status: string; readonly probedMs: number } | undefined;
  /** When the kernel started that pid, in its own unit; "" = there is no such process. */
  readonly ticks: string;
  readonly shims: number;
  /** Commands of the processes in its cgroups. */
  readonly processes: readonly string[];
}

export interface Death {
  readonly id: string;
  readonly exitCode: string;
}

export interface Facts {
  readonly containers: readonly ContainerFacts[];
  /** Listed, and then not to be inspected. */
  readonly unreadable: readonly string[];
  readonly volumes: readonly string[];
  readonly images: readonly string[];
  /** Of victims, as the events tell it. */
  readonly deaths: readonly Death[];
}

export const VICTIM_LABEL = "chaos-victim";

interface InspectDocument {
  readonly Id: string;
  readonly Name: string;
  readonly State: {
    readonly Status: string;
    readonly Pid: number;
    readonly ExitCode: number;
    readonly Error: string;
    readonly StartedAt: string;
    readonly FinishedAt: string;
    readonly Health?: {
      readonly Status: string;
      readonly Log: readonly { readonly End: string }[] | null;
    } | null;
  };
  readonly Config: { readonly Labels: Readonly<Record<string, string>> | null };
  readonly HostConfig: { readonly Memory: number };
}

/** Deaths are those since `sinceMs`. */
export async function containerFacts(engine: Engine, sinceMs: number): Promise<Facts> {
  const list: readonly { readonly Id: string }[] = await get(engine, "/containers/json?all=1");
  const answers = await Promise.all(
    list.map(async ({ Id }) => ({ Id, ...(await engine.api("GET", `/containers/${Id}/json`)) })),
  );
  const { Volumes }: { readonly Volumes: readonly { readonly Name: string }[] | null } = await get(
    engine,
    "/volumes",
  );
  const images: readonly { readonly RepoTags: readonly string[] | null }[] = await get(
    engine,
    "/images/json",
  );
  const members = membersOfAll();
  return {
    containers: answers
      .filter(({ status }) => status === 200)
      .map(({ body }) => containerOf(JSON.parse(body), members)),
    // One that is listed may be gone a moment later.
    unreadable: answers
      .filter(({ status }) => status !== 200 && status !== 404)
      .map(({ Id, status, body }) => `${Id}: ${status} ${body}`),
    volumes: (Volumes ?? []).map(({ Name }) => Name),
    images: images.flatMap(({ RepoTags }) => RepoTags ?? []),
    deaths: await deathsSince(engine, sinceMs),
  };
}

async function get<T>(engine: Engine, path: string): Promise<T> {
  const { status, body } = await engine.api("GET", path);
  if (status !== 200) throw new Error(`GET ${path}: ${status} ${body}`);
  const document: T = JSON.parse(body);
  return document;
}

function containerOf(document: InspectDocument, members: ReadonlyMap<string, Members>): ContainerFacts {
  const { Id, Name, State, Config, HostConfig } = document;
  const log = State.Health?.Log ?? [];
  return {
    id: Id,
    name: Name.slice(1),
    isVictim: Config.Labels?.[VICTIM_LABEL] !== undefined,
    status: State.Status,
    pid: State.Pid,
    exitCode: State.ExitCode,
    startError: State.Error,
    startedMs: momentOf(State.StartedAt),
    finishedMs: momentOf(State.FinishedAt),
    memory: HostConfig.Memory,
    health:
      State.Health === undefined || State.Health === null
        ? undefined
        : { status: State.Health.Status, probedMs: momentOf(log.at(-1)?.End ?? "") },
    ticks: State.Pid === 0 ? "" : String(readStartTicks(State.Pid) ?? ""),
    shims: members.get(Id)?.shims ?? 0,
    processes: members.get(Id)?.processes ?? [],
  };
}

function momentOf(text: string): number {
  return text === "" || text.startsWith("0001-") ? 0 : Date.parse(text);
}

export function shimsOf(id: string): readonly number[] {
  return processesRunning(["gantry-shim", "shim", id]);
}

/** Native children of the daemon that work on a tree of files. */
export function helpersOf(daemon: number): readonly number[] {
  return tasksOf(daemon)
    .flatMap((task) => read(`/proc/${daemon}/task/${task}/children`).split(" "))
    .filter((pid) => pid !== "" && read(`/proc/${pid}/cmdline`).split("\0")[1] === "tree")
    .map(Number);
}

function tasksOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return []; // it has ended
  }
}

interface Members {
  readonly processes: string[];
  shims: number;
}

/** By container, in one look at all processes. */
function membersOfAll(): ReadonlyMap<string, Members> {
  const found = new Map<string, Members>();
  const of = (id: string): Members => {
    const members = found.get(id) ?? { processes: [], shims: 0 };
    found.set(id, members);
    return members;
  };
  for (const pid of pids()) {
    const words = read(`/proc/${pid}/cmdline`).split("\0").slice(0, -1);
    // The dead have none.
    if (words.length === 0) continue;
    const [program, role, owner] = words;
    if (program === "gantry-shim" && role === "shim" && owner !== undefined) of(owner).shims++;
    const id = /\/gantry\/([0-9a-f]{64})/.exec(read(`/proc/${pid}/cgroup`))?.[1];
    if (id !== undefined) of(id).processes.push(words.join(" "));
  }
  return found;
}

interface EventDocument {
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
}

async function deathsSince(engine: Engine, sinceMs: number): Promise<readonly Death[]> {
  const filters = JSON.stringify({ type: ["container"], event: ["die"], label: [VICTIM_LABEL] });
  const until = (Date.now() / 1000).toFixed(3);
  const path = `/events?since=${(sinceMs / 1000).toFixed(3)}&until=${until}&filters=${encodeURIComponent(filters)}`;
  const { status, body } = await engine.api("GET", path);
  if (status !== 200) throw new Error(`GET ${path}: ${status} ${body}`);
  return body
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const { Actor }: EventDocument = JSON.parse(line);
      return { id: Actor.ID, exitCode: Actor.Attributes["exitCode"] ?? "" };
    });
}
