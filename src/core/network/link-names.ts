/** Names of what the kernel holds for networks and endpoints. They follow from ids: whoever finds one knows whose it is. */
import { BRIDGE_NAME } from "./driver-settings.ts";
import type { NetworkRecord } from "./network-record.ts";

export function bridgeNameOf({ id, options }: Pick<NetworkRecord, "id" | "options">): string {
  return options[BRIDGE_NAME] || `br-${id.slice(0, 12)}`;
}

/** Whether all that it has on the host has a name that no other network can have. */
export function isNamedById({ driver, options }: Pick<NetworkRecord, "driver" | "options">): boolean {
  return driver === "bridge" && !options[BRIDGE_NAME];
}

/** The host's end of an endpoint's veth pair. */
export function hostLinkOf(endpointId: string): string {
  return `gv${endpointId.slice(0, 12)}`;
}

/** Stands in for the parent of a macvlan or ipvlan network that names none. */
export function dummyNameOf(networkId: string): string {
  return `dm-${networkId.slice(0, 12)}`;
}

/** How the IFLA_IFALIAS of everything of ours begins. */
export const MARK = "gantry:";

/** IFLA_IFALIAS of a network's own link. */
export function networkMark(networkId: string): string {
  return `${MARK}${networkId}`;
}

/** IFLA_IFALIAS of an endpoint's link. */
export function endpointMark(containerId: string, endpointId: string): string {
  return `${MARK}${containerId}:${endpointId}`;
}
