/** POST /containers/{id}/attach: a stream to the process, or to the one that the next start makes. */
import type { Duplex } from "node:stream";
import { fail } from "../../base/errors.ts";
import type { AttachOptions } from "../../core/tasks/tasks.ts";
import { announce, type EventSink } from "./announce.ts";
import type { Container, PendingAttach } from "./container.ts";

export interface AttachDeps {
  readonly events: EventSink;
}

/** Throws `conflict` where Docker refuses to attach. */
export function checkAttachable(container: Container): void {
  const { status } = container.state;
  if (status === "paused")
    throw fail("conflict", `container ${container.id} is paused, unpause the container before attach`);
  if (status === "restarting")
    throw fail("conflict", `container ${container.id} is restarting, wait until the container is running`);
  if (status === "removing" || status === "dead")
    throw fail("conflict", `container ${container.id} is marked for removal`);
}

/**
 * Registered before this returns: a start that follows will not begin before the stream is there. Resolves with
 * undefined when there will be no stream, because the container was removed or did not start, or `signal` was aborted.
 */
export function attach(
  deps: AttachDeps,
  container: Container,
  options: AttachOptions,
  signal: AbortSignal,
): Promise<Duplex | undefined> {
  announce(deps.events, container, "attach");
  if (container.task !== undefined) return container.task.attach(options);
  const { promise, resolve } = Promise.withResolvers<Duplex | undefined>();
  const pending: PendingAttach = { options, deliver: resolve };
  container.attaching.add(pending);
  signal.addEventListener(
    "abort",
    () => {
      if (container.attaching.delete(pending)) resolve(undefined);
    },
    { once: true },
  );
  return promise;
}

/** Notes that a client of this container is being passed its output until `passed` settles; hands it back. */
export async function notePassing<T>(container: Container, passed: Promise<T>): Promise<T> {
  container.passing.add(passed);
  try {
    return await passed;
  } finally {
    container.passing.delete(passed);
  }
}

/** Tells that the user left by detach keys. */
export function announceDetach(deps: AttachDeps, container: Container): void {
  announce(deps.events, container, "detach");
}
