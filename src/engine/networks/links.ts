/**
 * Legacy links (`--link` on the default bridge): names of other containers in a container's hosts file. In networks of users
 * the name server knows them (`resolver.ts`).
 */
import { fail, messageOf } from "../../base/errors.ts";
import type { HostsLine } from "../../core/network/hosts-file.ts";
import type { HostConfig } from "../../specs/engine/container.ts";
import type { Container } from "../containers/container.ts";
import type { ContainerStore } from "../containers/store.ts";
import type { NetworkParts } from "./network-parts.ts";
import { placesOf } from "./places.ts";
import { linkOf, ownAddresses } from "./resolver.ts";

const DEFAULT_NETWORK = "bridge";

/** Who is linked must exist. Throws `invalid_argument`: not `not_found`, which clients take for a missing image. */
export function checkLinks(store: Pick<ContainerStore, "find">, host: HostConfig): void {
  if ((host.Links ?? []).length === 0) return;
  if (host.NetworkMode === "host")
    throw fail(
      "invalid_argument",
      "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
    );
  for (const link of host.Links ?? []) {
    const [alias, name] = linkOf(link);
    if (name === "" || alias === "")
      throw fail("invalid_argument", `bad format for links: ${link.slice(0, 200)}`);
    try {
      store.find(name);
    } catch (error) {
      throw fail("invalid_argument", `could not get container for ${name}: ${messageOf(error)}`, error);
    }
  }
}

/** Lines for the hosts file. Throws `conflict` for one that does not run. */
export function linkedHosts(
  store: Pick<ContainerStore, "find">,
  { networks }: Pick<NetworkParts, "networks">,
  container: Container,
): readonly HostsLine[] {
  if (container.host.NetworkMode !== DEFAULT_NETWORK) return [];
  return (container.host.Links ?? []).flatMap((link) => {
    const [alias, reference] = linkOf(link);
    const other = store.find(reference);
    if (other.task === undefined)
      throw fail(
        "conflict",
        `Cannot link to a non running container: /${other.name} AS /${container.name}/${alias}`,
      );
    const places = placesOf(networks, other.id).filter(({ network }) => network.name === DEFAULT_NETWORK);
    const name = [...new Set([alias, other.config.Hostname, other.name])].join(" ");
    return ownAddresses(places).map((address) => ({ address, name }));
  });
}
