/** Who reaches whom, on a real kernel: the firewall of container networks in a host of its own. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type {
  FirewallNetwork,
  FirewallState,
  Publication,
} from "../../../src/core/network/firewall/firewall.ts";
import { firewallOf } from "../../../src/core/network/firewall/table.ts";
import { reconcile } from "../../../src/linux/nftables/transaction.ts";
import { builtNative } from "../../support/native.ts";
import { NetworkLab } from "../../support/network-lab.ts";
import { describeWith } from "../../support/requires.ts";

function network(bridge: string, its: Partial<FirewallNetwork> = {}): FirewallNetwork {
  return {
    bridge,
    internal: false,
    icc: true,
    masquerade: true,
    gatewayMode: { ipv4: "nat", ipv6: "nat" },
    trustedInterfaces: [],
    ...its,
  };
}

function published(hostIp: string, hostPort: number, containerIp: string, bridge: string): Publication {
  return { protocol: "tcp", hostIp, hostPort, containerIp, containerPort: 80, bridge };
}

const both = (mode: "nat-unprotected" | "routed"): FirewallNetwork["gatewayMode"] => ({
  ipv4: mode,
  ipv6: mode,
});

const STATE: FirewallState = {
  networks: [
    network("br-a"),
    network("br-b", { hostIpv4: "192.0.2.7", masquerade: true }),
    network("br-c", { internal: true }),
    network("br-d", { gatewayMode: both("routed") }),
    network("br-e", { gatewayMode: both("nat-unprotected") }),
    network("br-f", { icc: false, masquerade: false, trustedInterfaces: ["eth0"] }),
  ],
  publications: [
    published("0.0.0.0", 8080, "10.1.0.2", "br-a"),
    published("::", 8080, "fd00:1::2", "br-a"),
    published("127.0.0.1", 8081, "10.1.0.2", "br-a"),
    published("192.0.2.1", 8082, "10.1.0.2", "br-a"),
    published("2001:db8::1", 8082, "fd00:1::2", "br-a"),
    published("0.0.0.0", 8083, "10.4.0.2", "br-d"),
    published("::", 8083, "fd00:4::2", "br-d"),
    published("0.0.0.0", 8084, "10.6.0.2", "br-f"),
  ],
};

/** From whom, to where, and whom the server sees; "-": nobody answers. */
type Row = readonly [from: string, address: string, port: number, seen: string];

/** Not with br_netfilter: what is for a neighbour stays on the bridge then, where ports are isolated from each other. */
const PAST_ISOLATION: Row = ["f2", "192.0.2.1", 8084, "10.6.0.1"];

const TABLE: readonly Row[] = [
  // Published for all: from the LAN and the host's own programs, with their real addresses.
  ["lan", "192.0.2.1", 8080, "192.0.2.2"],
  ["lan", "2001:db8::1", 8080, "2001:db8::2"],
  ["host", "192.0.2.1", 8080, "192.0.2.1"],
  ["host", "127.0.0.1", 8080, "10.1.0.1"],
  ["host", "10.1.0.1", 8080, "10.1.0.1"],
  ["host", "2001:db8::1", 8080, "2001:db8::1"],
  // Published on one address.
  ["lan", "192.0.2.1", 8082, "192.0.2.2"],
  ["lan", "2001:db8::1", 8082, "2001:db8::2"],
  ["host", "127.0.0.1", 8082, "-"],
  // Published on loopback: for the host alone.
  ["host", "127.0.0.1", 8081, "10.1.0.1"],
  ["host", "192.0.2.1", 8081, "-"],
  ["lan", "192.0.2.1", 8081, "-"],
  ["a1", "10.1.0.1", 8081, "-"],
  // Containers by their own addresses: their neighbours and the host, nobody else.
  ["a1", "10.1.0.3", 80, "10.1.0.2"],
  ["host", "10.1.0.2", 80, "10.1.0.1"],
  ["lan", "10.1.0.2", 80, "-"],
  ["lan", "10.1.0.3", 80, "-"],
  ["lan", "fd00:1::2", 80, "-"],
  ["b1", "10.1.0.2", 80, "-"],
  ["a1", "10.2.0.2", 80, "-"],
  ["b1", "fd00:1::2", 80, "-"],
  // Another network's by an address of the host, and one's own.
  ["b1", "192.0.2.1", 8080, "192.0.2.7"],
  ["b1", "10.2.0.1", 8080, "192.0.2.7"],
  ["b1", "2001:db8::1", 8080, "fd00:1::1"],
  ["a2", "192.0.2.1", 8080, "10.1.0.1"],
  ["a1", "192.0.2.1", 8080, "10.1.0.1"],
  ["a1", "2001:db8::1", 8080, "fd00:1::1"],
  // Out to the world.
  ["a1", "192.0.2.2", 80, "192.0.2.1"],
  ["a1", "2001:db8::2", 80, "2001:db8::1"],
  ["b1", "192.0.2.2", 80, "192.0.2.7"],
  ["e1", "192.0.2.2", 80, "192.0.2.1"],
  ["d1", "192.0.2.2", 80, "10.4.0.2"],
  ["d1", "2001:db8::2", 80, "fd00:4::2"],
  ["f1", "192.0.2.2", 80, "10.6.0.2"],
  // Internal: each other and the host.
  ["c1", "10.3.0.3", 80, "10.3.0.2"],
  ["host", "10.3.0.2", 80, "10.3.0.1"],
  ["c1", "10.3.0.1", 80, "10.3.0.2"],
  ["c1", "192.0.2.2", 80, "-"],
  ["c1", "2001:db8::2", 80, "-"],
  ["c1", "10.1.0.2", 80, "-"],
  ["c1", "192.0.2.1", 8080, "-"],
  ["a1", "10.3.0.2", 80, "-"],
  ["lan", "10.3.0.2", 80, "-"],
  // Routed: published ports, by the containers' own addresses.
  ["lan", "10.4.0.2", 80, "192.0.2.2"],
  ["lan", "fd00:4::2", 80, "2001:db8::2"],
  ["b1", "10.4.0.2", 80, "192.0.2.7"],
  ["lan", "10.4.0.3", 80, "-"],
  ["lan", "192.0.2.1", 8083, "-"],
  ["lan", "2001:db8::1", 8083, "-"],
  // Unprotected: everything.
  ["lan", "10.5.0.2", 80, "192.0.2.2"],
  ["lan", "fd00:5::2", 80, "2001:db8::2"],
  // icc=false, and trusted links: only what is published.
  ["f1", "10.6.0.3", 80, "-"],
  ["f2", "10.6.0.2", 80, "-"],
  PAST_ISOLATION,
  ["lan", "10.6.0.2", 80, "192.0.2.2"],
  ["lan", "10.6.0.3", 80, "-"],
];

describeWith("the firewall of container networks", ["root", "native", "busybox"], () => {
  let lab: NetworkLab;

  beforeAll(async () => {
    lab = await NetworkLab.make([
      { name: "br-a", number: 1, containers: ["a1", "a2"] },
      { name: "br-b", number: 2, containers: ["b1"] },
      { name: "br-c", number: 3, containers: ["c1", "c2"] },
      { name: "br-d", number: 4, containers: ["d1", "d2"] },
      { name: "br-e", number: 5, containers: ["e1"] },
      { name: "br-f", number: 6, containers: ["f1", "f2"], isolated: true },
    ]);
    await lab.sh("host", "ip addr add 192.0.2.7/24 dev eth0");
  }, 60_000);

  afterAll(() => {
    lab[Symbol.dispose]();
  });

  async function seen(rows: readonly Row[]): Promise<readonly Row[]> {
    const found: Row[] = [];
    for (let at = 0; at < rows.length; at += 8)
      found.push(
        ...(await Promise.all(
          rows
            .slice(at, at + 8)
            .map(async ([from, to, port]): Promise<Row> => [from, to, port, await lab.ask(from, to, port)]),
        )),
      );
    return found;
  }

  const table = firewallOf(STATE);

  test("without it everybody reaches everybody by containers' addresses", async () => {
    expect(await lab.ask("lan", "10.1.0.3", 80)).toBe("192.0.2.2");
    expect(await lab.ask("b1", "10.1.0.2", 80)).toBe("10.2.0.2");
    expect(await lab.ask("lan", "192.0.2.1", 8080)).toBe("-");
  });

  test.each([0, 1])(
    "lets through what it should, with net.bridge.bridge-nf-call-iptables=%d",
    async (netfilter) => {
      await lab.sh(
        "host",
        `for f in /proc/sys/net/bridge/bridge-nf-call-ip*; do echo ${netfilter} >$f; done`,
      );
      if (table === undefined) throw new Error("no table");
      await reconcile(builtNative(), lab.at("host").fd, table);
      const expected = netfilter === 0 ? TABLE : TABLE.filter((row) => row !== PAST_ISOLATION);
      expect(await seen(expected)).toEqual([...expected]);
    },
    120_000,
  );
});
