/**
 * `--health-on-failure`: what is done to a container that its health check calls unhealthy.
 *
 *     kill       SIGKILL; it has failed, and its restart policy decides what comes next
 *     stop       as when a user stops it: it stays stopped, whatever its policy
 *     restart    stop signal, time-out, SIGKILL; then it starts again, whatever its policy, after the pauses of the restart
 *                policies. They grow until it was healthy once.
 */
import type { Container } from "./container.ts";
import { killAndWait } from "./signal-task.ts";
import { endGently, stop, type StopDeps } from "./stop.ts";

export async function actOnUnhealthy(deps: StopDeps, container: Container): Promise<void> {
  const action = container.host.HealthOnFailure;
  if (action === "" || action === "none") return;
  deps.log.info("acting on an unhealthy container", { id: container.id, action });
  switch (action) {
    case "kill":
      await killAndWait(deps, container);
      return;
    case "stop":
      await stop(deps, container, { signal: "", timeoutSeconds: undefined });
      return;
    case "restart":
      container.isToStartAgain = true;
      await endGently(deps, container);
  }
}
