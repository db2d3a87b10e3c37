/**
 * Ports of the host that are given to containers. Each is held by a bound socket, so that no other program takes it; the
 * firewall leads packets past it, or a forwarder answers there (`port-forwarders.ts`).
 *
 * On crash: sockets go with the daemon, and the firewall goes on. The next start takes the ports again (`retake`); one that
 * somebody else has taken meanwhile is led to the container all the same.
 */
import { setTimeout as delay } from "node:timers/promises";
import { errnoOf, fail, messageOf } from "../../base/errors.ts";
import { compareIp, type IpAddress, ipBytes, parseIp } from "../../base/ip-address.ts";
import type { Logger } from "../../base/log.ts";
import type { Native } from "../../linux/native.ts";
import type { PortProtocol, PortRange } from "../../specs/engine/port.ts";
import { alreadyAllocated, cannotBind, HostPortSearch, type TryBind } from "./find-host-port.ts";
import { contends, type Publication, type PublicationRequest, published } from "./publications.ts";

/** A forwarder that was killed has let go of its sockets after a moment. */
const BIND_ATTEMPTS = 50;
const BIND_PAUSE_MS = 10;

interface HeldPort {
  readonly owner: string;
  readonly address: IpAddress;
  /** Undefined: of a protocol without sockets here, or not to be had. */
  fd: number | undefined;
}

export class HostPorts {
  readonly #native: Pick<Native, "boundSocket" | "closeFd">;
  readonly #search: HostPortSearch;
  readonly #isForwarded: (publication: Publication) => boolean;
  /** By "tcp/8080". */
  readonly #held = new Map<string, readonly HeldPort[]>();

  /** `ephemeral`: where ports come from that nobody wishes for. `isForwarded`: a program serves it, so its socket listens. */
  constructor(
    native: Pick<Native, "boundSocket" | "closeFd">,
    ephemeral: PortRange,
    isForwarded: (publication: Publication) => boolean,
  ) {
    this.#native = native;
    this.#search = new HostPortSearch(ephemeral);
    this.#isForwarded = isForwarded;
  }

  /** Ports for all requests, or none of them: then throws `unavailable`, in Docker's words. */
  async take(
    owner: string,
    requests: readonly PublicationRequest[],
    signal: AbortSignal,
  ): Promise<readonly Publication[]> {
    const taken: Publication[] = [];
    try {
      for (const request of requests) {
        const port = await this.#search.find(request, this.#binder(owner, request), signal);
        taken.push(...published(request, port));
      }
    } catch (error) {
      this.give(owner, taken);
      throw error;
    }
    return taken;
  }

  /** The ports of a container that has gone on while there was no daemon. `isServed`: a forwarder has the sockets of its own. */
  async retake(
    owner: string,
    publications: readonly Publication[],
    isServed: boolean,
    log: Logger,
  ): Promise<void> {
    for (const publication of publications) {
      const { protocol, hostIp, hostPort } = publication;
      const address = parseIp(hostIp);
      if (address === undefined || hostPort === 0) continue;
      try {
        if (isServed && this.#isForwarded(publication)) this.#note(owner, publication, address);
        else await this.#claim(owner, publication, address);
      } catch (error) {
        log.warn("a published port is taken by another program, which does not get its packets", {
          id: owner,
          port: `${hostIp}:${hostPort}/${protocol}`,
          error: messageOf(error),
        });
      }
    }
  }

  /**
   * The sockets of those that a program serves. One that only an earlier forwarder has had is made anew: that one has ended, or
   * is about to. Throws `unavailable` when somebody else has the port by now.
   */
  async forwarded(
    owner: string,
    publications: readonly Publication[],
  ): Promise<readonly { readonly publication: Publication; readonly fd: number }[]> {
    const ports = [];
    for (const publication of publications.filter(this.#isForwarded)) {
      const held = this.#heldBy(owner, publication);
      if (held === undefined) continue;
      held.fd ??= await this.#bindAgain(publication, held.address);
      if (held.fd !== undefined) ports.push({ publication, fd: held.fd });
    }
    return ports;
  }

  async #bindAgain(publication: Publication, address: IpAddress): Promise<number | undefined> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#bind(publication, address);
      } catch (error) {
        if (errnoOf(error) !== "EADDRINUSE" || attempt === BIND_ATTEMPTS)
          throw fail(
            "unavailable",
            `cannot take port ${publication.hostPort} again: ${whyNot(error)}`,
            error,
          );
        await delay(BIND_PAUSE_MS);
      }
    }
  }

  #heldBy(owner: string, { protocol, hostIp, hostPort }: Publication): HeldPort | undefined {
    const address = parseIp(hostIp);
    if (address === undefined) return undefined;
    return this.#held
      .get(keyOf(protocol, hostPort))
      ?.find((port) => port.owner === owner && compareIp(port.address, address) === 0);
  }

  /** Those of `publications` that are the owner's are anybody's again. */
  give(owner: string, publications: readonly Publication[]): void {
    for (const publication of publications) {
      const held = this.#heldBy(owner, publication);
      if (held !== undefined) this.#drop(keyOf(publication.protocol, publication.hostPort), held);
    }
  }

  /** All addresses of a request, with one port. */
  #binder(owner: string, request: PublicationRequest): TryBind {
    return async (port) => {
      const key = keyOf(request.protocol, port);
      const bound: HeldPort[] = [];
      for (const [at, publication] of published(request, port).entries()) {
        const { hostIp, hostPort } = publication;
        const address = parseIp(hostIp);
        if (address === undefined || hostPort === 0) continue;
        const isHeld = (this.#held.get(key) ?? []).some((other) => contends(other.address, address));
        const outcome = isHeld
          ? alreadyAllocated(hostIp, port)
          : await this.#claim(owner, publication, address).catch((error: unknown) =>
              cannotBind(request, at, port, error, whyNot(error)),
            );
        if (outcome instanceof Error) {
          for (const one of bound) this.#drop(key, one);
          return outcome;
        }
        bound.push(outcome);
      }
      return "bound";
    };
  }

  /** Its place is noted before anything is waited for, so that nobody else begins to take it. */
  async #claim(owner: string, publication: Publication, address: IpAddress): Promise<HeldPort> {
    const claim = this.#note(owner, publication, address);
    try {
      claim.fd = await this.#bind(publication, address);
      return claim;
    } catch (error) {
      this.#drop(keyOf(publication.protocol, publication.hostPort), claim);
      throw error;
    }
  }

  #note(owner: string, { protocol, hostPort }: Publication, address: IpAddress): HeldPort {
    const key = keyOf(protocol, hostPort);
    const claim: HeldPort = { owner, address, fd: undefined };
    this.#held.set(key, [...(this.#held.get(key) ?? []), claim]);
    return claim;
  }

  /** Undefined for SCTP, whose sockets many kernels do not have: its packets are led all the same. */
  async #bind(publication: Publication, address: IpAddress): Promise<number | undefined> {
    const { protocol, hostPort } = publication;
    if (protocol === "sctp") return undefined;
    return await this.#native.boundSocket(undefined, {
      type: protocol,
      address: ipBytes(address),
      port: hostPort,
      listen: protocol === "tcp" && this.#isForwarded(publication),
    });
  }

  #drop(key: string, port: HeldPort): void {
    if (port.fd !== undefined) this.#native.closeFd(port.fd);
    const others = (this.#held.get(key) ?? []).filter((one) => one !== port);
    if (others.length === 0) this.#held.delete(key);
    else this.#held.set(key, others);
  }
}

function keyOf(protocol: PortProtocol, port: number): string {
  return `${protocol}/${port}`;
}

/** In the words of Go's errors, which Docker shows. */
function whyNot(error: unknown): string {
  const code = errnoOf(error);
  if (code === "EADDRINUSE") return "address already in use";
  return code === "EADDRNOTAVAIL" ? "cannot assign requested address" : messageOf(error);
}
