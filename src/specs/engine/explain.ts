/** GET /containers/{id}/ports/explain: Gantry's own. Who reaches which port of a container, and why or why not. */

export interface PortsExplanation {
  readonly Id: string;
  /** Without a leading slash. */
  readonly Name: string;
  readonly Ports: readonly PortReach[];
  /** What there is to say besides, a sentence each. */
  readonly Notes: readonly string[];
}

export interface PortReach {
  /** "80/tcp". */
  readonly Port: string;
  /** The network by which it is reached, or would be. */
  readonly Network: string;
  readonly IPVersion: 4 | 6;
  /** loopback, host: programs of the host; lan: other machines; network, networks: containers in the same one, and in others. */
  readonly From: "loopback" | "host" | "lan" | "network" | "networks";
  readonly Reachable: boolean;
  /** Addresses with ports; "0.0.0.0" and "[::]" are any address of the host. */
  readonly By: readonly string[];
  readonly Why: string;
}
