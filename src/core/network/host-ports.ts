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
  /** For which it was taken first. */
  readonly publication: Publication;
  readonly address: IpAddress;
  /** Undefined: of a protocol without sockets here, or not to be had. */
  fd: number | undefined;
}

/** Ports taken while those that are given up for them are still kept. One of its calls ends it. */
export interface PortExchange {
  readonly taken: readonly Publication[];
  /** What was given up is anybody's. */
  readonly settle: () => void;
  /** The owner has what it had before. */
  readonly undo: () => Promise<void>;
}

/** What is known of an exchange on its way. */
interface Trade {
  readonly owner: string;
  readonly giving: ReadonlySet<HeldPort>;
  /** Some of `giving` among them: the same port of the same address goes on. */
  readonly bound: HeldPort[];
  /** Of `giving`: those whose sockets were in the way. */
  readonly unbound: Set<HeldPort>;
}

export class HostPorts {
  readonly #native: Pick<Native, "boundSocket" | "closeFd">;
  readonly #search: HostPortSearch;
  readonly #isForwarded: (publication: Publication) => boolean;
  /** By "tcp/8080". */
  readonly #held = new Map<string, readonly HeldPort[]>();

  /** `ephemeral`: where ports come from that nobody wishes for. `isForwarded`: a program serves it. */
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
    const { taken, settle } = await this.exchange(owner, [], requests, signal);
    settle();
    return taken;
  }

  /**
   * The same, where the owner gives up others for them: those are free for it at once, and for nobody else before all of it is
   * settled. After a rejection it has what it had. No forwarder may have their sockets any more.
   */
  async exchange(
    owner: string,
    given: readonly Publication[],
    requests: readonly PublicationRequest[],
    signal: AbortSignal,
  ): Promise<PortExchange> {
    const giving = new Set(given.flatMap((publication) => this.#heldBy(owner, publication) ?? []));
    const trade: Trade = { owner, giving, bound: [], unbound: new Set() };
    const taken: Publication[] = [];
    try {
      for (const request of requests) {
        const port = await this.#search.find(request, this.#binder(trade, request), signal);
        taken.push(...published(request, port));
      }
    } catch (error) {
      await this.#undo(trade);
      throw error;
    }
    const settle = (): void => {
      for (const port of giving) if (!trade.bound.includes(port)) this.#drop(port);
    };
    return { taken, settle, undo: () => this.#undo(trade) };
  }

  async #undo({ giving, bound, unbound }: Trade): Promise<void> {
    for (const port of bound) if (!giving.has(port)) this.#drop(port);
    for (const port of unbound) {
      // One that another program has now is led past that one all the same, as with `retake`.
      const fd = await this.#bindAgain(port.publication, port.address).catch(() => undefined);
      this.#equip(port, fd);
    }
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
      if (held.fd === undefined) this.#equip(held, await this.#bindAgain(publication, held.address));
      if (held.fd !== undefined) ports.push({ publication, fd: held.fd });
    }
    return ports;
  }

  async #bindAgain(publication: Publication, address: IpAddress): Promise<number | undefined> {
    try {
      return await this.#bindSoon(publication, address, BIND_ATTEMPTS);
    } catch (error) {
      throw fail("unavailable", `cannot take port ${publication.hostPort} again: ${whyNot(error)}`, error);
    }
  }

  async #bindSoon(
    publication: Publication,
    address: IpAddress,
    attempts: number,
  ): Promise<number | undefined> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#bind(publication, address);
      } catch (error) {
        if (errnoOf(error) !== "EADDRINUSE" || attempt === attempts) throw error;
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
      if (held !== undefined) this.#drop(held);
    }
  }

  /** All addresses of a request, with one port. */
  #binder(trade: Trade, request: PublicationRequest): TryBind {
    const { giving, bound } = trade;
    return async (port) => {
      const before = bound.length;
      for (const [at, publication] of published(request, port).entries()) {
        const { hostIp, hostPort } = publication;
        const address = parseIp(hostIp);
        if (address === undefined || hostPort === 0) continue;
        const rivals = (this.#held.get(keyOf(request.protocol, port)) ?? []).filter((other) =>
          contends(other.address, address),
        );
        const isHeld = rivals.some((other) => !giving.has(other) || bound.includes(other));
        const outcome = isHeld
          ? alreadyAllocated(hostIp, port)
          : await this.#claimFrom(trade, rivals, publication, address).catch((error: unknown) =>
              cannotBind(request, at, port, error, whyNot(error)),
            );
        if (outcome instanceof Error) {
          for (const one of bound.splice(before)) if (!giving.has(one)) this.#drop(one);
          return outcome;
        }
        bound.push(outcome);
      }
      return "bound";
    };
  }

  /** `rivals`: of the owner's own, and given up. */
  async #claimFrom(
    { owner, unbound }: Trade,
    rivals: readonly HeldPort[],
    publication: Publication,
    address: IpAddress,
  ): Promise<HeldPort> {
    const same = rivals.find((rival) => compareIp(rival.address, address) === 0);
    if (same !== undefined) return same;
    for (const rival of rivals) {
      if (rival.fd !== undefined) unbound.add(rival);
      this.#unbind(rival);
    }
    return await this.#claim(owner, publication, address, rivals.length > 0 ? BIND_ATTEMPTS : 1);
  }

  /** Its place is noted before anything is waited for, so that nobody else begins to take it. */
  async #claim(owner: string, publication: Publication, address: IpAddress, attempts = 1): Promise<HeldPort> {
    const claim = this.#note(owner, publication, address);
    try {
      this.#equip(claim, await this.#bindSoon(publication, address, attempts));
      return claim;
    } catch (error) {
      this.#drop(claim);
      throw error;
    }
  }

  #note(owner: string, publication: Publication, address: IpAddress): HeldPort {
    const key = keyOf(publication.protocol, publication.hostPort);
    const claim: HeldPort = { owner, publication, address, fd: undefined };
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
      // What is bound and does not listen others could bind, too, or could not be bound itself for as long as connections of an
      // earlier listener are remembered.
      listen: protocol === "tcp",
    });
  }

  /** Its owner may have left while the socket was being made. */
  #equip(port: HeldPort, fd: number | undefined): void {
    if (this.#isHeld(port)) port.fd = fd;
    else if (fd !== undefined) this.#native.closeFd(fd);
  }

  #unbind(port: HeldPort): void {
    if (port.fd !== undefined) this.#native.closeFd(port.fd);
    port.fd = undefined;
  }

  #isHeld(port: HeldPort): boolean {
    return (this.#held.get(keyOf(port.publication.protocol, port.publication.hostPort)) ?? []).includes(port);
  }

  /** Twice is fine. */
  #drop(port: HeldPort): void {
    if (!this.#isHeld(port)) return;
    this.#unbind(port);
    const key = keyOf(port.publication.protocol, port.publication.hostPort);
    const others = (this.#held.get(key) ?? []).filter((one) => one !== port);
    if (others.length === 0) this.#held.delete(key);
    else this.#held.set(key, others);
  }

  /** Whether a program serves any of these. */
  serves(publications: readonly Publication[]): boolean {
    return publications.some(this.#isForwarded);
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
