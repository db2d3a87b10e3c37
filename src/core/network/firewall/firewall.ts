/**
 * What the host's nftables shall do for the networks of containers: the contract. `firewallOf` (`table.ts`) decides on the one table
 * for all of them. Its chains are always the same; networks and published ports are elements of its sets and maps, so that whatever begins
 * or ends is a transaction of a few elements and not of rules.
 *
 * On crash: the table stays as it is and goes on working. Whoever starts again calls `reconcile` with what should be.
 */
import type { GatewayMode } from "../driver-settings.ts";
import type { Publication } from "../publications.ts";

export interface FirewallNetwork {
  /** The link of the host that its containers are connected to. */
  readonly bridge: string;
  /** Neither in nor out, but by the host itself. */
  readonly internal: boolean;
  /** Without it containers of the network reach only published ports of each other. */
  readonly icc: boolean;
  /** What leaves has an address of the host. Of the modes with "nat" only. */
  readonly masquerade: boolean;
  /** How the world gets to its containers. */
  readonly gatewayMode: Readonly<Record<"ipv4" | "ipv6", GatewayMode>>;
  /** The addresses that what leaves has then, instead of those of the link it leaves by. */
  readonly hostIpv4?: string | undefined;
  readonly hostIpv6?: string | undefined;
  /** Links of the host from where published ports are also reached by the containers' own addresses. */
  readonly trustedInterfaces: readonly string[];
}

/** With a host's address of one version of IP and a container's of the other it is not the table's business but the forwarder's. */
export interface FirewallPublication extends Publication {
  /** The link of the network by which it is reached. */
  readonly bridge: string;
}

export interface FirewallOptions {
  /** The name of the table. */
  readonly table: string;
  /** What these are false for passes the table as if it was not there, and nothing is translated. */
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  /** Bit in the mark of packets that were accepted here, for other tables that let them pass by it. */
  readonly mark: number;
  /** Published ports are reached by containers' own addresses, too, wherever packets come from (`allow-direct-routing`). */
  readonly directRouting: boolean;
  /** Packets with this in their mark reach every port of containers (`bridge-accept-fwmark`). */
  readonly acceptMark?: { readonly value: number; readonly mask: number } | undefined;
  /** What is neither from nor to one of the networks is not forwarded: where forwarding was switched on for them alone. */
  readonly closed: Readonly<Record<"ipv4" | "ipv6", boolean>>;
}

export const DEFAULT_FIREWALL_OPTIONS: FirewallOptions = {
  table: "gantry",
  ipv4: true,
  ipv6: true,
  mark: 0x0100_0000,
  directRouting: false,
  closed: { ipv4: false, ipv6: false },
};

export interface FirewallState {
  readonly networks: readonly FirewallNetwork[];
  /** Those of networks in `networks` that are not internal. No two of the same protocol, host address and port. */
  readonly publications: readonly FirewallPublication[];
}
