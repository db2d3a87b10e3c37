/** What is published where, and who reaches it: from the host, the LAN, the own and another network, and the container itself. */
import { HOST } from "../neighbour.ts";
import type { Question, World } from "../world.ts";

const WEB = "10.81.1.10";
const SIX = { ipv4: "10.81.6.10", ipv6: "fd00:81:6::10" } as const;

/** What is published of lan-web, and one port of the host that it is at. */
const PUBLISHED: readonly (readonly [text: string, port: number, protocol?: "udp"])[] = [
  ["8080:80", 8080],
  ["127.0.0.1:8081:80", 8081],
  [`${HOST.ipv4}:8082:80`, 8082],
  ["[::1]:8083:80", 8083],
  ["9000-9002:80-82", 9001],
  ["8084:99", 8084],
  ["8085:5300/udp", 8085, "udp"],
  ["8086:80/tcp", 8086],
  ["8086:5300/udp", 8086, "udp"],
  ["127.0.0.1:8087:5300/udp", 8087, "udp"],
  [`${HOST.ipv4}:8088:80`, 8088],
];

const PUBLISHED_OF_SIX: readonly (readonly [text: string, port: number])[] = [
  ["8180:80", 8180],
  ["127.0.0.1:8181:80", 8181],
  [`[${HOST.ipv6}]:8182:80`, 8182],
  ["[::1]:8183:80", 8183],
];

const FROM: readonly (readonly [from: string, addresses: readonly string[]])[] = [
  ["host", ["127.0.0.1", "::1", HOST.ipv4, HOST.other, HOST.ipv6, "10.81.1.1"]],
  ["neighbour", ["127.0.0.1", HOST.ipv4, HOST.ipv6, "10.81.1.1"]],
  ["lan-web", [HOST.ipv4, "10.81.1.1"]],
  ["lan-friend", [HOST.ipv4, "10.81.1.1"]],
  ["lan-stranger", [HOST.ipv4, "10.81.1.1"]],
];

const FROM_OF_SIX: typeof FROM = [
  ["host", ["127.0.0.1", "::1", HOST.ipv4, HOST.ipv6, "fd00:81:6::1"]],
  ["neighbour", [HOST.ipv4, HOST.ipv6, "fd00:81:6::1"]],
  ["lan-six", [HOST.ipv6, "fd00:81:6::1"]],
  ["lan-six-friend", [HOST.ipv6]],
];

export async function publishing(world: World): Promise<void> {
  await world.network("lan-front", "--subnet", "10.81.1.0/24");
  await world.network("lan-back", "--subnet", "10.81.2.0/24");
  await world.network("lan-six", "--ipv6", "--subnet", "10.81.6.0/24", "--subnet", "fd00:81:6::/64");
  const web = PUBLISHED.flatMap(([text]) => ["-p", text]);
  const six = PUBLISHED_OF_SIX.flatMap(([text]) => ["-p", text]);
  await Promise.all([
    world.container("lan-web", "--network", "lan-front", "--ip", WEB, ...web),
    world.container("lan-friend", "--network", "lan-front", "--ip", "10.81.1.11"),
    world.container("lan-stranger", "--network", "lan-back", "--ip", "10.81.2.10"),
    world.container("lan-six", "--network", "lan-six", "--ip", SIX.ipv4, "--ip6", SIX.ipv6, ...six),
    world.container("lan-six-friend", "--network", "lan-six", "--ip6", "fd00:81:6::11"),
  ]);
  // The same port, for somebody else, on another address of the host.
  await world.container("lan-other", "--network", "lan-back", "-p", `${HOST.other}:8088:80`);
  await world.serve("lan-web", "who-server.ts", "5300");
  await world.askAll([
    ...questions(PUBLISHED, FROM),
    ...questions(PUBLISHED_OF_SIX, FROM_OF_SIX),
    ...byContainersAddress(),
  ]);
  await world.say("port of lan-web", "port", "lan-web");
  await world.say("port of lan-six", "port", "lan-six");
  await world.say("ps of lan-web", "ps", "--filter", "name=^lan-web$", "--format", "{{.Ports}}");
}

function questions(
  published: readonly (readonly [text: string, port: number, protocol?: "udp"])[],
  from: typeof FROM,
): readonly Question[] {
  return published.flatMap(([text, port, protocol]) =>
    from.flatMap(([place, addresses]) =>
      addresses.map((address): Question => {
        const key = `-p ${text} from ${place} at ${address.includes(":") ? `[${address}]` : address}:${port}`;
        return { key, from: place, address, port, ...(protocol === undefined ? {} : { protocol }) };
      }),
    ),
  );
}

/** Port 80 is published on loopback and elsewhere, 82 in a range, 5300 as UDP alone. */
function byContainersAddress(): readonly Question[] {
  const rows: (readonly [from: string, address: string, port: number])[] = [
    ...["host", "neighbour", "lan-web", "lan-friend", "lan-stranger"].map((from) => [from, WEB, 80] as const),
    ...["host", "neighbour", "lan-six", "lan-six-friend", "lan-stranger"].flatMap((from) => [
      [from, SIX.ipv4, 80] as const,
      [from, SIX.ipv6, 80] as const,
    ]),
    ["neighbour", "10.81.1.11", 80],
    ["neighbour", "10.81.2.10", 80],
    ["neighbour", "fd00:81:6::11", 80],
  ];
  return rows.map(([from, address, port]) => ({
    key: `from ${from} at the container's ${address}:${port}`,
    from,
    address,
    port,
  }));
}
