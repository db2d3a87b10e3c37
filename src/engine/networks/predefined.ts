/** The networks that every daemon has: "none", "host", and "bridge" as daemon.json says. */
import { randomBytes } from "node:crypto";
import { messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { NetworkRecord } from "../../core/network/network-record.ts";
import type { NetworkPlan } from "../../core/network/plan-network.ts";
import { formatTime, nowNs } from "../containers/timestamp.ts";
import { makeNetwork } from "./create-network.ts";
import type { NetworkParts } from "./network-parts.ts";

/**
 * Makes what is missing and keeps the ids of what is there. `plan`: of the network "bridge", undefined = there shall be none.
 * The other networks have their addresses by then. Never rejects: without its bridge a daemon has its other networks.
 *
 * On crash: the row is never away, so containers that go on are in it.
 */
export async function predefineNetworks(
  deps: { readonly network: NetworkParts; readonly log: Logger },
  plan: () => Promise<NetworkPlan | undefined>,
): Promise<void> {
  const { networks } = deps.network;
  for (const [name, driver] of [
    ["none", "null"],
    ["host", "host"],
  ] as const)
    if (networks.named(name) === undefined) networks.add(plainNetwork(name, driver));
  const known = networks.named("bridge");
  try {
    const wanted = await plan();
    if (wanted !== undefined) await makeNetwork(deps, wanted, { known });
    else if (known !== undefined) {
      networks.remove(known.id);
      deps.network.firewall.removeNetwork(known.id);
    }
  } catch (error) {
    deps.log.error("cannot make the default network", { error: messageOf(error) });
    if (known === undefined) return;
    deps.network.ipam.restore(known.id, known.subnets);
    deps.network.firewall.putNetwork(known);
  }
}

function plainNetwork(name: string, driver: "null" | "host"): NetworkRecord {
  return {
    id: randomBytes(32).toString("hex"),
    name,
    created: formatTime(nowNs()),
    driver,
    hasIpv4: true,
    hasIpv6: false,
    isInternal: false,
    isAttachable: false,
    isConfigOnly: false,
    configFrom: "",
    options: {},
    labels: {},
    ipam: { options: null, ipv4: [], ipv6: [] },
    subnets: { ipv4: [], ipv6: [] },
  };
}
