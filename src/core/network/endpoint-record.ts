/**
 * A container's place in a network, in two parts that never mix: what was asked of it, for as long as the container
 * exists, and what there is of it, for as long as the container runs.
 */
import type { EndpointConfig } from "../../specs/engine/network.ts";
import type { EndpointRates } from "./endpoint-rates.ts";
import type { Publication } from "./publications.ts";

export interface AttachmentRecord {
  readonly container: string;
  /** The network's name; or what the user called it, while no network answers to that. */
  readonly network: string;
  /** "" = it has not been found yet. */
  readonly networkId: string;
  readonly config: EndpointConfig;
}

export interface EndpointRecord {
  readonly id: string;
  readonly network: string;
  readonly container: string;
  /** In the container: "eth0". */
  readonly interfaceName: string;
  /** "02:42:ac:11:00:02". */
  readonly macAddress: string;
  /** With its subnet's length: "172.17.0.2/16"; "" = none. */
  readonly ipv4: string;
  readonly ipv6: string;
  readonly linkLocalIps: readonly string[];
  /** Where packets for elsewhere go; "" = nowhere. */
  readonly ipv4Gateway: string;
  readonly ipv6Gateway: string;
  /** What others in the network may call the container; the first one is its name. None on the default network. */
  readonly names: readonly string[];
  /** Container ports that are exposed, "80/tcp", published or not. */
  readonly exposed: readonly string[];
  /** What the host forwards to it, with the ports that were free. */
  readonly ports: readonly Publication[];
  /** Undefined: it has never been limited, so there is nothing of that on the host to look for. */
  readonly rates?: EndpointRates | undefined;
}
