/**
 * One container in memory: its record, how it runs, and who waits for it. Only the verbs of this folder change it, always
 * through `ContainerStore` (`setState`, `change`), so that memory and store agree; lists and inspections just read it.
 */
import type { Duplex } from "node:stream";
import type { AttachOptions, Task } from "../../core/tasks/tasks.ts";
import type { ContainerConfig, HostConfig } from "../../specs/engine/container.ts";
import type { Exec } from "./exec-record.ts";
import type { HealthMonitor } from "./health-monitor.ts";
import { defaultHostname, type HostDefaults, mergeConfig, mergeHost } from "./merge.ts";
import type { MountRequest } from "./mount-request.ts";
import { parseMounts } from "./mounts.ts";
import type { ContainerRecord, RuntimeState } from "./record.ts";

/** Somebody who attached before the process exists. */
export interface PendingAttach {
  readonly options: AttachOptions;
  /** Called once; undefined when there will be no stream. */
  readonly deliver: (stream: Duplex | undefined) => void;
}

export interface Outcome {
  readonly exitCode: number;
  readonly error: string;
}

type Listener = (outcome: Outcome) => void;

export class Container {
  readonly id: string;
  record: ContainerRecord;
  state: RuntimeState;
  /** Request and image merged. */
  config: ContainerConfig;
  /** Request and defaults merged. */
  host: HostConfig;
  mounts: readonly MountRequest[];
  /** Set while the process lives. */
  task: Task | undefined;
  readonly execs = new Map<string, Exec>();
  readonly attaching = new Set<PendingAttach>();
  /** One for each attached client: settles when all output is handed to its connection. */
  readonly passing = new Set<Promise<unknown>>();
  /** While the process lives, of one that has a health check. */
  health: HealthMonitor | undefined;
  /** The next start by the restart policy. */
  restartTimer: NodeJS.Timeout | undefined;
  /** The pause before the last automatic restart, in milliseconds. */
  restartDelayMs = 0;
  /** A start by the restart policy that is under way; it does not reject. */
  startingAgain: Promise<void> | undefined;
  /** A user ended it: no policy starts it again, before a user does. Until the daemon's next start, as with Docker. */
  restartIsCancelled = false;
  /** It is being ended to be started again, whatever its policy: its health check said that it is unhealthy. */
  isToStartAgain = false;
  /** Between the two halves of a restart by a user `--rm` does not apply. */
  isBeingRestarted = false;
  /** Pending clean-up of the ended task, in which its end is told; a start waits for it. */
  settling: Promise<void> | undefined;
  /** Those who unpack archives in the running container: they end with its task, and a start waits for them. */
  readonly writers = new Set<Promise<void>>();
  /** Only those still see it that found it before, or that ask for its outcome. */
  isRemoved = false;
  readonly #exitListeners = new Set<Listener>();
  readonly #removalListeners = new Set<Listener>();

  constructor(record: ContainerRecord, state: RuntimeState, defaults: HostDefaults) {
    this.id = record.id;
    this.record = record;
    this.state = state;
    this.config = mergeConfig(
      defaultHostname(record.id, record.host, defaults),
      record.config,
      record.imageConfig,
    );
    this.host = mergeHost(record.host, this.config, defaults);
    this.mounts = record.mounts ?? parseMounts(this.host);
  }

  /** Of a container that is being created. */
  plan(mounts: readonly MountRequest[]): void {
    this.record = { ...this.record, mounts };
    this.mounts = mounts;
  }

  /** Of a container that is being created. 0 = it is not limited. */
  limitSize(sizeBytes: number): void {
    if (sizeBytes > 0) this.record = { ...this.record, sizeBytes };
  }

  get name(): string {
    return this.record.name;
  }

  get outcome(): Outcome {
    return { exitCode: this.state.exitCode, error: this.state.error };
  }

  /** Returns a function that takes the listener away again. */
  onExit(listener: Listener): () => void {
    this.#exitListeners.add(listener);
    return () => this.#exitListeners.delete(listener);
  }

  onRemoval(listener: Listener): () => void {
    this.#removalListeners.add(listener);
    return () => this.#removalListeners.delete(listener);
  }

  tellExit(): void {
    tell(this.#exitListeners, this.outcome);
  }

  /** A removed container also counts as ended for those who wait for its end. Its removal is no failure of theirs. */
  tellRemoval(): void {
    this.isRemoved = true;
    const outcome = { exitCode: this.state.exitCode, error: "" };
    tell(this.#exitListeners, outcome);
    tell(this.#removalListeners, outcome);
  }

  cancelRestart(): void {
    clearTimeout(this.restartTimer);
    this.restartTimer = undefined;
  }

  /** Those who wait for a stream; the caller sees to it that each gets an answer. */
  takeAttaching(): readonly PendingAttach[] {
    const waiting = [...this.attaching];
    this.attaching.clear();
    return waiting;
  }

  /** Nobody who is still waiting for a process will get one. */
  dropAttaching(): void {
    for (const { deliver } of this.takeAttaching()) deliver(undefined);
  }
}

function tell(listeners: Set<Listener>, outcome: Outcome): void {
  const told = [...listeners];
  listeners.clear();
  for (const listener of told) listener(outcome);
}
