/** A container's places in its networks, as they are asked for and as they are now. */
import { fail } from "../../base/errors.ts";
import type { AttachmentRecord } from "../../core/network/endpoint-record.ts";
import type { Place } from "../../core/network/gateways.ts";
import type { NetworkRecord } from "../../core/network/network-record.ts";
import type { Networks } from "../../core/network/networks.ts";
import type { Container } from "../containers/container.ts";
import { findOrNone } from "./attachments.ts";
import type { Membership } from "./endpoint-documents.ts";

/** For inspect and lists. */
export function membershipsOf(
  networks: Pick<Networks, "attachments" | "endpointsIn">,
  containerId: string,
): readonly Membership[] {
  const endpoints = networks.endpointsIn(containerId);
  return networks.attachments(containerId).map((attachment) => ({
    attachment,
    endpoint: endpoints.find(({ network }) => network === attachment.networkId),
  }));
}

/** Those that it has while it runs, in the order of attachment. */
export function placesOf(networks: Networks, containerId: string): readonly Place[] {
  return membershipsOf(networks, containerId).flatMap(({ attachment, endpoint }) => {
    const network = endpoint && networks.get(endpoint.network);
    return endpoint === undefined || network === undefined ? [] : [{ network, attachment, endpoint }];
  });
}

/**
 * The networks that it asks for. One that was not there when it was asked for, or was removed and made again, is found by its
 * name, and remembered. Throws `not_found`.
 */
export function wantedNetworks(
  networks: Networks,
  container: Container,
): readonly { readonly network: NetworkRecord; readonly attachment: AttachmentRecord }[] {
  return networks.attachments(container.id).map((attachment) => {
    const known = attachment.networkId === "" ? undefined : networks.get(attachment.networkId);
    const network = known ?? findOrNone(networks, attachment.network);
    if (network === undefined)
      throw fail("not_found", `network ${attachment.network.slice(0, 300)} not found`);
    if (network.id === attachment.networkId) return { network, attachment };
    const found = { ...attachment, network: network.name, networkId: network.id };
    const durability = container.host.AutoRemove ? "process" : "durable";
    if (network.name !== attachment.network) networks.detach(container.id, attachment.network, durability);
    networks.attach(found, durability);
    return { network, attachment: found };
  });
}
