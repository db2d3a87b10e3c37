/** POST /containers/{id}/wait. */
import { fail } from "../../base/errors.ts";
import type { ContainerWaitResponse } from "../../specs/engine/container.ts";
import type { Container, Outcome } from "./container.ts";
import { countsAsRunning } from "./state.ts";

export type WaitCondition = "not-running" | "next-exit" | "removed";

/** "" means "not-running". Throws `invalid_argument`. */
export function parseWaitCondition(text: string): WaitCondition {
  if (text === "") return "not-running";
  if (text === "not-running" || text === "next-exit" || text === "removed") return text;
  throw fail("invalid_argument", `invalid condition: "${text.slice(0, 100)}"`);
}

/** How long attached clients that do not read may keep those who wait for the end of the process. */
const PASSING_MS = 1000;

/**
 * Settles when the clients attached now have been handed all output, or after a second. Client libraries take the
 * answer to a wait for the end of the output too, although it comes on another connection (`run` of dockerode; Docker
 * also ends its copies, for at most some seconds, before it tells of an exit).
 */
export async function outputPassed(container: Container): Promise<void> {
  if (container.passing.size === 0) return;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, PASSING_MS);
  });
  await Promise.race([Promise.allSettled(container.passing), late]);
  clearTimeout(timer);
}

/** The outcome once the condition holds; registered before this returns, so nothing that happens next is missed. */
export function wait(
  container: Container,
  condition: WaitCondition,
  signal: AbortSignal,
): Promise<ContainerWaitResponse> {
  if (container.isRemoved) {
    if (condition === "next-exit") throw fail("not_found", `No such container: ${container.id}`);
    return Promise.resolve({ StatusCode: container.state.exitCode });
  }
  if (condition === "not-running" && !countsAsRunning(container.state.status)) {
    const ended = answer(container.outcome);
    return (container.settling ?? Promise.resolve()).then(() => ended);
  }
  const { promise, resolve, reject } = Promise.withResolvers<ContainerWaitResponse>();
  const listener = (outcome: Outcome): void => resolve(answer(outcome));
  const forget = condition === "removed" ? container.onRemoval(listener) : container.onExit(listener);
  signal.addEventListener(
    "abort",
    () => {
      forget();
      reject(fail("unavailable", `waiting for container "${container.name}" was broken off`));
    },
    { once: true },
  );
  return promise;
}

function answer(outcome: Outcome): ContainerWaitResponse {
  return outcome.error === ""
    ? { StatusCode: outcome.exitCode }
    : { StatusCode: outcome.exitCode, Error: { Message: outcome.error } };
}
