/** The name server of all containers; see `dns.ts`. */
import { fail } from "../../../base/errors.ts";
import { type Logger, NO_LOG } from "../../../base/log.ts";
import { DnsClient, type Shared } from "./client.ts";
import {
  DNS_LIMITS,
  type DnsCounters,
  type DnsLimits,
  type EndpointSockets,
  type NameServer,
} from "./dns.ts";
import type { DnsNative } from "./exchange.ts";
import type { NameView } from "./name-view.ts";

export interface DnsServerOptions {
  readonly native: DnsNative;
  readonly limits?: Partial<DnsLimits>;
  readonly log?: Logger;
}

export class DnsServer implements NameServer {
  readonly counters: DnsCounters = { queries: 0, answered: 0, forwarded: 0, unanswered: 0, dropped: 0 };
  readonly #shared: Shared;
  readonly #clients = new Map<string, DnsClient>();

  constructor({ native, limits, log = NO_LOG }: DnsServerOptions) {
    this.#shared = {
      native,
      limits: { ...DNS_LIMITS, ...limits },
      counters: this.counters,
      log: log.with({ component: "dns" }),
      forwards: 0,
    };
  }

  add(containerId: string, sockets: EndpointSockets, view: () => NameView): void {
    const client = new DnsClient(this.#shared, sockets, view);
    try {
      if (this.#clients.has(containerId))
        throw fail("conflict", `container "${containerId}" has a name server already`);
      client.open();
    } catch (error) {
      client.close();
      throw error;
    }
    this.#clients.set(containerId, client);
  }

  has(containerId: string): boolean {
    return this.#clients.has(containerId);
  }

  remove(containerId: string): void {
    const client = this.#clients.get(containerId);
    this.#clients.delete(containerId);
    client?.close();
  }

  close(): void {
    for (const containerId of this.#clients.keys()) this.remove(containerId);
  }
}
