/** Whether a container may be in a network beside those it is in, and networks beside others. Docker's words. Pure. */
import { fail } from "../../base/errors.ts";
import { driverSettings } from "./driver-settings.ts";
import { bridgeNameOf } from "./link-names.ts";
import type { NetworkRecord } from "./network-record.ts";

type Known = Pick<NetworkRecord, "name" | "driver" | "isConfigOnly">;

/**
 * `networkMode`: HostConfig.NetworkMode. `connected`: the networks that the container is in by now.
 * Throws `invalid_argument`, `forbidden`.
 */
export function checkConnection(networkMode: string, connected: readonly Known[], network: Known): void {
  const refuse = (message: string): never => {
    throw fail("invalid_argument", message);
  };
  if (network.isConfigOnly) throw fail("forbidden", `cannot connect to config-only network ${network.name}`);
  const shared =
    "container sharing network namespace with another container or host cannot be connected to any other network";
  if (networkMode.startsWith("container:")) refuse(shared);
  if (network.driver === "host" && networkMode !== "host")
    refuse("cannot connect container to host network - container must be created in host network mode");
  for (const other of connected) {
    if (other.name === network.name) continue;
    if (other.driver === "host" || network.driver === "host") refuse(shared);
    if (other.driver === "null" || network.driver === "null")
      refuse(
        "container cannot be connected to multiple networks with one of the networks in private (none) mode",
      );
  }
}

/** Throws `invalid_argument`. */
export function checkDisconnection(networkMode: string, network: Known): void {
  if (network.driver === "host" && networkMode === "host")
    throw fail(
      "invalid_argument",
      "cannot disconnect container from host network - container was created in host network mode",
    );
}

/** What two networks cannot both have: a bridge, or a parent that one wants for itself. Throws `forbidden`. */
export function checkNeighbours(
  network: Pick<NetworkRecord, "id" | "driver" | "isInternal" | "options">,
  others: readonly NetworkRecord[],
): void {
  const settings = driverSettings(network);
  for (const other of others) {
    if (other.id === network.id || other.isConfigOnly || other.driver !== network.driver) continue;
    const otherSettings = driverSettings(other);
    if (settings.kind === "bridge" && bridgeNameOf(network) === bridgeNameOf(other))
      throw fail(
        "forbidden",
        `cannot create network ${network.id} (${bridgeNameOf(network)}): conflicts with network ${other.id} (${bridgeNameOf(other)}): networks have same bridge name`,
      );
    if (settings.kind !== "macvlan" || otherSettings.kind !== "macvlan") continue;
    const { parent, mode } = settings;
    if (parent === "" || parent !== otherSettings.parent) continue;
    if (mode === "passthru")
      throw fail(
        "forbidden",
        `cannot use mode passthru, macvlan network ${other.id} is already using parent interface ${parent}`,
      );
    if (otherSettings.mode === "passthru")
      throw fail(
        "forbidden",
        `macvlan network ${other.id} is already using parent interface ${parent} in mode passthru`,
      );
  }
}

/** Whether a network can go. Throws `forbidden`. `endpoints`: those that are in it, with their containers' names. */
export function checkRemoval(
  network: NetworkRecord,
  isPredefined: boolean,
  endpoints: readonly { readonly id: string; readonly name: string }[],
  others: readonly NetworkRecord[],
): void {
  if (isPredefined) throw fail("forbidden", `${network.name} is a pre-defined network and cannot be removed`);
  const refuse = (why: string): never => {
    throw fail("forbidden", `error while removing network: ${why}`);
  };
  if (network.isConfigOnly && others.some(({ configFrom }) => configFrom === network.name))
    refuse(`configuration network ${JSON.stringify(network.name)} is in use`);
  if (endpoints.length === 0) return;
  const list = endpoints.map(({ id, name }) => `name:${JSON.stringify(name)} id:"${id.slice(0, 12)}"`);
  refuse(`network ${network.name} has active endpoints (${list.join(", ")})`);
}
