/** Who is found by which name in whose networks, and what becomes of names when containers change. */
import type { DnsQuery } from "../dns-probe.ts";
import { HOST, NEIGHBOUR } from "../neighbour.ts";
import type { World } from "../world.ts";

const a = (...names: readonly string[]): DnsQuery[] => names.map((name) => ({ name, type: "A" }));

/** Unknown names are asked of a server that denies them all. */
const DNS = ["--dns", NEIGHBOUR.ipv4] as const;

export async function names(world: World): Promise<void> {
  await world.serve("neighbour", "dns-upstream.ts", NEIGHBOUR.ipv4);
  await world.network("lan-front", "--subnet", "10.81.1.0/24");
  await world.network("lan-back", "--subnet", "10.81.2.0/24");
  await world.network("lan-six", "--ipv6", "--subnet", "10.81.6.0/24", "--subnet", "fd00:81:6::/64");
  const front = (address: string) => ["--network", "lan-front", "--ip", address, ...DNS] as const;
  await Promise.all([
    world.container("lan-web", ...front("10.81.1.10"), "--hostname", "webby"),
    world.container(
      "lan-friend",
      ...front("10.81.1.11"),
      "--network-alias",
      "shared",
      "--hostname",
      "friendly",
    ),
    world.container(
      "lan-third",
      ...front("10.81.1.12"),
      "--network-alias",
      "shared",
      "--network-alias",
      "*.wild",
    ),
    world.container("lan-both", ...front("10.81.1.13"), "--network-alias", "of-front"),
    world.container("lan-stranger", "--network", "lan-back", "--ip", "10.81.2.10", ...DNS),
    world.container(
      "lan-six",
      "--network",
      "lan-six",
      "--ip6",
      "fd00:81:6::10",
      "--ip",
      "10.81.6.10",
      ...DNS,
    ),
    world.container("lan-default", ...DNS),
  ]);
  await world.ok("network", "connect", "--ip", "10.81.2.13", "--alias", "of-back", "lan-back", "lan-both");
  await atFirst(world);
  await afterChanges(world);
}

async function atFirst(world: World): Promise<void> {
  const shortId = (await world.ok("inspect", "-f", "{{.Id}}", "lan-friend")).slice(0, 12);
  await world.resolveAll("at first", "lan-web", [
    ...a(
      "lan-friend",
      "LAN-Friend",
      "lan-friend.lan-front",
      "lan-friend.lan-back",
      "lan-web",
      "shared",
      "of-front",
    ),
    ...a("friendly", "webby", "lan-both", "of-back", "lan-stranger", "lan-six", "lan-default", "nobody"),
    ...a(
      "nobody.lan-front",
      "x.wild",
      "wild",
      "host.docker.internal",
      "gateway.docker.internal",
      "tasks.shared",
    ),
    ...["AAAA", "MX", "TXT", "ANY"].map((type) => ({ name: "lan-friend", type })),
    { name: "lan-friend", type: "A", transport: "tcp" },
    { name: "lan-friend", type: "A", udpBytes: 4096 },
    { name: "11.1.81.10.in-addr.arpa", type: "PTR" },
    { name: "10.1.81.10.in-addr.arpa", type: "PTR" },
    { name: "10.2.81.10.in-addr.arpa", type: "PTR" },
    { name: "1.1.81.10.in-addr.arpa", type: "PTR" },
    { name: "200.1.81.10.in-addr.arpa", type: "PTR" },
  ]);
  const [byShortId] = await world.resolve("lan-web", a(shortId));
  world.observe("at first, lan-web asks for the short id of lan-friend", JSON.stringify(byShortId));
  await world.resolveAll(
    "at first",
    "lan-both",
    a("lan-web", "lan-stranger", "of-front", "of-back", "lan-both"),
  );
  await world.resolveAll("at first", "lan-stranger", a("lan-both", "of-back", "of-front", "lan-web"));
  await world.resolveAll("at first", "lan-six", [
    { name: "lan-six", type: "AAAA" },
    { name: "lan-six", type: "ANY" },
    { name: `${"fd000081000600000000000000000010".split("").reverse().join(".")}.ip6.arpa`, type: "PTR" },
  ]);
  const asked = await world.resolve("lan-web", Array.from({ length: 40 }, () => a("shared")).flat());
  const orders = new Set(asked.map((each) => (typeof each === "string" ? each : each.records.join(" "))));
  world.observe("the orders of two addresses in 40 answers", [...orders].sort().join(" or "));
  const [udp] = await world.resolve("lan-default", a("lan-web"));
  world.observe("in the default bridge 127.0.0.11", typeof udp === "string" ? udp : "answers");
  await world.resolveAll("at first", "host", [{ name: "lan-web", type: "A", server: HOST.ipv4 }]);
}

async function afterChanges(world: World): Promise<void> {
  await world.ok("rename", "lan-friend", "lan-mate");
  world.expectContainer("lan-mate");
  await world.resolveAll("after lan-friend was renamed to lan-mate", "lan-web", [
    ...a("lan-mate", "lan-friend", "shared"),
    { name: "11.1.81.10.in-addr.arpa", type: "PTR" },
  ]);
  await world.ok("network", "disconnect", "lan-front", "lan-both");
  await world.resolveAll("after lan-both left the network", "lan-web", [
    ...a("lan-both", "of-front"),
    { name: "13.1.81.10.in-addr.arpa", type: "PTR" },
  ]);
  await world.resolveAll("after lan-both left the network", "lan-both", a("lan-web", "lan-stranger"));
  await world.ok("network", "connect", "--alias", "come-back", "lan-front", "lan-both");
  await world.resolveAll("after lan-both came again", "lan-both", a("lan-web"));
  const [again] = await world.resolve("lan-web", a("come-back"));
  world.observe(
    "after lan-both came again, it has its new alias",
    typeof again === "string" ? again : `${again?.records.length} record`,
  );
  await world.ok("stop", "-t", "0", "lan-third");
  await world.resolveAll("after lan-third stopped", "lan-web", a("lan-third", "shared"));
  await world.ok("start", "lan-third");
  await world.resolveAll("after lan-third started again", "lan-web", a("lan-third", "shared"));
  await world.ok("pause", "lan-third");
  await world.resolveAll("while lan-third is paused", "lan-web", a("lan-third"));
  await world.ok("unpause", "lan-third");
}
