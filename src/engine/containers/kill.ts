/** POST /containers/{id}/kill. */
import { fail, GantryError, messageOf } from "../../base/errors.ts";
import {
  killAndWait,
  meansEnd,
  notRunning,
  type SignalDeps,
  sendSignal,
  stopRestarting,
} from "./signal-task.ts";
import { parseSignal, SIGKILL } from "./signals.ts";
import { countsAsRunning } from "./state.ts";

/** `signal`: name or number, "" = KILL. `reference`: what the user calls the container. After KILL the process is gone. */
export async function kill(
  deps: SignalDeps,
  request: { readonly signal: string; readonly reference: string },
): Promise<void> {
  try {
    const container = deps.store.find(request.reference);
    const signal = request.signal === "" ? SIGKILL : parseSignal(request.signal);
    if (!countsAsRunning(container.state.status)) throw notRunning(container);
    deps.store.setState(container, { stoppedByUser: true });
    if (meansEnd(container, signal)) container.restartIsCancelled = true;
    if (container.state.status === "restarting") {
      if (!container.restartIsCancelled) return;
      await stopRestarting(deps, container);
      if (container.task === undefined) return;
    }
    if (signal === SIGKILL) await killAndWait(deps, container);
    else await sendSignal(deps, container, signal);
  } catch (error) {
    const category = error instanceof GantryError ? error.category : "internal";
    throw fail(category, `cannot kill container: ${request.reference}: ${messageOf(error)}`, error);
  }
}
