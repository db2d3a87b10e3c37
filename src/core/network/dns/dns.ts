/**
 * The name server of user networks: the contract. Every container has it at 127.0.0.11, on sockets in the container's own
 * network namespace; one object serves them all.
 *
 * On crash: the sockets are not the daemon's, the container's shim keeps them. What arrives while there is no daemon waits
 * in the kernel's buffers, and is answered when the next one adds the same sockets; what does not fit there, and what was being
 * asked elsewhere, is lost, and resolvers ask again. Nothing is stored, so nothing has to be mended.
 */
import type { NameView } from "./name-view.ts";

export interface EndpointSockets {
  /** Bound. */
  readonly udpFd: number;
  /** Bound and listening. */
  readonly tcpFd: number;
}

export interface NameServer {
  /**
   * Serves a container from now on. The descriptors are the server's from here, also when it throws; duplicates of them that
   * others hold stay as they are. `view` is called for every batch of queries, so it must be cheap. Throws `conflict` for a
   * container that is served already.
   */
  add(containerId: string, sockets: EndpointSockets, view: () => NameView): void;

  /** Whether it is served. */
  has(containerId: string): boolean;

  /** Serves it no more: closes descriptors and connections, gives up what is under way. An unknown one is fine. */
  remove(containerId: string): void;

  /** Removes all of them. */
  close(): void;

  readonly counters: Readonly<DnsCounters>;
}

/** Since the start, of all containers together. */
export interface DnsCounters {
  /** Messages that came. */
  queries: number;
  /** Given by this server itself, failures among them. */
  answered: number;
  /** Answers of other servers, handed on. */
  forwarded: number;
  /** No other server gave one: SERVFAIL. */
  unanswered: number;
  /** Beyond a limit: silence, as if the datagram had been lost. */
  dropped: number;
}

export interface DnsLimits {
  /** Of one container: queries a second, all of them and those that go elsewhere. The double may come at once. */
  readonly queriesPerSecond: number;
  readonly forwardsPerSecond: number;
  /** Asked elsewhere at the same time, by one container and by all of them. */
  readonly forwardsOfOne: number;
  readonly forwardsOfAll: number;
  /** Open TCP connections of one container; more wait to be accepted. */
  readonly connections: number;
  /** A TCP connection without a whole query for this long is closed. */
  readonly idleMs: number;
  /** Time for each of the other servers. */
  readonly upstreamMs: number;
}

/** As Docker's, where it has one. */
export const DNS_LIMITS: DnsLimits = {
  queriesPerSecond: 100_000,
  forwardsPerSecond: 1000,
  forwardsOfOne: 256,
  forwardsOfAll: 1024,
  connections: 32,
  idleMs: 10_000,
  upstreamMs: 4000,
};
