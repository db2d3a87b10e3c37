/** Names that nobody in the container's networks has: who is asked, and what is made of the answers. */
import type { DnsQuery } from "../dns-probe.ts";
import { HOST, NEIGHBOUR } from "../neighbour.ts";
import type { World } from "../world.ts";

const a = (...names: readonly string[]): DnsQuery[] => names.map((name) => ({ name, type: "A" }));

export async function upstreams(world: World): Promise<void> {
  await world.serve("neighbour", "dns-upstream.ts", NEIGHBOUR.ipv4);
  await world.network("lan-front", "--subnet", "10.81.1.0/24");
  await world.network("lan-inner", "--subnet", "10.81.3.0/24", "--internal");
  const front = ["--network", "lan-front"] as const;
  const nobody = ["--dns", HOST.other];
  const somebody = ["--dns", NEIGHBOUR.ipv4];
  await Promise.all([
    world.container("lan-asks", ...front, "--ip", "10.81.1.20", ...somebody),
    world.container("lan-unheard", ...front, ...nobody),
    world.container("lan-second", ...front, ...nobody, ...somebody),
    world.container("lan-ndots", ...front, ...somebody, "--dns-option", "ndots:1"),
    world.container("lan-shut", "--network", "lan-inner", "--ip", "10.81.3.20", ...somebody),
    world.container("lan-shut-plain", "--network", "lan-inner", "--ip", "10.81.3.21"),
    world.container("lan-default", ...somebody),
  ]);
  await world.resolveAll("with a server", "lan-asks", [
    ...a("plain.test", "PLAIN.Test", "nx.test", "single"),
    ...["AAAA", "TXT"].map((type) => ({ name: "plain.test", type })),
    { name: "plain.test", type: "A", transport: "tcp" },
    { name: "big.test", type: "A" },
    { name: "big.test", type: "A", transport: "tcp" },
    { name: "big.test", type: "A", udpBytes: 1232 },
    { name: "big.test", type: "A", udpBytes: 4096 },
    { name: "edns.test", type: "TXT" },
    { name: "edns.test", type: "TXT", udpBytes: 1232 },
    { name: "edns.test", type: "TXT", udpBytes: 65_000 },
    { name: "edns.test", type: "TXT", transport: "tcp" },
    { name: "from.test", type: "TXT" },
    { name: "fail.test", type: "A" },
    { name: "refused.test", type: "A" },
    { name: "silent.test", type: "A" },
  ]);
  await Promise.all([
    world.resolveAll("with a server that is not there", "lan-unheard", a("plain.test", "lan-asks", "single")),
    world.resolveAll(
      "with one that is not there and one that is",
      "lan-second",
      a("plain.test", "nx.test", "fail.test"),
    ),
    world.resolveAll(
      "with an ndots of its own",
      "lan-ndots",
      a("plain.test", "single", "lan-asks", "single2."),
    ),
    world.resolveAll("in an internal network", "lan-shut", a("leak.test", "lan-shut-plain")),
    world.resolveAll("in an internal network without --dns", "lan-shut-plain", a("leak.test", "lan-shut")),
    world.resolveAll("in the default bridge", "lan-default", [
      { name: "plain.test", type: "A", server: NEIGHBOUR.ipv4 },
    ]),
  ]);
  await world.resolveAll(
    "at the end",
    "host",
    ["leak.test", "single2", "silent.test", "fail.test"].map((name) => ({
      name: `asked.${name}`,
      type: "TXT",
      server: NEIGHBOUR.ipv4,
    })),
  );
}
