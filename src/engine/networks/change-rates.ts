/**
 * Limits of what a container takes and sends, changed while it runs.
 *
 * On crash: what is written counts, and the next start has the kernel do it (`adoptNetworks`).
 */
import { checkRatesIn, type EndpointRates } from "../../core/network/endpoint-rates.ts";
import type { EndpointRecord } from "../../core/network/endpoint-record.ts";
import type { NetworkRecord } from "../../core/network/network-record.ts";
import type { HostConfig } from "../../specs/engine/container.ts";
import type { Container } from "../containers/container.ts";
import type { LiveChange } from "../containers/live-change.ts";
import type { NetworkParts } from "./network-parts.ts";
import { placesOf } from "./places.ts";

export function ratesOf({ NetRateIn, NetRateOut }: HostConfig): EndpointRates {
  return { inBits: NetRateIn, outBits: NetRateOut };
}

/** Throws `not_implemented` for a network whose members cannot be limited. */
export function changeRates(
  parts: Pick<NetworkParts, "networks" | "driverOf">,
  before: Container,
  after: Pick<Container, "host">,
): readonly LiveChange[] {
  const { networks } = parts;
  const [old, now] = [ratesOf(before.host), ratesOf(after.host)];
  if (old.inBits === now.inBits && old.outBits === now.outBits) return [];
  const places = placesOf(networks, before.id).filter(({ endpoint }) => endpoint.interfaceName !== "");
  for (const { network } of places) checkRatesIn(network, now);
  return [
    {
      // No limits are said to be none: who was limited before may have left something on the host.
      write: (which) => {
        for (const { endpoint } of places)
          networks.putEndpoint({
            ...(networks.endpoint(endpoint.id) ?? endpoint),
            rates: which === "after" ? now : old,
          });
      },
      enforce: async () => {
        for (const { network, endpoint } of places) await enforceRates(parts, network, endpoint.id);
      },
      settle: () => {},
      undo: () => Promise.resolve(),
    },
  ];
}

async function enforceRates(
  { networks, driverOf }: Pick<NetworkParts, "networks" | "driverOf">,
  network: NetworkRecord,
  endpointId: string,
): Promise<void> {
  const endpoint: EndpointRecord | undefined = networks.endpoint(endpointId);
  if (endpoint === undefined) return;
  const driver = driverOf(network);
  try {
    await driver.limit(network, endpoint);
  } finally {
    // Its container has left meanwhile, and taken away what there was by then.
    if (networks.endpoint(endpointId) === undefined) await driver.retire(network, endpoint);
  }
}
