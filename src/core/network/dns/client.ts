/** One container as the name server sees it: its sockets, its limits, and what is under way for it. */
import { adoptSocket } from "../../../base/bun-socket.ts";
import { messageOf } from "../../../base/errors.ts";
import type { Logger } from "../../../base/log.ts";
import type { Datagram } from "../../../linux/native-sockets.ts";
import { serveConnection } from "./connection.ts";
import { type Decision, decide, type DecideOptions } from "./decide.ts";
import type { DnsCounters, DnsLimits, EndpointSockets } from "./dns.ts";
import type { DnsNative } from "./exchange.ts";
import { forward } from "./forward.ts";
import { readMessage } from "./message.ts";
import type { NameView } from "./name-view.ts";
import { Rate } from "./rate.ts";

/** What all clients of a server have in common. */
export interface Shared {
  readonly native: DnsNative;
  readonly limits: DnsLimits;
  readonly counters: DnsCounters;
  readonly log: Logger;
  /** Asked elsewhere at the moment, by all containers. */
  forwards: number;
}

/** A socket that the kernel had an error for is tried again after this. */
const AGAIN_MS = 1000;
const READ_AHEAD_BYTES = 8192;

function random(limit: number): number {
  return Math.floor(Math.random() * limit);
}

const OPTIONS: Readonly<Record<"udp" | "tcp", DecideOptions>> = {
  udp: { transport: "udp", random },
  tcp: { transport: "tcp", random },
};

export class DnsClient {
  readonly #shared: Shared;
  readonly #sockets: EndpointSockets;
  readonly #view: () => NameView;
  readonly #queryRate: Rate;
  readonly #forwardRate: Rate;
  readonly #end = new AbortController();
  readonly #timers = new Set<NodeJS.Timeout>();
  #forwards = 0;
  #connections = 0;
  #isListening = false;

  constructor(shared: Shared, sockets: EndpointSockets, view: () => NameView) {
    this.#shared = shared;
    this.#sockets = sockets;
    this.#view = view;
    const nowMs = performance.now();
    this.#queryRate = new Rate(shared.limits.queriesPerSecond, nowMs);
    this.#forwardRate = new Rate(shared.limits.forwardsPerSecond, nowMs);
  }

  /** Throws what the kernel has against the sockets; then close() is due all the same. */
  open(): void {
    this.#watchDatagrams();
    this.#listen();
  }

  /** Once. */
  close(): void {
    const { native } = this.#shared;
    this.#end.abort();
    for (const timer of this.#timers) clearTimeout(timer);
    for (const fd of [this.#sockets.udpFd, this.#sockets.tcpFd]) {
      native.unwatch(fd);
      native.closeFd(fd);
    }
  }

  #watchDatagrams(): void {
    this.#shared.native.watchDatagrams(this.#sockets.udpFd, {
      batch: (datagrams) => this.#datagrams(datagrams),
      ended: (error) => this.#again(error, () => this.#watchDatagrams()),
    });
  }

  /** For the next connection. Those that are too many wait in the kernel's queue, which is short. */
  #listen(): void {
    if (this.#isListening) return;
    this.#shared.native.watchConnection(this.#sockets.tcpFd, {
      connection: (fd) => {
        this.#isListening = false;
        this.#connections++;
        this.#listenOn();
        void this.#connection(fd);
      },
      ended: (error) => {
        this.#isListening = false;
        this.#again(error, () => this.#listen());
      },
    });
    this.#isListening = true;
  }

  #listenOn(): void {
    if (this.#end.signal.aborted || this.#connections >= this.#shared.limits.connections) return;
    this.#orAgain(() => this.#listen());
  }

  #again(error: unknown, watch: () => void): void {
    this.#shared.log.warn("a socket of a container's name server failed", { error: messageOf(error) });
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#orAgain(watch);
    }, AGAIN_MS);
    this.#timers.add(timer);
  }

  #orAgain(watch: () => void): void {
    try {
      watch();
    } catch (error) {
      this.#again(error, watch);
    }
  }

  #datagrams(datagrams: readonly Datagram[]): void {
    const answers: Datagram[] = [];
    for (const { peer, bytes } of datagrams) {
      const decision = this.#decide(bytes, "udp");
      if (decision?.kind === "answer") answers.push({ peer, bytes: decision.bytes });
      // The batch is large, and an answer from elsewhere takes its time: nothing of it is kept meanwhile.
      else if (decision?.kind === "forward") void this.#forwardDatagram(decision, Uint8Array.from(peer));
    }
    if (answers.length > 0) this.#shared.native.sendDatagrams(this.#sockets.udpFd, answers);
  }

  async #forwardDatagram(decision: Decision & { kind: "forward" }, peer: Uint8Array): Promise<void> {
    const bytes = await this.#forward(decision, "udp");
    if (bytes === undefined || this.#end.signal.aborted) return;
    this.#shared.native.sendDatagrams(this.#sockets.udpFd, [{ peer, bytes }]);
  }

  async #connection(fd: number): Promise<void> {
    const { limits } = this.#shared;
    try {
      const stream = await adoptSocket(fd, READ_AHEAD_BYTES);
      await serveConnection(stream, {
        answer: (query) => this.#answer(query),
        idleMs: limits.idleMs,
        signal: this.#end.signal,
      });
    } catch (error) {
      // The runtime did not take it over. Whether it closed it is not known; closing another's in its place would be worse.
      this.#shared.log.warn("a connection to a container's name server failed", {
        error: messageOf(error),
      });
    } finally {
      this.#connections--;
      this.#listenOn();
    }
  }

  async #answer(query: Uint8Array): Promise<Uint8Array | undefined> {
    const decision = this.#decide(query, "tcp");
    if (decision?.kind === "forward") return this.#forward(decision, "tcp");
    return decision?.kind === "answer" ? decision.bytes : undefined;
  }

  /** Undefined: beyond the limit, or a fault of ours; a container's bytes must never be the daemon's end. */
  #decide(bytes: Uint8Array, transport: "udp" | "tcp"): Decision | undefined {
    const { counters, log } = this.#shared;
    counters.queries++;
    if (!this.#queryRate.take(performance.now())) {
      counters.dropped++;
      return undefined;
    }
    try {
      const decision = decide(bytes, this.#view(), OPTIONS[transport]);
      if (decision.kind === "answer") counters.answered++;
      return decision;
    } catch (error) {
      log.error("cannot answer a name server's query", { error: messageOf(error) });
      return undefined;
    }
  }

  async #forward(
    decision: Decision & { kind: "forward" },
    transport: "udp" | "tcp",
  ): Promise<Uint8Array | undefined> {
    const { native, limits, counters, log } = this.#shared;
    const isTooMany =
      this.#forwards >= limits.forwardsOfOne ||
      this.#shared.forwards >= limits.forwardsOfAll ||
      !this.#forwardRate.take(performance.now());
    if (isTooMany) {
      counters.dropped++;
      return undefined;
    }
    this.#forwards++;
    this.#shared.forwards++;
    try {
      const answer = await forward(native, {
        query: readMessage(Uint8Array.from(decision.query.bytes)),
        transport,
        upstreams: decision.upstreams,
        like: this.#sockets.udpFd,
        timeoutMs: limits.upstreamMs,
        signal: this.#end.signal,
      });
      if (answer === undefined) return undefined;
      if (answer.isOthers) counters.forwarded++;
      else counters.unanswered++;
      return answer.bytes;
    } catch (error) {
      log.error("cannot ask another name server", { error: messageOf(error) });
      return undefined;
    } finally {
      this.#forwards--;
      this.#shared.forwards--;
    }
  }
}
