/** A network as it is stored: what was asked, and the subnets that it was given. */
import type { Subnets } from "./ipam.ts";
import type { SubnetConfig } from "./subnet-config.ts";

export type NetworkDriver = "bridge" | "macvlan" | "ipvlan" | "host" | "null";

export interface NetworkRecord {
  readonly id: string;
  readonly name: string;
  /** RFC 3339. */
  readonly created: string;
  /** "null" for the network without any and for configurations only. */
  readonly driver: NetworkDriver;
  readonly hasIpv4: boolean;
  readonly hasIpv6: boolean;
  readonly isInternal: boolean;
  readonly isAttachable: boolean;
  /** It lends its configuration to others, and is none itself. */
  readonly isConfigOnly: boolean;
  /** Name of the network that lent its configuration, "" = none. */
  readonly configFrom: string;
  /** Read by `driverSettings`. */
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly ipam: IpamRecord;
  /** What there is of it: no entries where the network has no addresses of its own. */
  readonly subnets: Subnets;
}

export interface IpamRecord {
  readonly options: Readonly<Record<string, string>> | null;
  /** As the user wrote them; no entries = one is chosen. */
  readonly ipv4: readonly SubnetConfig[];
  readonly ipv6: readonly SubnetConfig[];
}

const PREDEFINED: ReadonlySet<string> = new Set(["bridge", "host", "none", "default"]);

/** Names that are the daemon's: "default" stands for the default network. */
export function isPredefined(name: string): boolean {
  return PREDEFINED.has(name);
}

/** Whether containers on it find each other by name, and have aliases. */
export function isUserDefined(name: string): boolean {
  return !isPredefined(name) && !name.startsWith("container:");
}
