import { describe, expect, test } from "bun:test";
import { explainPorts } from "./explain-ports.ts";
import type { ExplainOptions, Source } from "./exposure.ts";
import type { NetworkRecord } from "./network-record.ts";
import type { Publication } from "./publications.ts";
import { endpointRecord, networkRecord } from "./testing/records.ts";

const BRIDGE = "com.docker.network.bridge.";

const PLAIN: ExplainOptions = {
  translates: { 4: true, 6: true },
  forwardsPorts: true,
  directRouting: false,
  respectsHost: false,
  filtersBridges: false,
};

/** "0.0.0.0:8080", to port 80 of the container's address of the same version of IP, or of the one that is said. */
function published(host: string, containerIp = host.includes("[") ? "fd00:9::2" : "10.9.0.2"): Publication {
  const [, hostIp = "", hostPort] = /^\[?([^\]]*?)\]?:(\d+)$/.exec(host) ?? [];
  return { protocol: "tcp", hostIp, hostPort: Number(hostPort), containerIp, containerPort: 80 };
}

interface Case {
  readonly ports?: readonly Publication[];
  readonly network?: Partial<NetworkRecord>;
  readonly options?: Readonly<Record<string, string>>;
  readonly driver?: NetworkRecord["driver"];
  readonly how?: Partial<ExplainOptions>;
  readonly isIpv4Only?: boolean;
}

/** Of IPv4, or IPv6: "lan: 0.0.0.0:8080 (why)", "lan: - (why)". */
function explained(its: Case, family: 4 | 6 = 4): Readonly<Record<Source, string>> {
  const { ports = [], options = {}, driver = "bridge", how = {} } = its;
  const network = { ...networkRecord(driver, options), ...its.network };
  const endpoint = { ...endpointRecord(2), exposed: ["80/tcp"], ports };
  const members = [{ network, endpoint: its.isIpv4Only ? { ...endpoint, ipv6: "" } : endpoint }];
  const rows: Record<Source, string> = { loopback: "", host: "", lan: "", network: "", networks: "" };
  for (const { family: version, from, by, why } of explainPorts(members, { ...PLAIN, ...how }))
    if (version === family) rows[from] = `${by.join(" ") || "-"} (${why})`;
  return rows;
}

const DIRECT = "10.9.0.2:80";
const HOST = "the host is in the network";
const NEIGHBOURS = "neighbours in a network reach each other";
const EVERYWHERE = "published on every IPv4 address of the host";

describe("explainPorts()", () => {
  test("what is exposed alone is for the network and the host", () => {
    expect(explained({})).toEqual({
      loopback: "- (not published)",
      host: `${DIRECT} (${HOST})`,
      lan: "- (not published)",
      network: `${DIRECT} (${NEIGHBOURS})`,
      networks: "- (not published)",
    });
    expect(explained({}, 6).network).toBe(`[fd00:9::2]:80 (${NEIGHBOURS})`);
  });

  test("published everywhere is for everybody, by addresses of the host", () => {
    expect(explained({ ports: [published("0.0.0.0:8080")] })).toEqual({
      loopback: `127.0.0.1:8080 (${EVERYWHERE})`,
      host: `${DIRECT} 0.0.0.0:8080 (${HOST}; ${EVERYWHERE})`,
      lan: `0.0.0.0:8080 (${EVERYWHERE})`,
      network: `${DIRECT} 0.0.0.0:8080 (${NEIGHBOURS}; ${EVERYWHERE})`,
      networks: `0.0.0.0:8080 (${EVERYWHERE})`,
    });
  });

  test("published on loopback is for the host, on one address for who asks for that", () => {
    const local = explained({ ports: [published("127.0.0.1:8080")] });
    expect(local.loopback).toBe("127.0.0.1:8080 (published on 127.0.0.1)");
    expect(local.lan).toBe("- (published for the host alone; published on 127.0.0.1, for the host alone)");
    expect(local.networks).toBe(local.lan);
    const one = explained({ ports: [published("192.0.2.1:8080")] });
    expect(one.loopback).toBe("- (published on 192.0.2.1, for that address alone)");
    expect(one.lan).toBe("192.0.2.1:8080 (published on 192.0.2.1)");
  });

  test("IPv6 is translated, from ::1 and for containers without it it is forwarded by a program", () => {
    const own = explained({ ports: [published("[::]:8080")] }, 6);
    expect(own.loopback).toBe("[::1]:8080 (published on every IPv6 address of the host, by the forwarder)");
    expect(own.lan).toBe("[::]:8080 (published on every IPv6 address of the host)");
    const none = { ports: [published("[::]:8080", "10.9.0.2")], isIpv4Only: true };
    expect(explained(none, 6).lan).toBe(
      "[::]:8080 (published on every IPv6 address of the host, by the forwarder)",
    );
    expect(explained(none, 6).network).toStartWith("[::]:8080 (");
    expect(explained(none).lan).toBe("- (not published)");
    const off = { ...none, how: { forwardsPorts: false } };
    expect(explained(off, 6).lan).toContain(`- (published on every IPv6 address of the host, but no rule`);
    expect(explained({ isIpv4Only: true }, 6).lan).toBe("");
  });

  const cases: [string, Case, Partial<Record<Source, string>>][] = [
    [
      "internal",
      { network: { isInternal: true } },
      {
        host: `${DIRECT} (${HOST})`,
        lan: "- (the network is internal)",
        networks: "- (the network is internal)",
      },
    ],
    [
      "isolated",
      { network: { isInternal: true }, options: { [`${BRIDGE}gateway_mode_ipv4`]: "isolated" } },
      { host: "- (the host has no address in the network)", network: `${DIRECT} (${NEIGHBOURS})` },
    ],
    [
      "without icc",
      { options: { [`${BRIDGE}enable_icc`]: "false" }, ports: [published("0.0.0.0:8080")] },
      { network: `0.0.0.0:8080 (${EVERYWHERE})`, lan: `0.0.0.0:8080 (${EVERYWHERE})` },
    ],
    [
      "without icc and with br_netfilter",
      {
        options: { [`${BRIDGE}enable_icc`]: "false" },
        ports: [published("0.0.0.0:8080")],
        how: { filtersBridges: true },
      },
      {
        network:
          "- (enable_icc is false; enable_icc is false, and br_netfilter keeps neighbours' packets on the bridge)",
      },
    ],
    [
      "routed",
      { options: { [`${BRIDGE}gateway_mode_ipv4`]: "routed" }, ports: [published("0.0.0.0:0")] },
      { lan: `${DIRECT} (published, and the network is routed)`, loopback: "- (not published)" },
    ],
    [
      "routed, of what is not published",
      { options: { [`${BRIDGE}gateway_mode_ipv4`]: "routed" } },
      { lan: "- (not published)" },
    ],
    [
      "unprotected",
      { options: { [`${BRIDGE}gateway_mode_ipv4`]: "nat-unprotected" } },
      {
        lan: `${DIRECT} (every port of the network is open (nat-unprotected))`,
        loopback: "- (not published)",
      },
    ],
    [
      "with trusted interfaces",
      { options: { [`${BRIDGE}trusted_host_interfaces`]: "eth0" }, ports: [published("192.0.2.1:8080")] },
      {
        lan: `${DIRECT} 192.0.2.1:8080 (published, for what comes by eth0; published on 192.0.2.1)`,
        networks: "192.0.2.1:8080 (published on 192.0.2.1)",
      },
    ],
    [
      "with direct routing",
      { ports: [published("0.0.0.0:8080")], how: { directRouting: true } },
      { networks: `${DIRECT} 0.0.0.0:8080 (published, and allow-direct-routing is true; ${EVERYWHERE})` },
    ],
    [
      "with direct routing, of what is for the host",
      { ports: [published("127.0.0.1:8080")], how: { directRouting: true } },
      { lan: "- (published for the host alone; published on 127.0.0.1, for the host alone)" },
    ],
    [
      "without rules",
      { ports: [published("0.0.0.0:8080")], how: { translates: { 4: false, 6: true } } },
      {
        lan: `${DIRECT} 0.0.0.0:8080 (no rules are kept for this version of IP; ${EVERYWHERE}, by the forwarder)`,
      },
    ],
    [
      "where the host has the last word",
      { ports: [published("0.0.0.0:8080")], how: { respectsHost: true } },
      {
        lan: `0.0.0.0:8080 (${EVERYWHERE}, if the host's own firewall lets it through)`,
        loopback: `127.0.0.1:8080 (${EVERYWHERE})`,
      },
    ],
    [
      "of macvlan",
      { driver: "macvlan", options: { parent: "eth0" } },
      {
        loopback: "- (not published)",
        host: "- (the host cannot talk to macvlan links by their parent)",
        lan: `${DIRECT} (it is on the LAN itself)`,
        network: `${DIRECT} (${NEIGHBOURS})`,
      },
    ],
    [
      "of private macvlan without a parent",
      { driver: "macvlan", options: { macvlan_mode: "private" } },
      { lan: "- (the network is internal)", network: "- (the macvlan network is private)" },
    ],
    [
      "of ipvlan",
      { driver: "ipvlan", options: { parent: "eth0", ipvlan_mode: "l3", ipvlan_flag: "vepa" } },
      {
        lan: `${DIRECT} (it is on the LAN, for those who have a route to it)`,
        network: `${DIRECT} (if the switch sends back what is for a neighbour (vepa))`,
      },
    ],
  ];
  test.each(cases)("%s", (_, its, expected) => {
    expect(explained(its)).toMatchObject(expected);
  });
});
