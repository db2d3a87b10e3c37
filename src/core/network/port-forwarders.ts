/**
 * Ports of the host that no rule can lead to a container, and a program does: those of an IPv6 address in front of a container
 * that only has IPv4, of ::1, and all of a version of IP whose rules are not ours. One forwarder for each container.
 *
 * On crash: forwarders go on; the container's shim keeps their pidfds, by which the next daemon knows that they are there
 * (`adopt`). They end with their container.
 */
import { setTimeout as delay } from "node:timers/promises";
import { errnoOf, messageOf } from "../../base/errors.ts";
import { ipBytes, isUnspecified, parseIp } from "../../base/ip-address.ts";
import type { Logger } from "../../base/log.ts";
import {
  type Forwarder,
  type ForwarderWish,
  isForwardable,
  isForwarderAlive,
} from "../../linux/forwarder.ts";
import type { Native } from "../../linux/native.ts";
import type { Publication } from "./publications.ts";

/** The container's process, and its shim. */
export interface ForwardedTask {
  readonly id: string;
  readonly pid: number;
  keep(name: string, descriptor: number): Promise<void>;
}

export interface ForwardedPort {
  readonly publication: Publication;
  /** Of the host: bound, and listening for TCP. */
  readonly fd: number;
}

/** What the shim calls it. */
export const KEPT_FORWARDER = "forwarder";

const KILL = 9;
/** For a killed process to be gone, which takes it less than a millisecond when it has a processor. */
const KILLED_MS = 2000;
const LOOK_EVERY_MS = 1;
const LOOPBACK_IPV6 = 1n;

type ForwarderNative = Pick<Native, "pidfdOpen" | "pidfdSignal" | "pidfdHasEnded" | "closeFd">;

export class PortForwarders {
  readonly #native: ForwarderNative;
  readonly #start: (wish: ForwarderWish) => Promise<Forwarder>;
  readonly #log: Logger;
  /** By container. */
  readonly #pidfds = new Map<string, number>();

  constructor(native: ForwarderNative, start: (wish: ForwarderWish) => Promise<Forwarder>, log: Logger) {
    this.#native = native;
    this.#start = start;
    this.#log = log;
  }

  /** Ports lead to the container when this resolves. It must not have a forwarder by then. */
  async start(task: ForwardedTask, ports: readonly ForwardedPort[]): Promise<void> {
    if (ports.length === 0) return;
    const watch = this.#native.pidfdOpen(task.pid);
    try {
      const { pid } = await this.#start({
        owner: task.id,
        watch,
        sockets: ports.map(({ publication, fd }) => ({
          protocol: publication.protocol,
          fd,
          target: { address: addressOf(publication.containerIp), port: publication.containerPort },
        })),
        keep: (pidfd) => task.keep(KEPT_FORWARDER, pidfd),
      });
      this.#pidfds.set(task.id, this.#native.pidfdOpen(pid));
    } finally {
      this.#native.closeFd(watch);
    }
  }

  /** One that an earlier daemon has started, by a pidfd that is taken over here. False when it is not there any more. */
  adopt(containerId: string, pidfd: number): boolean {
    if (isForwarderAlive(this.#native, pidfd)) {
      this.#pidfds.set(containerId, pidfd);
      return true;
    }
    this.#native.closeFd(pidfd);
    return false;
  }

  /**
   * Ends it, with its connections: it is told so at once, and has let go of its sockets when this resolves. One that is not there is
   * fine. Never rejects: one that the kernel does not let go of is left to it.
   */
  async stop(containerId: string): Promise<void> {
    const pidfd = this.#pidfds.get(containerId);
    if (pidfd === undefined) return;
    this.#pidfds.delete(containerId);
    try {
      this.#native.pidfdSignal(pidfd, KILL);
      const giveUpAt = performance.now() + KILLED_MS;
      while (!this.#native.pidfdHasEnded(pidfd) && performance.now() < giveUpAt) await delay(LOOK_EVERY_MS);
    } catch (error) {
      if (errnoOf(error) !== "ESRCH")
        this.#log.error("cannot end a forwarder", { id: containerId, error: messageOf(error) });
    } finally {
      this.#native.closeFd(pidfd);
    }
  }
}

/** `translates`: whether the firewall leads packets of that version of IP. */
export function isForwarded(
  { protocol, hostIp, hostPort, containerIp }: Publication,
  translates: { readonly ipv4: boolean; readonly ipv6: boolean },
): boolean {
  const [host, container] = [parseIp(hostIp), parseIp(containerIp)];
  if (hostPort === 0 || !isForwardable(protocol) || host === undefined || container === undefined)
    return false;
  if (host.family !== container.family) return true;
  if (host.family === 4) return !translates.ipv4;
  // From ::1 nothing leaves by another link.
  return !translates.ipv6 || isUnspecified(host) || host.value === LOOPBACK_IPV6;
}

function addressOf(text: string): Uint8Array {
  const address = parseIp(text);
  return address === undefined ? new Uint8Array() : ipBytes(address);
}
