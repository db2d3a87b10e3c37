/**
 * Has the health checks of running containers run: all wait for their time on one timer. Of one container there is never more
 * than one probe.
 *
 * On crash: what was found is in the container's row from the last time that it changed. A starting daemon goes on with that:
 * who was healthy is, until a probe says otherwise. A probe that the dead daemon has begun is ended before that.
 */
import type { Alarms } from "../../base/alarms.ts";
import { messageOf } from "../../base/errors.ts";
import type { Task } from "../../core/tasks/tasks.ts";
import { announce } from "./announce.ts";
import type { Container } from "./container.ts";
import {
  type Health,
  healthAfter,
  healthAtStart,
  healthPlan,
  type HealthPlan,
  probeDelayMs,
  type ProbeResult,
} from "./health.ts";
import { endLastProbe, probe, type ProbeDeps } from "./probe.ts";
import { nowNs } from "./timestamp.ts";

export interface HealthDeps extends ProbeDeps {
  /** After each failure of one that is unhealthy. */
  readonly onUnhealthy: (container: Container) => Promise<void>;
}

export class HealthChecks {
  readonly #deps: HealthDeps;

  constructor(deps: HealthDeps) {
    this.#deps = deps;
  }

  /** From now on, until the task ends. Nothing for a container without a check. The container's state says "running" or "paused". */
  watch(container: Container, task: Task): void {
    container.health?.end();
    container.health = undefined;
    const plan = healthPlan(container.config);
    if (plan === undefined) return;
    if (container.state.health === null)
      this.#deps.store.setState(container, { health: healthAtStart(container.config, null) });
    container.health = new HealthMonitor(this.#deps, { container, task, plan });
    if (container.state.status === "running") container.health.resume();
  }

  /** The daemon ends: no probe is begun any more, and those that run are killed, as nobody would see to their time. */
  stop(): void {
    for (const { health } of this.#deps.store.all()) health?.end();
    this.#deps.alarms.clear();
  }
}

interface Watched {
  readonly container: Container;
  readonly task: Task;
  readonly plan: HealthPlan;
}

export class HealthMonitor {
  readonly #deps: HealthDeps;
  readonly #watched: Watched;
  /** When the container's process was started, on the alarms' clock. */
  readonly #startedAt: number;
  /** From `resume` to `hold`. */
  #round: AbortController | undefined;
  #cancelAlarm: () => void = () => {};
  #isActing = false;
  /** The probe before the first of this round. */
  #lastIsGone: Promise<void> = Promise.resolve();

  constructor(deps: HealthDeps, watched: Watched) {
    this.#deps = deps;
    this.#watched = watched;
    const agoMs = Number(nowNs() - watched.container.state.startedNs) / 1e6;
    this.#startedAt = deps.alarms.now() - Math.max(agoMs, 0);
  }

  /** The container runs, or runs again. */
  resume(): void {
    if (this.#round !== undefined) return;
    const { container, task } = this.#watched;
    this.#round = new AbortController();
    this.#lastIsGone = endLastProbe(this.#deps, container, task);
    this.#schedule(this.#round.signal);
  }

  /** The container stands still: a probe that runs is killed. */
  hold(): void {
    this.#cancelAlarm();
    this.#round?.abort();
    this.#round = undefined;
  }

  end(): void {
    this.hold();
  }

  get #alarms(): Alarms {
    return this.#deps.alarms;
  }

  #schedule(round: AbortSignal): void {
    const { container, plan } = this.#watched;
    const status = container.state.health?.status ?? "starting";
    const delayMs = probeDelayMs(plan, status, this.#alarms.now() - this.#startedAt);
    this.#cancelAlarm = this.#alarms.in(delayMs, () => void this.#probe(round));
  }

  async #probe(round: AbortSignal): Promise<void> {
    const { container, plan } = this.#watched;
    await this.#lastIsGone;
    if (round.aborted) return;
    const sinceStartMs = this.#alarms.now() - this.#startedAt;
    const result = await probe(this.#deps, container, plan, round);
    if (round.aborted) return;
    try {
      this.#judge(result, sinceStartMs);
    } catch (error) {
      this.#deps.log.error("cannot record a health check", { id: container.id, error: messageOf(error) });
    }
    if (!round.aborted) this.#schedule(round);
  }

  #judge(result: ProbeResult, sinceStartMs: number): void {
    const { store, events } = this.#deps;
    const { container, plan } = this.#watched;
    const before = container.state.health;
    if (before === null) return;
    const after = healthAfter(before, result, plan, sinceStartMs);
    if (isWorthWriting(before, after)) store.setState(container, { health: after });
    else store.noteHealth(container, after);
    if (after.status !== before.status) announce(events, container, `health_status: ${after.status}`);
    if (after.status === "unhealthy") void this.#act();
  }

  /** One action at a time: ending a container may take longer than the next probe. */
  async #act(): Promise<void> {
    const { container, task } = this.#watched;
    if (this.#isActing || container.state.stoppedByUser || container.task !== task) return;
    this.#isActing = true;
    try {
      await this.#deps.onUnhealthy(container);
    } catch (error) {
      this.#deps.log.error("cannot act on an unhealthy container", {
        id: container.id,
        error: messageOf(error),
      });
    } finally {
      this.#isActing = false;
    }
  }
}

/** Not each probe is worth a write: thousands of healthy containers say the same every few seconds. */
function isWorthWriting(before: Health, after: Health): boolean {
  if (after.status !== before.status) return true;
  return after.status !== "unhealthy" && after.failingStreak !== before.failingStreak;
}
