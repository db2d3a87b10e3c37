/** GET /containers/{id}/export. */
import { fail } from "../../base/errors.ts";
import type { Snapshotter } from "../../core/snapshots/snapshotter.ts";
import { announce, type EventSink } from "./announce.ts";
import type { Container } from "./container.ts";

export interface ExportDeps {
  readonly snapshots: Pick<Snapshotter, "export">;
  readonly events: EventSink;
}

/** The container's root filesystem as a tar. Throws `conflict` for one that is on its way out. */
export async function* exportContainer(
  deps: ExportDeps,
  container: Container,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  refuseLeaving(container, "export");
  yield* deps.snapshots.export(container.id, signal);
  announce(deps.events, container, "export");
}

/** Docker's words. */
export function refuseLeaving(container: Container, verb: "commit" | "export"): void {
  const { status } = container.state;
  if (status === "dead") throw fail("conflict", `You cannot ${verb} container ${container.id} which is Dead`);
  if (status === "removing")
    throw fail("conflict", `You cannot ${verb} container ${container.id} which is being removed`);
}
