/**
 * Ports of the host that are given to containers. Each is held by a bound socket on which nobody answers, so that no other
 * program takes it; the firewall leads packets past it.
 *
 * On crash: sockets go with the daemon, and the firewall goes on. The next start takes the ports again (`retake`); one that
 * somebody else has taken meanwhile is led to the container all the same.
 */
import { errnoOf, messageOf } from "../../base/errors.ts";
import { type IpAddress, ipBytes, parseIp } from "../../base/ip-address.ts";
import type { Logger } from "../../base/log.ts";
import type { Native } from "../../linux/native.ts";
import type { PortProtocol, PortRange } from "../../specs/engine/port.ts";
import { alreadyAllocated, cannotBind, HostPortSearch, type TryBind } from "./find-host-port.ts";
import { contends, type Publication, type PublicationRequest, published } from "./publications.ts";

interface HeldPort {
  readonly owner: string;
  readonly address: IpAddress;
  /** Undefined: of a protocol without sockets here, or not to be had. */
  fd: number | undefined;
}

export class HostPorts {
  readonly #native: Pick<Native, "boundSocket" | "closeFd">;
  readonly #search: HostPortSearch;
  /** By "tcp/8080". */
  readonly #held = new Map<string, readonly HeldPort[]>();

  /** `ephemeral`: where ports come from that nobody wishes for. */
  constructor(native: Pick<Native, "boundSocket" | "closeFd">, ephemeral: PortRange) {
    this.#native = native;
    this.#search = new HostPortSearch(ephemeral);
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

  /** The ports of a container that has gone on while there was no daemon. */
  async retake(owner: string, publications: readonly Publication[], log: Logger): Promise<void> {
    for (const { protocol, hostIp, hostPort } of publications) {
      const address = parseIp(hostIp);
      if (address === undefined || hostPort === 0) continue;
      try {
        await this.#claim(owner, protocol, address, hostPort);
      } catch (error) {
        log.warn("a published port is taken by another program, which does not get its packets", {
          id: owner,
          port: `${hostIp}:${hostPort}/${protocol}`,
          error: messageOf(error),
        });
      }
    }
  }

  /** Those of `publications` that are the owner's are anybody's again. */
  give(owner: string, publications: readonly Publication[]): void {
    for (const { protocol, hostIp, hostPort } of publications) {
      const key = keyOf(protocol, hostPort);
      const value = parseIp(hostIp)?.value;
      for (const port of this.#held.get(key) ?? [])
        if (port.owner === owner && port.address.value === value) this.#drop(key, port);
    }
  }

  /** All addresses of a request, with one port. */
  #binder(owner: string, request: PublicationRequest): TryBind {
    const { protocol } = request;
    return async (port) => {
      const key = keyOf(protocol, port);
      const bound: HeldPort[] = [];
      for (const [at, { hostIp, isRouted }] of request.targets.entries()) {
        const address = parseIp(hostIp);
        if (address === undefined || isRouted) continue;
        const isHeld = (this.#held.get(key) ?? []).some((other) => contends(other.address, address));
        const outcome = isHeld
          ? alreadyAllocated(hostIp, port)
          : await this.#claim(owner, protocol, address, port).catch((error: unknown) =>
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
  async #claim(owner: string, protocol: PortProtocol, address: IpAddress, port: number): Promise<HeldPort> {
    const key = keyOf(protocol, port);
    const claim: HeldPort = { owner, address, fd: undefined };
    this.#held.set(key, [...(this.#held.get(key) ?? []), claim]);
    try {
      claim.fd = await this.#bind(protocol, address, port);
      return claim;
    } catch (error) {
      this.#drop(key, claim);
      throw error;
    }
  }

  /** Undefined for SCTP, whose sockets many kernels do not have: its packets are led all the same. */
  async #bind(protocol: PortProtocol, address: IpAddress, port: number): Promise<number | undefined> {
    if (protocol === "sctp") return undefined;
    return await this.#native.boundSocket(undefined, { type: protocol, address: ipBytes(address), port });
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
