/** What `port --explain` says, against the firewall on a real kernel: every address that it names is tried, and so is every other. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { EndpointRecord } from "../../../src/core/network/endpoint-record.ts";
import { explainPorts } from "../../../src/core/network/explain-ports.ts";
import type { ExplainOptions, Reach, Source } from "../../../src/core/network/exposure.ts";
import { DEFAULT_FIREWALL_OPTIONS } from "../../../src/core/network/firewall/firewall.ts";
import { HostFirewall } from "../../../src/core/network/firewall/host-firewall.ts";
import { FirewallKeeper } from "../../../src/core/network/firewall/keeper.ts";
import type { Place } from "../../../src/core/network/gateways.ts";
import type { NetworkRecord } from "../../../src/core/network/network-record.ts";
import type { Publication } from "../../../src/core/network/publications.ts";
import { endpointRecord, networkRecord } from "../../../src/core/network/testing/records.ts";
import { builtNative } from "../../support/native.ts";
import { NetworkLab } from "../../support/network-lab.ts";
import { describeWith } from "../../support/requires.ts";

const BRIDGE = "com.docker.network.bridge.";
/** The host's address in the lab. */
const HOST = { 4: "192.0.2.1", 6: "[2001:db8::1]" } as const;

interface Member {
  readonly network: NetworkRecord;
  readonly endpoint: EndpointRecord;
}

/** The first container on a bridge of the lab, "a1". `ports`: "0.0.0.0:8080". */
function member(
  letter: string,
  number: number,
  its: Partial<NetworkRecord> = {},
  ...ports: readonly string[]
): Member {
  const options = { [`${BRIDGE}name`]: `br-${letter}`, ...its.options };
  const network = { ...networkRecord("bridge"), ...its, id: letter.repeat(64), name: letter, options };
  const [ipv4, ipv6] = [`10.${number}.0.2`, `fd00:${number}::2`];
  const published = ports.map((text): Publication => {
    const cut = text.lastIndexOf(":");
    const [hostIp, hostPort] = [text.slice(0, cut), Number(text.slice(cut + 1))];
    const containerIp = hostIp.includes(":") ? ipv6 : ipv4;
    return { protocol: "tcp", hostIp, hostPort, containerIp, containerPort: 80 };
  });
  const endpoint = { ...endpointRecord(number), network: network.id, ipv4: `${ipv4}/24`, ipv6: `${ipv6}/64` };
  return { network, endpoint: { ...endpoint, exposed: ["80/tcp"], ports: published } };
}

const mode = (value: string) => ({
  options: { [`${BRIDGE}gateway_mode_ipv4`]: value, [`${BRIDGE}gateway_mode_ipv6`]: value },
});

const MEMBERS: readonly Member[] = [
  member("a", 1, {}, "0.0.0.0:8080", ":::8080", "127.0.0.1:8081", "192.0.2.1:8082"),
  member("b", 2),
  member("c", 3, { isInternal: true }),
  member("d", 4, mode("routed"), "0.0.0.0:0", ":::0"),
  member("e", 5, mode("nat-unprotected"), "127.0.0.1:8085"),
  member(
    "f",
    6,
    { options: { [`${BRIDGE}enable_icc`]: "false", [`${BRIDGE}trusted_host_interfaces`]: "eth0" } },
    "0.0.0.0:8086",
  ),
];

describeWith("port --explain", ["root", "native", "busybox"], () => {
  let lab: NetworkLab;

  beforeAll(async () => {
    lab = await NetworkLab.make(
      MEMBERS.map(({ network: { name } }, at) => ({
        name: `br-${name}`,
        number: at + 1,
        containers: [`${name}1`, `${name}2`],
        isolated: name === "f",
      })),
    );
  }, 60_000);

  afterAll(() => {
    lab[Symbol.dispose]();
  });

  /** Who asks, in the lab. */
  function asker(from: Source, name: string): string {
    if (from === "loopback" || from === "host") return "host";
    if (from === "lan") return "lan";
    return from === "network" ? `${name}2` : name === "b" ? "a1" : "b1";
  }

  /** All that anybody could try for a row: the container's own address, and the host's with all its published ports. */
  function attempts({ endpoint }: Pick<Place, "endpoint">, { family, from }: Reach): readonly string[] {
    const own = family === 4 ? endpoint.ipv4.split("/")[0] : `[${endpoint.ipv6.split("/")[0]}]`;
    const host = from === "loopback" ? { 4: "127.0.0.1", 6: "[::1]" }[family] : HOST[family];
    const ports = endpoint.ports.filter(({ hostIp }) => hostIp.includes(":") === (family === 6));
    return [
      ...(from === "loopback" ? [] : [`${own}:80`]),
      ...ports.filter(({ hostPort }) => hostPort !== 0).map(({ hostPort }) => `${host}:${hostPort}`),
    ];
  }

  const concrete = (by: string, family: 4 | 6): string =>
    by.replace(/^(0\.0\.0\.0|\[::\]):/, `${HOST[family]}:`);

  async function answers(from: string, place: string): Promise<boolean> {
    const [, address = "", port] = /^\[?(.*?)\]?:(\d+)$/.exec(place) ?? [];
    return (await lab.ask(from, address, Number(port))) !== "-";
  }

  const PLAIN: ExplainOptions = {
    translates: { 4: true, 6: true },
    forwardsPorts: false, // there is none in the lab
    directRouting: false,
    respectsHost: false,
    filtersBridges: false,
  };

  test.each([
    ["plain", PLAIN],
    [
      "with direct routing, and bridged packets filtered",
      { ...PLAIN, directRouting: true, filtersBridges: true },
    ],
  ] as const)(
    "is what packets find: %s",
    async (_, options) => {
      await lab.filterBridged(options.filtersBridges);
      const { directRouting } = options;
      const firewall = new HostFirewall(builtNative(), lab.at("host").fd, {
        ...DEFAULT_FIREWALL_OPTIONS,
        directRouting,
        opensPassages: false,
      });
      const keeper = new FirewallKeeper(firewall);
      for (const { network, endpoint } of MEMBERS) {
        keeper.putNetwork(network);
        keeper.publish(network, endpoint);
      }
      await keeper.apply();
      const tries = MEMBERS.flatMap((each) =>
        explainPorts([each], options).flatMap((row) => {
          const open = new Set(row.by.map((by) => concrete(by, row.family)));
          const from = asker(row.from, each.network.name);
          return [...new Set([...attempts(each, row), ...open])].map((place) => ({
            says: `${from} ${place} ${open.has(place)}`,
            from,
            place,
          }));
        }),
      );
      const found: string[] = [];
      for (let at = 0; at < tries.length; at += 8)
        found.push(
          ...(await Promise.all(
            tries
              .slice(at, at + 8)
              .map(async ({ from, place }) => `${from} ${place} ${await answers(from, place)}`),
          )),
        );
      expect(found).toEqual(tries.map(({ says }) => says));
      const reached = tries.filter(({ says }) => says.endsWith(" true")).length;
      expect(Math.min(reached, tries.length - reached)).toBeGreaterThan(20);
      await lab.filterBridged(false);
    },
    60_000,
  );
});
