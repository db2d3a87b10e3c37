/** A sink that takes datagrams: over UDP, or a unix socket on this host. */
import { errnoOf, fail } from "../../../base/errors.ts";
import type { Logger } from "../../../base/log.ts";
import type { Endpoint } from "../remote-log.ts";
import type { DatagramEncoder } from "../sinks/encoder.ts";
import { CONNECT_MS, endpointText, type Link, type LinkSockets, waitForRoom } from "./link.ts";
import type { LogRecord } from "./records.ts";
import { addressOf } from "./stream-link.ts";

type DatagramEndpoint = Extract<Endpoint, { kind: "udp" | "unixgram" }>;

/** The sink has no room for so long: it does not read. */
const ROOM_MS = 10_000;
const NO_BYTES = new Uint8Array(0);

export async function openDatagramLink(
  endpoint: DatagramEndpoint,
  encoder: DatagramEncoder,
  {
    sockets,
    log,
    signal,
  }: { readonly sockets: LinkSockets; readonly log: Logger; readonly signal: AbortSignal },
): Promise<Link> {
  const fd = await socketFor(endpoint, sockets, signal);
  return new DatagramLink(fd, encoder, { sockets, log, name: endpointText(endpoint) });
}

async function socketFor(
  endpoint: DatagramEndpoint,
  sockets: LinkSockets,
  signal: AbortSignal,
): Promise<number> {
  if (endpoint.kind === "udp") {
    const { host, port } = endpoint;
    const within = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)]);
    const address = await addressOf(host, within);
    return sockets.connectSocket({ transport: "udp", address, port, timeoutMs: CONNECT_MS });
  }
  let failure: unknown;
  for (const path of endpoint.paths) {
    try {
      return sockets.connectUnixDatagram(path);
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure ?? fail("internal", "a sink without a path");
}

interface DatagramParts {
  readonly sockets: LinkSockets;
  readonly log: Logger;
  readonly name: string;
}

class DatagramLink implements Link {
  /** The kernel gives a local peer what it has taken; what becomes of UDP nobody ever knows. So nothing is on its way. */
  readonly isCertain = true;
  readonly sentBytes = 0;
  readonly certainBytes = 0;
  readonly #fd: number;
  readonly #encoder: DatagramEncoder;
  readonly #parts: DatagramParts;
  #isOpen = true;
  readonly #gone = Promise.withResolvers<void>();

  constructor(fd: number, encoder: DatagramEncoder, parts: DatagramParts) {
    this.#fd = fd;
    this.#encoder = encoder;
    this.#parts = parts;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  async send(records: readonly LogRecord[], signal: AbortSignal): Promise<void> {
    try {
      for (const datagram of this.#encoder.encode(records)) await this.#sendOne(datagram, signal);
    } catch (error) {
      this.destroy();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.destroy();
  }

  destroy(): void {
    if (this.#isOpen) this.#parts.sockets.closeFd(this.#fd);
    this.#isOpen = false;
    this.#gone.resolve();
  }

  async #sendOne(datagram: Uint8Array, signal: AbortSignal): Promise<void> {
    const { name } = this.#parts;
    const giveUpAt = performance.now() + ROOM_MS;
    for (let attempt = 0; !this.#hasSent(datagram); attempt++) {
      if (performance.now() > giveUpAt) throw fail("unavailable", `${name} has no room`);
      await waitForRoom(attempt, signal);
    }
  }

  /** False when there is no room at present. */
  #hasSent(datagram: Uint8Array): boolean {
    const { sockets, log, name } = this.#parts;
    try {
      sockets.sendDescriptors(this.#fd, datagram, []);
      return true;
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === "EAGAIN" || errno === "ENOBUFS" || errno === "EINTR") return false;
      if (errno !== "EMSGSIZE") throw error;
      if (this.#encoder.byDescriptor) return this.#hasSentByDescriptor(datagram);
      log.warn("a line is too long for its sink and was left out", { sink: name, bytes: datagram.length });
      return true;
    }
  }

  #hasSentByDescriptor(datagram: Uint8Array): boolean {
    const { sockets } = this.#parts;
    const file = sockets.memfd("log-entry", datagram);
    try {
      sockets.sendDescriptors(this.#fd, NO_BYTES, [file]);
      return true;
    } catch (error) {
      if (errnoOf(error) === "EAGAIN") return false;
      throw error;
    } finally {
      sockets.closeFd(file);
    }
  }
}
