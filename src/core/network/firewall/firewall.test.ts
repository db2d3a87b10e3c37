import { expect, test } from "bun:test";
import type { NetworkRecord } from "../network-record.ts";
import type { ListedChain } from "../../../linux/nftables/listing.ts";
import type { NamedSet } from "../../../linux/nftables/ruleset.ts";
import {
  DEFAULT_FIREWALL_OPTIONS,
  type FirewallNetwork,
  type FirewallOptions,
  type FirewallState,
  type FirewallPublication,
} from "./firewall.ts";
import { forwardingOf } from "./forwarding.ts";
import { firewallNetworkOf } from "./network-facts.ts";
import { passagesOf } from "./passages.ts";
import {
  DEFAULT_FIREWALL_SETTINGS,
  firewallOptions,
  parseAcceptMark,
  parseFirewallMode,
  wantsPassages,
} from "./settings.ts";
import { changes, firewallOf } from "./table.ts";

const NETWORK: FirewallNetwork = {
  bridge: "br-a",
  internal: false,
  icc: true,
  masquerade: true,
  gatewayMode: { ipv4: "nat", ipv6: "nat" },
  trustedInterfaces: [],
};
const WEB: FirewallPublication = {
  protocol: "tcp",
  hostIp: "0.0.0.0",
  hostPort: 8080,
  containerIp: "10.0.0.2",
  containerPort: 80,
  bridge: "br-a",
};

function stateOf(
  publications: readonly FirewallPublication[],
  its: Partial<FirewallNetwork> = {},
): FirewallState {
  return { networks: [{ ...NETWORK, ...its }], publications };
}

/** Keys and values of sets that have any, as texts. */
function elementsOf(sets: readonly NamedSet[]): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(
    sets
      .filter(({ elements }) => elements.length > 0)
      .map(({ name, elements }) => [
        name,
        elements.map(({ key, value }) =>
          [...key, ...(Array.isArray(value) ? ["to", ...value] : [])].join(" "),
        ),
      ]),
  );
}

const setsFor = (state: FirewallState): Readonly<Record<string, readonly string[]>> =>
  elementsOf(firewallOf(state)?.sets ?? []);

test("firewallOf() makes elements of a network and what it publishes", () => {
  const six = { ...WEB, hostIp: "2001:db8::1", containerIp: "fd00::2" };
  expect(
    setsFor(stateOf([WEB, six], { hostIpv4: "192.0.2.7", icc: false, trustedInterfaces: ["eth1"] })),
  ).toEqual({
    networks: ["br-a"],
    quiet: ["br-a"],
    within: ["br-a br-a"],
    trusted: ["br-a eth1"],
    outgoing: ["br-a ipv4", "br-a ipv6"],
    source4: ["br-a to 192.0.2.7"],
    anywhere4: ["tcp 8080 to 10.0.0.2 80"],
    open4: ["br-a 10.0.0.2 tcp 80"],
    published6: ["tcp 2001:db8::1 8080 to fd00::2 80"],
    open6: ["br-a fd00::2 tcp 80"],
  });
});

test("firewallOf() translates nothing for routed networks, and opens nothing for the loopback", () => {
  expect(setsFor(stateOf([WEB], { gatewayMode: { ipv4: "routed", ipv6: "nat-unprotected" } }))).toEqual({
    networks: ["br-a"],
    within: ["br-a br-a"],
    routed: ["br-a ipv4"],
    unprotected: ["br-a ipv6"],
    outgoing: ["br-a ipv6"],
    open4: ["br-a 10.0.0.2 tcp 80"],
  });
  const { published4, open4 } = setsFor(stateOf([{ ...WEB, hostIp: "127.0.0.2" }]));
  expect([published4, open4]).toEqual([["tcp 127.0.0.2 8080 to 10.0.0.2 80"], undefined]);
});

test("firewallOf() gives internal networks no way out, and refuses to publish by them", () => {
  expect(setsFor(stateOf([], { internal: true, hostIpv4: "192.0.2.7" }))).toEqual({
    networks: ["br-a"],
    internal: ["br-a"],
    within: ["br-a br-a"],
  });
  expect(() => firewallOf(stateOf([WEB], { internal: true }))).toThrow(/nothing can be published/);
  expect(() => firewallOf(stateOf([{ ...WEB, bridge: "br-x" }]))).toThrow(/nothing can be published/);
});

test("firewallOf() refuses the same port for two", () => {
  expect(() => firewallOf(stateOf([WEB, { ...WEB, containerPort: 81 }]))).toThrow(/published twice/);
});

test("firewallOf() leaves what needs another version of IP to the forwarder", () => {
  expect(setsFor(stateOf([{ ...WEB, hostIp: "::" }]))).toEqual(setsFor(stateOf([])));
});

test("firewallOf() has rules for direct routing and for others' marks only on wish", () => {
  const rulesOf = (its: Partial<FirewallOptions>): number =>
    firewallOf(stateOf([]), { ...DEFAULT_FIREWALL_OPTIONS, ...its })?.chains.find(
      ({ name }) => name === "arrivals",
    )?.rules.length ?? 0;
  expect(rulesOf({ directRouting: true }) - rulesOf({})).toBe(1);
  expect(rulesOf({ acceptMark: { value: 1, mask: 3 } }) - rulesOf({})).toBe(1);
});

test("firewallOf() has the same chains whatever the networks", () => {
  const many = { networks: [NETWORK, { ...NETWORK, bridge: "br-b", internal: true }], publications: [WEB] };
  expect(firewallOf(many)?.chains).toEqual(firewallOf({ networks: [], publications: [] })?.chains ?? []);
  expect(firewallOf(many, { ...DEFAULT_FIREWALL_OPTIONS, ipv4: false, ipv6: false })).toBeUndefined();
});

/** What changes, as texts: "add open4: …". */
function told(before: FirewallState | undefined, after: FirewallState): readonly string[] {
  return changes(before, after).map((change) =>
    change.kind === "add" || change.kind === "delete"
      ? `${change.kind} ${change.set.name}: ${change.elements.map(({ key }) => key.join(" ")).join(", ")}`
      : change.kind,
  );
}

test("changes() are elements, and those that others still need stay", () => {
  const empty = stateOf([]);
  const one = { ...empty, publications: [WEB] };
  const again = { ...WEB, hostPort: 8081 };
  const two = { ...empty, publications: [WEB, again] };
  expect(told(empty, one)).toEqual(["add anywhere4: tcp 8080", "add open4: br-a 10.0.0.2 tcp 80"]);
  expect(told(one, two)).toEqual(["add anywhere4: tcp 8081"]);
  expect(told(two, { ...empty, publications: [again] })).toEqual(["delete anywhere4: tcp 8080"]);
  expect(told(two, empty)).toEqual([
    "delete anywhere4: tcp 8080, tcp 8081",
    "delete open4: br-a 10.0.0.2 tcp 80",
  ]);
  expect(told(two, two)).toEqual([]);
  const moved = { ...empty, publications: [{ ...WEB, containerIp: "10.0.0.3" }] };
  expect(told(one, moved)).toEqual([
    "delete anywhere4: tcp 8080",
    "add anywhere4: tcp 8080",
    "delete open4: br-a 10.0.0.2 tcp 80",
    "add open4: br-a 10.0.0.3 tcp 80",
  ]);
});

test("changes() of networks are elements, too; of what is not known, everything", () => {
  const one = stateOf([WEB]);
  const two = { networks: [...one.networks, { ...NETWORK, bridge: "br-b" }], publications: [WEB] };
  expect(told(one, two)).toEqual([
    "add networks: br-b",
    "add within: br-b br-b",
    "add outgoing: br-b ipv4, br-b ipv6",
  ]);
  expect(told(undefined, one)).toEqual(["replace"]);
  expect(changes(one, two, { ...DEFAULT_FIREWALL_OPTIONS, ipv4: false, ipv6: false })).toEqual([
    { kind: "remove", family: "inet", name: "gantry" },
  ]);
});

const OFF = { ipv4: false, ipv6: false };

test("forwardingOf() switches on what is missing, for containers alone, and keeps advertised routes", () => {
  const wish = { ipForward: true, noDrop: false, ipv4: true, ipv6: true };
  expect(forwardingOf(wish, { ...OFF, advertised: ["eth0"], closed: OFF })).toEqual({
    settings: [
      ["net/ipv4/ip_forward", "1"],
      ["net/ipv6/conf/eth0/accept_ra", "2"],
      ["net/ipv6/conf/default/forwarding", "1"],
      ["net/ipv6/conf/all/forwarding", "1"],
    ],
    closed: { ipv4: true, ipv6: true },
    warnings: [],
  });
  const again = { ipv4: true, ipv6: true, advertised: [], closed: { ipv4: true, ipv6: false } };
  expect(forwardingOf(wish, again)).toEqual({ settings: [], closed: again.closed, warnings: [] });
  expect(
    forwardingOf({ ...wish, noDrop: true, ipv6: false }, { ...OFF, advertised: [], closed: OFF }),
  ).toEqual({
    settings: [["net/ipv4/ip_forward", "1"]],
    closed: OFF,
    warnings: [],
  });
});

test("forwardingOf() leaves the host alone with ip-forward=false, and says what that means", () => {
  expect(
    forwardingOf(
      { ipForward: false, noDrop: false, ipv4: true, ipv6: false },
      { ...OFF, advertised: ["eth0"], closed: OFF },
    ),
  ).toEqual({ settings: [], closed: OFF, warnings: ["IPv4 forwarding is disabled"] });
});

const FORWARD: ListedChain = {
  family: "ip",
  table: "filter",
  name: "FORWARD",
  base: { type: "filter", hook: 2, priority: 0, policy: 0 },
};
const NO_RULES = { ip: [], ip6: [] };

test("passagesOf() opens nothing where nobody filters, and closes what is not wanted any more", () => {
  const host = { chains: [], rules: NO_RULES, legacy: false };
  expect(passagesOf(host, DEFAULT_FIREWALL_OPTIONS, true)).toEqual({ changes: [], warnings: [] });
  const { changes: opened } = passagesOf({ ...host, chains: [FORWARD] }, DEFAULT_FIREWALL_OPTIONS, true);
  const [insertion] = opened;
  if (insertion?.kind !== "insert rule") throw new Error("no rule");
  const listed = { ...insertion.rule, chain: "FORWARD", handle: 7n };
  const later = { chains: [FORWARD], rules: { ip: [listed], ip6: [] }, legacy: false };
  expect(passagesOf(later, DEFAULT_FIREWALL_OPTIONS, true).changes).toEqual([]);
  const place = { family: "ip", table: "filter" } as const;
  expect(passagesOf(later, DEFAULT_FIREWALL_OPTIONS, false).changes).toEqual([
    { kind: "delete rule", ...place, chain: "FORWARD", handle: 7n },
  ]);
  const docker = { ...later, chains: [FORWARD, { ...FORWARD, name: "DOCKER-USER", base: undefined }] };
  expect(passagesOf(docker, DEFAULT_FIREWALL_OPTIONS, true).changes).toEqual([
    { kind: "delete rule", ...place, chain: "FORWARD", handle: 7n },
    { ...insertion, chain: "DOCKER-USER" },
  ]);
  const other = { ...later, rules: { ip: [{ ...listed, expressions: [] }], ip6: [] } };
  expect(passagesOf(other, DEFAULT_FIREWALL_OPTIONS, true).changes).toEqual([
    { kind: "delete rule", ...place, chain: "FORWARD", handle: 7n },
    insertion,
  ]);
});

test("firewallNetworkOf() reads a bridge network's record, and knows nothing of others", () => {
  const record: NetworkRecord = {
    id: "0123456789abcdef",
    name: "n",
    created: "",
    driver: "bridge",
    hasIpv4: true,
    hasIpv6: false,
    isInternal: true,
    isAttachable: false,
    isConfigOnly: false,
    configFrom: "",
    options: {
      "com.docker.network.bridge.enable_icc": "false",
      "com.docker.network.bridge.gateway_mode_ipv6": "routed",
      "com.docker.network.bridge.trusted_host_interfaces": "eth1:eth2",
      "com.docker.network.host_ipv4": "192.0.2.7",
    },
    labels: {},
    ipam: { options: null, ipv4: [], ipv6: [] },
    subnets: { ipv4: [], ipv6: [] },
  };
  expect(firewallNetworkOf(record)).toEqual({
    bridge: "br-0123456789ab",
    internal: true,
    icc: false,
    masquerade: true,
    gatewayMode: { ipv4: "nat", ipv6: "routed" },
    hostIpv4: "192.0.2.7",
    hostIpv6: undefined,
    trustedInterfaces: ["eth1", "eth2"],
  });
  expect(firewallNetworkOf({ ...record, driver: "macvlan", options: {} })).toBeUndefined();
});

test("settings say for what there is a table, and who has the last word", () => {
  expect(firewallOptions({ ...DEFAULT_FIREWALL_SETTINGS, ip6tables: false }, OFF)).toEqual({
    ...DEFAULT_FIREWALL_OPTIONS,
    ipv6: false,
  });
  expect(wantsPassages(DEFAULT_FIREWALL_SETTINGS)).toBe(true);
  expect(wantsPassages({ ...DEFAULT_FIREWALL_SETTINGS, mode: parseFirewallMode("respect-host") })).toBe(
    false,
  );
  expect(wantsPassages({ ...DEFAULT_FIREWALL_SETTINGS, iptables: false, ip6tables: false })).toBe(false);
  expect(() => parseFirewallMode("iptables")).toThrow(/no firewall-mode/);
  expect(parseAcceptMark("0x10/0xF0")).toEqual({ value: 16, mask: 240 });
  expect(parseAcceptMark("7")).toEqual({ value: 7, mask: 0xffff_ffff });
  for (const bad of ["", "x", "1/", "-1", "4294967296", "1/0x100000000"])
    expect(() => parseAcceptMark(bad)).toThrow(/no mark/);
});
