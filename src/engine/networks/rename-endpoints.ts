/** A running container that is called otherwise is found by its new name, and by the old one no more. */
import { endpointNames } from "../../core/network/endpoint-names.ts";
import type { Container } from "../containers/container.ts";
import type { NetworkParts } from "./network-parts.ts";
import { placesOf } from "./places.ts";

export function renameEndpoints(
  { networks, names }: Pick<NetworkParts, "networks" | "names">,
  container: Container,
): void {
  const { id, name, config } = container;
  for (const { network, attachment, endpoint } of placesOf(networks, id)) {
    if (endpoint.names.length === 0) continue;
    const aliases = attachment.config.Aliases ?? [];
    networks.putEndpoint({
      ...endpoint,
      names: endpointNames({ id, name, hostname: config.Hostname, aliases }),
    });
    names.changed(network.id);
  }
}
