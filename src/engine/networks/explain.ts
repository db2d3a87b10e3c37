/** GET /containers/{id}/ports/explain. Reads a snapshot; never waits for a lock. */
import { explainPorts } from "../../core/network/explain-ports.ts";
import type { ExplainOptions } from "../../core/network/exposure.ts";
import type { PortsExplanation } from "../../specs/engine/explain.ts";
import type { Container } from "../containers/container.ts";
import type { ContainerStore } from "../containers/store.ts";
import type { NetworkOptions, NetworkParts } from "./network-parts.ts";
import { placesOf } from "./places.ts";

export interface ExplainDeps {
  readonly store: Pick<ContainerStore, "get">;
  readonly network: Pick<NetworkParts, "networks" | "options">;
  /** Packets between neighbours pass the host's filters (br_netfilter). */
  readonly filtersBridges: () => boolean;
}

export function explain(deps: ExplainDeps, container: Container): PortsExplanation {
  const { networks, options } = deps.network;
  const places = container.task === undefined ? [] : placesOf(networks, container.id);
  const how = optionsOf(options, deps.filtersBridges());
  return {
    Id: container.id,
    Name: container.name,
    Ports: explainPorts(places, how).map(({ port, network, family, from, by, why }) => ({
      Port: port,
      Network: network,
      IPVersion: family,
      From: from,
      Reachable: by.length > 0,
      By: by,
      Why: why,
    })),
    Notes: notesOf(deps, container),
  };
}

function optionsOf(
  { firewall, forwardsPorts }: Pick<NetworkOptions, "firewall" | "forwardsPorts">,
  filtersBridges: boolean,
): ExplainOptions {
  const { iptables, ip6tables, allowDirectRouting, mode } = firewall;
  return {
    translates: { 4: iptables, 6: ip6tables },
    forwardsPorts,
    directRouting: allowDirectRouting,
    respectsHost: mode === "respect-host",
    filtersBridges,
  };
}

function notesOf({ store, network }: ExplainDeps, container: Container): readonly string[] {
  const { NetworkMode } = container.host;
  if (container.task === undefined) return ["the container does not run: none of its ports is reached"];
  if (NetworkMode === "host")
    return [
      "the container has the host's own network: what listens in it is reached as a program of the host is",
    ];
  if (NetworkMode.startsWith("container:")) {
    const id = NetworkMode.slice("container:".length);
    return [`the container has the network of ${store.get(id)?.name ?? id}: its ports are explained there`];
  }
  const places = placesOf(network.networks, container.id).filter(
    ({ endpoint }) => endpoint.interfaceName !== "",
  );
  if (places.length === 0) return ["the container is in no network"];
  const withoutIpv6 = places.filter(({ endpoint }) => endpoint.ipv6 === "");
  const { acceptMark } = network.options.firewall;
  return [
    ...(places.every(({ endpoint }) => endpoint.exposed.length === 0)
      ? ["no port is exposed or published: by its own addresses the host and its networks reach what listens"]
      : []),
    ...withoutIpv6.map(({ network: { name } }) => `network ${name} has no IPv6`),
    ...(acceptMark === undefined ? [] : ["packets with the mark of bridge-accept-fwmark reach every port"]),
  ];
}
