/** Events of networks. */
import type { NetworkRecord } from "../../core/network/network-record.ts";
import type { EventSink } from "../containers/announce.ts";
import { nowNs } from "../containers/timestamp.ts";

export type NetworkAction = "create" | "connect" | "disconnect" | "destroy" | "remove";

/** `container`: who comes or goes. */
export function announceNetwork(
  events: EventSink,
  network: NetworkRecord,
  action: NetworkAction,
  container?: string,
): void {
  const timeNano = nowNs();
  events.publish({
    Type: "network",
    Action: action,
    Actor: {
      ID: network.id,
      Attributes: {
        ...(container === undefined ? {} : { container }),
        name: network.name,
        type: network.driver,
      },
    },
    scope: "local",
    time: Number(timeNano / 1_000_000_000n),
    timeNano,
  });
}
