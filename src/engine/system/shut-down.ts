/**
 * Ending containers with the daemon, and at its start those that outlived one: what a daemon does whose containers are not to go
 * on without it.
 */
import { messageOf } from "../../base/errors.ts";
import { timerMs } from "../../base/timer-limit.ts";
import type { Container } from "../containers/container.ts";
import { type StopDeps, stopForShutdown, stopTimeoutOf } from "../containers/stop.ts";

/** What a container may need beyond its own time. */
const GRACE_SECONDS = 5;

/**
 * dockerd's rule: as long as was said, or as the container with the longest patience needs; undefined = no limit. Pure. Below 0 is
 * no limit, in `seconds` and in `stopTimeouts`.
 */
export function shutdownPatienceMs(seconds: number, stopTimeouts: readonly number[]): number | undefined {
  if (seconds < 0 || stopTimeouts.some((own) => own < 0)) return undefined;
  return timerMs(Math.max(seconds, ...stopTimeouts.map((own) => own + GRACE_SECONDS)) * 1000);
}

/**
 * Stops those that run, at the same time, each with its own signal and patience; what they had is given back when this returns.
 * Those that have not ended in time are named in the log, and left as they are.
 */
export async function stopContainers(
  deps: StopDeps,
  containers: Iterable<Container>,
  seconds: number,
): Promise<void> {
  const running = [...containers].filter(({ task }) => task !== undefined);
  if (running.length === 0) return;
  deps.log.info("stopping containers", { containers: running.length });
  const stopping = Promise.all(
    running.map((container) =>
      stopForShutdown(deps, container).catch((error: unknown) =>
        deps.log.error("cannot stop a container", { id: container.id, error: messageOf(error) }),
      ),
    ),
  );
  const patienceMs = shutdownPatienceMs(
    seconds,
    running.map((container) => stopTimeoutOf(deps, container)),
  );
  if (patienceMs === undefined) {
    await stopping;
    return;
  }
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, patienceMs);
  await Promise.race([stopping, late]);
  clearTimeout(timer);
  for (const container of running)
    if (container.task !== undefined) deps.log.error("a container did not end in time", { id: container.id });
}
