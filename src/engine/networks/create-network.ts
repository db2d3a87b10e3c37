/** POST /networks/create. */
import { randomBytes } from "node:crypto";
import { messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { checkNeighbours } from "../../core/network/check-connection.ts";
import type { NetworkRecord } from "../../core/network/network-record.ts";
import { type NetworkPlan, planNetwork } from "../../core/network/plan-network.ts";
import type { NetworkCreateRequest } from "../../specs/engine/network.ts";
import type { EventSink } from "../containers/announce.ts";
import { formatTime, nowNs } from "../containers/timestamp.ts";
import { announceNetwork } from "./announce-network.ts";
import type { NetworkParts } from "./network-parts.ts";

export interface NetworkVerbDeps {
  readonly network: NetworkParts;
  readonly events: EventSink;
  readonly log: Logger;
}

/**
 * Throws `conflict` for a name that is taken, `invalid_argument`, `forbidden`, `not_found`; and what the kernel refuses.
 *
 * On crash: the row comes last. Links and rules without it are garbage to the next start.
 */
export function createNetwork(deps: NetworkVerbDeps, request: NetworkCreateRequest): Promise<NetworkRecord> {
  const { network: parts } = deps;
  return parts.locks.run("networks", async () => {
    const plan = planNetwork(request, (name) => parts.networks.named(name), parts.options.networkOptions);
    const record = await makeNetwork(deps, plan);
    announceNetwork(deps.events, record, "create");
    return record;
  });
}

/**
 * The caller holds the lock of the networks. `restored`: the start of a daemon makes the network that every daemon has again, as
 * what it was before, if it was there; the firewall is applied when all containers are known, so that none is cut off meanwhile.
 */
export async function makeNetwork(
  { network: parts, log }: Pick<NetworkVerbDeps, "network" | "log">,
  { network, ipv4, ipv6, withoutGateway }: NetworkPlan,
  restored?: { readonly known: NetworkRecord | undefined },
): Promise<NetworkRecord> {
  const { networks, ipam, firewall } = parts;
  const known = restored?.known;
  const { id, created } = known ?? { id: randomBytes(32).toString("hex"), created: formatTime(nowNs()) };
  checkNeighbours({ ...network, id }, networks.all());
  const choosesSubnet = [...ipv4, ...ipv6].some(({ subnet }) => subnet === "");
  const routes = choosesSubnet ? await parts.hostRoutes() : [];
  const subnets = ipam.reserve({ id, ipv4, ipv6, routes, withoutGateway });
  const record: NetworkRecord = { ...network, id, created, subnets };
  const driver = parts.driverOf(record);
  try {
    if (!record.isConfigOnly) {
      await parts.prepareHost(record);
      firewall.putNetwork(record);
      // Rules go by a link's name and take it as it comes, so neither waits for the other; what is undone is undone after both.
      const made = [driver.raise(record), ...(restored === undefined ? [firewall.apply()] : [])];
      await Promise.allSettled(made);
      await Promise.all(made);
    }
    if (known === undefined) networks.add(record);
    else networks.replace(record);
    return record;
  } catch (error) {
    firewall.removeNetwork(id);
    // Containers may be on what there is of a known one.
    if (known === undefined) await withdraw(parts, record, log);
    ipam.release(id);
    throw error;
  }
}

async function withdraw(
  { driverOf, firewall }: NetworkParts,
  record: NetworkRecord,
  log: Logger,
): Promise<void> {
  try {
    await driverOf(record).lower(record);
    await firewall.apply();
  } catch (error) {
    log.warn("left for the next start", { network: record.name, error: messageOf(error) });
  }
}
