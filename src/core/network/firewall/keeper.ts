/**
 * What the firewall has to know, gathered from those who know a part of it each: networks as they come and go, endpoints with
 * their publications. Many changes at a time become one transaction.
 *
 * On crash: nothing here is stored; the next start gathers again, from the records.
 */
import { bridgeNameOf } from "../link-names.ts";
import type { EndpointRecord } from "../endpoint-record.ts";
import type { NetworkRecord } from "../network-record.ts";
import type { FirewallNetwork, FirewallPublication, FirewallState } from "./firewall.ts";
import type { HostFirewall } from "./host-firewall.ts";
import { firewallNetworkOf } from "./network-facts.ts";

export class FirewallKeeper {
  readonly #firewall: Pick<HostFirewall, "apply">;
  readonly #networks = new Map<string, FirewallNetwork>();
  /** Of `#networks`; the same array as long as none of them changes, by which the firewall knows that none did. */
  #networkList: readonly FirewallNetwork[] | undefined;
  /** By endpoint. */
  readonly #publications = new Map<string, readonly FirewallPublication[]>();
  #last: Promise<void> = Promise.resolve();
  /** An application that has not looked at the state yet. */
  #next: Promise<void> | undefined;

  constructor(firewall: Pick<HostFirewall, "apply">) {
    this.#firewall = firewall;
  }

  /** Networks that are none of the firewall's business are passed over. */
  putNetwork(record: NetworkRecord): void {
    const network = firewallNetworkOf(record);
    if (network === undefined || record.isConfigOnly) return;
    this.#networks.set(record.id, network);
    this.#networkList = undefined;
  }

  removeNetwork(id: string): void {
    this.#networks.delete(id);
    this.#networkList = undefined;
  }

  /** Takes the place of what the endpoint had before. Tells whether there is anything to apply. */
  publish(network: NetworkRecord, { id, ports }: EndpointRecord): boolean {
    const bridge = bridgeNameOf(network);
    const publications = ports
      .filter(({ hostIp, containerIp }) => hostIp.includes(":") === containerIp.includes(":"))
      .map((publication) => ({ ...publication, bridge }));
    if (publications.length === 0 || network.isInternal || !this.#networks.has(network.id))
      return this.unpublish(id);
    this.#publications.set(id, publications);
    return true;
  }

  /** Tells whether there is anything to apply. */
  unpublish(endpointId: string): boolean {
    return this.#publications.delete(endpointId);
  }

  /**
   * When it resolves, all that was said before is in force. When it rejects, everything said since the last success may be in
   * force or not: the next application puts it right.
   */
  apply(): Promise<void> {
    if (this.#next === undefined) {
      const next = this.#last
        .catch(() => {})
        .then(() => {
          this.#next = undefined;
          return this.#firewall.apply(this.#state());
        });
      this.#next = next;
      this.#last = next;
    }
    return this.#next;
  }

  #state(): FirewallState {
    this.#networkList ??= [...this.#networks.values()];
    return {
      networks: this.#networkList,
      publications: [...this.#publications.values()].flat(),
    };
  }
}
