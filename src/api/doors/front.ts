/**
 * What stands in front of the HTTP server where it cannot listen itself: connections that came by TCP, TLS or a socket of
 * systemd's are piped, bytes untouched, into the server's unix socket.
 *
 * Each direction ends by itself, so that a client whose input has ended still reads its output; a connection that breaks on one
 * side is broken on the other, so that the server sees who has gone; a reader that is slow slows the writer down. What a front
 * may hold is limited, whoever knocks: the engine's other doors stay open.
 */
import { connect, type Socket } from "node:net";
import type { Logger } from "../../base/log.ts";
import { messageOf } from "../../base/errors.ts";
import type { Peer } from "./peer.ts";
import type { PeerServers } from "./peer-servers.ts";

export interface FrontLimits {
  readonly connections: number;
  /** Of one address; those without an address are not counted. */
  readonly perAddress: number;
  /** A connection that has not begun a request by then is closed; what it has begun is the server's to time. */
  readonly silenceMs: number;
}

export const FRONT_LIMITS: FrontLimits = { connections: 1024, perAddress: 256, silenceMs: 60_000 };

/** A client that vanished without a word is noticed after some of these. */
const KEEP_ALIVE_MS = 15_000;
/** What was answered last may still be on its way to a slow reader when the server is done with it. */
const LINGER_MS = 30_000;
/** A door that is knocked at too often is complained of once in a while. */
const COMPLAINT_EVERY_MS = 60_000;
const CR = 13;
const LF = 10;

export class Front {
  readonly #serverPath: string;
  readonly #limits: FrontLimits;
  readonly #log: Logger;
  readonly #peers: PeerServers | undefined;
  readonly #open = new Set<Socket>();
  readonly #byAddress = new Map<string, number>();
  #complainedAt = Number.NEGATIVE_INFINITY;

  /** Clients that have shown who they are go to their servers among `peers`; all others to `serverPath`. */
  constructor(serverPath: string, log: Logger, limits: FrontLimits = FRONT_LIMITS, peers?: PeerServers) {
    this.#serverPath = serverPath;
    this.#log = log.with({ component: "doors" });
    this.#limits = limits;
    this.#peers = peers;
  }

  get connections(): number {
    return this.#open.size;
  }

  /** Counts a connection from its first moment, before TLS has told anything of it; false: it was refused. */
  admit(socket: Socket): boolean {
    const address = socket.remoteAddress ?? "";
    const before = this.#byAddress.get(address) ?? 0;
    const isTooMany = address !== "" && before >= this.#limits.perAddress;
    if (isTooMany || this.#open.size >= this.#limits.connections) {
      socket.destroy();
      this.#complain(address);
      return false;
    }
    this.#open.add(socket);
    this.#byAddress.set(address, before + 1);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => {
      this.#open.delete(socket);
      const left = (this.#byAddress.get(address) ?? 1) - 1;
      if (left > 0) this.#byAddress.set(address, left);
      else this.#byAddress.delete(address);
    });
    return true;
  }

  /** Joins an admitted connection with one to the server; `peer`: who its client is. */
  forward(outer: Socket, peer?: Peer): void {
    if (!this.#open.has(outer)) {
      outer.destroy();
      return;
    }
    outer.setKeepAlive(true, KEEP_ALIVE_MS);
    if (peer === undefined || this.#peers === undefined) {
      this.#join(outer, this.#serverPath);
      return;
    }
    const { path, listening, release } = this.#peers.acquire(peer);
    outer.once("close", release);
    listening.then(
      () => this.#join(outer, path),
      (error: unknown) => {
        this.#log.error("cannot serve a client", { user: peer.user, error: messageOf(error) });
        outer.destroy();
      },
    );
  }

  #join(outer: Socket, path: string): void {
    if (outer.destroyed) return;
    closeIfSilent(outer, this.#limits.silenceMs);
    const inner = connect({ path, allowHalfOpen: true });
    inner.on("error", () => outer.destroy());
    outer.once("close", () => inner.destroy());
    inner.once("close", () => {
      if (!outer.writableEnded) outer.destroy();
      else if (!outer.destroyed) outer.setTimeout(LINGER_MS, () => outer.destroy());
    });
    outer.pipe(inner);
    inner.pipe(outer);
  }

  close(): void {
    for (const socket of this.#open) socket.destroy();
  }

  #complain(address: string): void {
    const now = performance.now();
    if (now - this.#complainedAt < COMPLAINT_EVERY_MS) return;
    this.#complainedAt = now;
    this.#log.warn("too many connections, some are refused", { address, open: this.#open.size });
  }
}

/** Line ends before a request are none of it (RFC 9112 section 2.2). */
function closeIfSilent(socket: Socket, silenceMs: number): void {
  const timer = setTimeout(() => socket.destroy(), silenceMs);
  const onData = (chunk: Buffer): void => {
    if (chunk.every((byte) => byte === CR || byte === LF)) return;
    clearTimeout(timer);
    socket.off("data", onData);
  };
  socket.on("data", onData);
  socket.once("close", () => clearTimeout(timer));
}
