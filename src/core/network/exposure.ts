/** Who reaches a port of a container: the words for it. */
import type { IpAddress, IpFamily } from "../../base/ip-address.ts";

/**
 * loopback: programs of the host, by 127.0.0.1 or ::1. host: the same by any other address. lan: other machines. network: containers
 * in the same network. networks: containers that are in none of its networks.
 */
export type Source = "loopback" | "host" | "lan" | "network" | "networks";

export interface Reach {
  /** "80/tcp" */
  readonly port: string;
  readonly network: string;
  readonly family: IpFamily;
  readonly from: Source;
  /** "0.0.0.0:8080" is any address of the host's; none: it is not reached. */
  readonly by: readonly string[];
  readonly why: string;
}

export interface ExplainOptions {
  /** Versions of IP whose rules are ours. */
  readonly translates: Readonly<Record<IpFamily, boolean>>;
  /** Where no rule can lead, a program does (`userland-proxy`). */
  readonly forwardsPorts: boolean;
  readonly directRouting: boolean;
  /** The host's other filters have the last word (`firewall-mode`). */
  readonly respectsHost: boolean;
  /** Packets between neighbours pass the filters, too (br_netfilter). */
  readonly filtersBridges: boolean;
}

/** One address, from one source. */
export interface Way {
  readonly by: string;
  readonly isOpen: boolean;
  readonly why: string;
}

export function isLoopback({ family, value }: IpAddress): boolean {
  return family === 4 ? value >> 24n === 127n : value === 1n;
}

/** What is forwarded passes other filters of the host, too. */
export function asFarAsHostLets(why: string, { respectsHost }: Pick<ExplainOptions, "respectsHost">): string {
  return respectsHost ? `${why}, if the host's own firewall lets it through` : why;
}
