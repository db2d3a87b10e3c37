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

/** Also for the network that every daemon has. The caller holds the lock of the networks. */
export async function makeNetwork(
  { network: parts, log }: Pick<NetworkVerbDeps, "network" | "log">,
  { network, ipv4, ipv6, withoutGateway }: NetworkPlan,
  identity = { id: randomBytes(32).toString("hex"), created: formatTime(nowNs()) },
): Promise<NetworkRecord> {
  const { networks, ipam, firewall } = parts;
  const { id } = identity;
  checkNeighbours({ ...network, id }, networks.all());
  const choosesSubnet = [...ipv4, ...ipv6].some(({ subnet }) => subnet === "");
  const routes = choosesSubnet ? await parts.hostRoutes() : [];
  const subnets = ipam.reserve({ id, ipv4, ipv6, routes, withoutGateway });
  const record: NetworkRecord = { ...network, ...identity, subnets };
  const driver = parts.driverOf(record);
  try {
    if (!record.isConfigOnly) {
      await parts.prepareHost(record);
      await driver.raise(record);
      firewall.putNetwork(record);
      await firewall.apply();
    }
    networks.add(record);
    return record;
  } catch (error) {
    firewall.removeNetwork(id);
    await driver
      .lower(record)
      .then(() => firewall.apply())
      .catch((cause: unknown) =>
        log.warn("left for the next start", { network: record.name, error: messageOf(cause) }),
      );
    ipam.release(id);
    throw error;
  }
}
