/**
 * What the engine counts for Prometheus, in its text format 0.0.4. Names that begin with `engine_daemon_` are Docker's and mean
 * the same; `gantry_` are ours. Without `metrics-addr` there is no such object, and nothing is counted.
 */
import type { SystemInfo } from "../../specs/engine/system.ts";

/** Docker's histogram of `actions`: which route does which. */
const CONTAINER_ACTIONS: ReadonlyMap<string, string> = new Map([
  ["GET /containers/:id/changes", "changes"],
  ["POST /commit", "commit"],
  ["POST /containers/create", "create"],
  ["DELETE /containers/:id", "delete"],
  ["POST /containers/:id/start", "start"],
]);
const NETWORK_ACTIONS: ReadonlyMap<string, string> = new Map([
  ["POST /networks/:id/connect", "connect"],
  ["POST /networks/:id/disconnect", "release"],
]);
/** Prometheus' own default, which Docker has. Seconds. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/** What is asked when somebody looks. */
export interface MetricsState {
  readonly info: () => SystemInfo;
  readonly events: { readonly published: number; readonly subscribers: number };
  readonly process: () => {
    readonly residentBytes: number;
    readonly cpuSeconds: number;
    readonly startSeconds: number;
  };
}

export interface RequestObserver {
  /** `route`: "METHOD PATTERN" of a known one, so that nobody's spelling makes a new series. */
  answered(route: string, status: number, seconds: number): void;
}

export class Metrics implements RequestObserver {
  readonly #state: MetricsState;
  readonly #requests = new Map<string, number>();
  readonly #containers = new Histogram("engine_daemon_container_actions_seconds", CONTAINER_ACTIONS);
  readonly #networks = new Histogram("engine_daemon_network_actions_seconds", NETWORK_ACTIONS);

  constructor(state: MetricsState) {
    this.#state = state;
  }

  answered(route: string, status: number, seconds: number): void {
    const labels = `${labelled("route", route)},${labelled("code", String(status))}`;
    this.#requests.set(labels, (this.#requests.get(labels) ?? 0) + 1);
    if (status >= 400) return;
    this.#containers.observe(route, seconds);
    this.#networks.observe(route, seconds);
  }

  text(): string {
    const { events } = this.#state;
    const info = this.#state.info();
    const own = this.#state.process();
    return [
      ...this.#containers.lines("The number of seconds it takes to process each container action"),
      ...series(
        "engine_daemon_container_states_containers",
        "gauge",
        "The count of containers in various states",
        [
          [labelled("state", "paused"), info.ContainersPaused],
          [labelled("state", "running"), info.ContainersRunning],
          [labelled("state", "stopped"), info.ContainersStopped],
        ],
      ),
      ...series(
        "engine_daemon_engine_cpus_cpus",
        "gauge",
        "The number of cpus that the host system of the engine has",
        [["", info.NCPU]],
      ),
      ...series(
        "engine_daemon_engine_info",
        "gauge",
        "The information related to the engine and the OS it is running on",
        [[infoLabels(info), 1]],
      ),
      ...series(
        "engine_daemon_engine_memory_bytes",
        "gauge",
        "The number of bytes of memory that the host system of the engine has",
        [["", info.MemTotal]],
      ),
      ...series(
        "engine_daemon_events_subscribers_total",
        "gauge",
        "The number of current subscribers to events",
        [["", events.subscribers]],
      ),
      ...series("engine_daemon_events_total", "counter", "The number of events logged", [
        ["", events.published],
      ]),
      ...this.#networks.lines("The number of seconds it takes to process each network action"),
      ...series("gantry_api_requests_total", "counter", "Requests answered, by route and status", [
        ...this.#requests,
      ]),
      ...series("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.", [
        ["", own.cpuSeconds],
      ]),
      ...series("process_open_fds", "gauge", "Number of open file descriptors.", [["", info.NFd]]),
      ...series("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", [
        ["", own.residentBytes],
      ]),
      ...series(
        "process_start_time_seconds",
        "gauge",
        "Start time of the process since unix epoch in seconds.",
        [["", own.startSeconds]],
      ),
      "",
    ].join("\n");
  }
}

class Histogram {
  readonly #name: string;
  readonly #actions: ReadonlyMap<string, string>;
  readonly #series: ReadonlyMap<string, { readonly buckets: number[]; sum: number; count: number }>;

  constructor(name: string, actions: ReadonlyMap<string, string>) {
    this.#name = name;
    this.#actions = actions;
    this.#series = new Map(
      [...actions.values()].map((action) => [action, { buckets: BUCKETS.map(() => 0), sum: 0, count: 0 }]),
    );
  }

  observe(route: string, seconds: number): void {
    const of = this.#series.get(this.#actions.get(route) ?? "");
    if (of === undefined) return;
    of.sum += seconds;
    of.count++;
    for (const [index, bound] of BUCKETS.entries())
      if (seconds <= bound) of.buckets[index] = (of.buckets[index] ?? 0) + 1;
  }

  lines(help: string): string[] {
    const lines = head(this.#name, "histogram", help);
    for (const [action, { buckets, sum, count }] of this.#series) {
      const label = labelled("action", action);
      for (const [index, bound] of BUCKETS.entries())
        lines.push(`${this.#name}_bucket{${label},le="${bound}"} ${buckets[index] ?? 0}`);
      lines.push(
        `${this.#name}_bucket{${label},le="+Inf"} ${count}`,
        `${this.#name}_sum{${label}} ${sum}`,
        `${this.#name}_count{${label}} ${count}`,
      );
    }
    return lines;
  }
}

function infoLabels(info: SystemInfo): string {
  return [
    labelled("architecture", info.Architecture),
    labelled("commit", info.RuncCommit.ID),
    labelled("daemon_id", info.ID),
    labelled("graphdriver", info.Driver),
    labelled("kernel", info.KernelVersion),
    labelled("os", info.OperatingSystem),
    labelled("os_type", info.OSType),
    labelled("os_version", info.OSVersion),
    labelled("version", info.ServerVersion),
  ].join(",");
}

function labelled(name: string, value: string): string {
  const text = value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
  return `${name}="${text}"`;
}

type Type = "counter" | "gauge" | "histogram";

function head(name: string, type: Type, help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

function series(
  name: string,
  type: Type,
  help: string,
  values: readonly (readonly [string, number])[],
): string[] {
  const lines = values.map(([labels, value]) => `${name}${labels === "" ? "" : `{${labels}}`} ${value}`);
  return [...head(name, type, help), ...lines];
}
