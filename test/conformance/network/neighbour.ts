/**
 * Somebody on the LAN of an engine's host: a network namespace of his own, joined to the host's by a veth pair. He knows the way
 * to the containers' own addresses, and sends what is for 127.0.0.0/8 to the host, as only somebody with bad intentions does.
 */
import { NetworkNamespace } from "../../support/network-namespace.ts";
import { must } from "../../support/run.ts";
import { until } from "../../support/until.ts";

export const HOST = { ipv4: "192.0.2.1", other: "192.0.2.7", ipv6: "2001:db8::1" } as const;
export const NEIGHBOUR = { ipv4: "192.0.2.2", ipv6: "2001:db8::2" } as const;

const LINK = "lan0";

export class Neighbour implements AsyncDisposable {
  readonly #namespace: NetworkNamespace;
  readonly #hostPid: number;

  private constructor(namespace: NetworkNamespace, hostPid: number) {
    this.#namespace = namespace;
    this.#hostPid = hostPid;
  }

  get pid(): number {
    return this.#namespace.pid;
  }

  /** `hostPid`: a process in the network namespace of the engine's host. */
  static async join(hostPid: number): Promise<Neighbour> {
    const neighbour = new Neighbour(await NetworkNamespace.make(), hostPid);
    try {
      await neighbour.#wire();
      return neighbour;
    } catch (error) {
      await neighbour[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #wire(): Promise<void> {
    await inNamespace(this.#hostPid, [
      `ip link add ${LINK} type veth peer name ${LINK} netns /proc/${this.pid}/ns/net`,
      `ip addr add ${HOST.ipv4}/24 dev ${LINK}`,
      `ip addr add ${HOST.other}/24 dev ${LINK}`,
      `ip addr add ${HOST.ipv6}/64 dev ${LINK} nodad`,
      `ip link set ${LINK} up`,
    ]);
    await inNamespace(this.pid, [
      "ip link set lo up",
      `ip addr add ${NEIGHBOUR.ipv4}/24 dev ${LINK}`,
      `ip addr add ${NEIGHBOUR.ipv6}/64 dev ${LINK} nodad`,
      `ip link set ${LINK} up`,
      `ip route add default via ${HOST.ipv4}`,
      `ip -6 route add default via ${HOST.ipv6}`,
      `echo 1 >/proc/sys/net/ipv4/conf/${LINK}/route_localnet`,
      "ip addr del 127.0.0.1/8 dev lo",
      `ip route add 127.0.0.0/8 via ${HOST.ipv4}`,
    ]);
    await until("the host to answer", async () => {
      const text = await this.#namespace.run("busybox", "ping", "-c", "1", "-W", "1", HOST.ipv4);
      return text.includes("1 packets received");
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await must(hostCommand(this.#hostPid, ["sh", "-c", `ip link del ${LINK} 2>/dev/null || :`]));
    this.#namespace[Symbol.dispose]();
  }
}

export function hostCommand(pid: number, command: readonly string[]): string[] {
  return ["nsenter", `--net=/proc/${pid}/ns/net`, ...command];
}

async function inNamespace(pid: number, lines: readonly string[]): Promise<void> {
  await must(hostCommand(pid, ["sh", "-ec", lines.join("\n")]));
}
