/**
 * A running container whose networks were being changed when the daemon was killed. Nobody was told what has become of the change, so
 * what counts is what has a row:
 *
 *     attachment with an endpoint      the container is there: its link is made whole, or anew
 *     attachment without               it has not come yet, or has gone: it is forgotten
 *     link of ours without endpoint    is deleted
 *     routes, published ports, files   are made to fit
 *
 * On crash: the container is still known as one to be mended.
 */
import { gatewaysOf, waysOf } from "../../core/network/gateways.ts";
import type { Task } from "../../core/tasks/tasks.ts";
import type { Container } from "../containers/container.ts";
import { mendHostsFile } from "../containers/network-files.ts";
import { containerPaths } from "../containers/paths.ts";
import type { NetworkParts } from "./network-parts.ts";
import { membershipsOf, placesOf } from "./places.ts";
import { movePorts } from "./publish.ts";
import { ownAddresses, servesNames, writeResolvConf } from "./resolver.ts";

export interface MendDeps {
  readonly network: NetworkParts;
  readonly containersDir: string;
}

/** Before it is adopted: the firewall and the name server go by the rows. Rejects when the kernel refuses; then it is to be mended yet. */
export async function mendNetworks(deps: MendDeps, container: Container, task: Task): Promise<void> {
  const parts = deps.network;
  const { networks, sandboxes } = parts;
  const { id, config, host } = container;
  for (const { attachment, endpoint } of membershipsOf(networks, id))
    if (endpoint === undefined)
      networks.detach(id, attachment.network, host.AutoRemove ? "process" : "durable");
  const places = placesOf(networks, id);
  const gateways = gatewaysOf(places);
  const members = places
    .filter(({ endpoint }) => endpoint.interfaceName !== "")
    .map((place) => ({ ...place, ways: waysOf(place, gateways) }));
  await sandboxes.mend(task, members);
  await sandboxes.reroute(task, members);
  networks.together(() => movePorts(parts, places, gateways));
  const paths = containerPaths(deps.containersDir, id);
  mendHostsFile(
    paths.hosts,
    { hostname: config.Hostname, domainname: config.Domainname },
    ownAddresses(places),
  );
  if (servesNames(places)) {
    const before = places.map((place) => places.filter((other) => other !== place));
    writeResolvConf(parts, paths.resolvConf, container, before, places);
  }
  networks.endChange(id);
}
