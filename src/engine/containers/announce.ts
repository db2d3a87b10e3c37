/** Events of containers: which attributes they carry, and their legacy fields. */
import type { EventBus } from "../../core/events/events.ts";
import { sortedMap } from "../networks/sorted-map.ts";
import type { Container } from "./container.ts";
import { nowNs } from "./timestamp.ts";

export type EventSink = Pick<EventBus, "publish">;

/** Publishes `action` of a container with its labels, image and name, plus `attributes`. */
export function announce(
  events: EventSink,
  container: Container,
  action: string,
  attributes: Readonly<Record<string, string>> = {},
): void {
  const timeNano = nowNs();
  const image = container.config.Image;
  events.publish({
    status: action,
    id: container.id,
    from: image,
    Type: "container",
    Action: action,
    Actor: {
      ID: container.id,
      Attributes: sortedMap([
        ...Object.entries(container.config.Labels ?? {}),
        ...Object.entries(attributes),
        ["image", image],
        ["name", container.name],
      ]),
    },
    scope: "local",
    time: Number(timeNano / 1_000_000_000n),
    timeNano,
  });
}

/** The end of a run that the row has. */
export function announceDeath(events: EventSink, container: Container): void {
  const { exitCode, startedNs, finishedNs } = container.state;
  const ranNs = finishedNs > startedNs ? finishedNs - startedNs : 0n;
  announce(events, container, "die", {
    exitCode: String(exitCode),
    execDuration: String(ranNs / 1_000_000_000n),
  });
}
