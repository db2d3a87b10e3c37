/** The event that ends every prune: Docker's, with what it reclaimed. */
import type { EventMessage } from "../../specs/engine/system.ts";
import type { EventSink } from "../containers/announce.ts";
import { nowNs } from "../containers/timestamp.ts";

export function announcePrune(events: EventSink, type: EventMessage["Type"], reclaimedBytes: number): void {
  const timeNano = nowNs();
  events.publish({
    // As with Docker, the older form is there for containers and images alone.
    ...(type === "container" || type === "image" ? { status: "prune" } : {}),
    Type: type,
    Action: "prune",
    Actor: { ID: "", Attributes: { reclaimed: String(reclaimedBytes) } },
    scope: "local",
    time: Number(timeNano / 1_000_000_000n),
    timeNano,
  });
}
