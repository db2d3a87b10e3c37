/**
 * The chains of the table. What a packet meets, in the order of the kernel's hooks:
 *
 *     raw           what the world sends to 127.0.0.0/8 ends here
 *     prerouting    published ports: to their containers           output: the same for the host's own programs
 *     forward       only what is from or to a network of ours goes on to `ours`
 *     postrouting   addresses of the host for what leaves, and for who would answer past the host
 *
 * `forward` comes just before everybody else's filters, so that they see the mark of what was accepted.
 */
import { ifnameBytes } from "../../../linux/nftables/field-types.ts";
import type { Chain, Rule } from "../../../linux/nftables/ruleset.ts";
import {
  accept,
  begins,
  destination4,
  destination6,
  destinationFrom,
  destinationIsLocal,
  destinationPort,
  drop,
  goto,
  iifname,
  inSet,
  is,
  isAnswer,
  isIpv4,
  isIpv6,
  isNot,
  isTranslated,
  jump,
  l4proto,
  mark,
  markWith,
  masquerade,
  matches,
  nfproto,
  oifname,
  protocolIs,
  rule,
  source4,
  sourceFrom,
  sourceIsForeign,
} from "../../../linux/nftables/statements.ts";
import type { FirewallOptions } from "./firewall.ts";

const PRIORITY = { raw: -300, destination: -100, beforeFilters: -1, source: 100 } as const;
const LOOPBACK4 = Uint8Array.of(127);
const LOOPBACK6 = Uint8Array.from({ length: 16 }, (_, at) => (at === 15 ? 1 : 0));

/** Of the version of IP that this table has nothing to do with. */
function passing({ ipv4, ipv6 }: FirewallOptions): readonly Rule[] {
  return [
    ...(ipv4 ? [] : [rule("not ours", isIpv4, accept)]),
    ...(ipv6 ? [] : [rule("not ours", isIpv6, accept)]),
  ];
}

function base(
  name: string,
  hook: "prerouting" | "output" | "forward" | "postrouting",
  type: "filter" | "nat",
  priority: number,
  rules: readonly Rule[],
): Chain {
  return { name, base: { type, hook, priority, policy: "accept" }, rules };
}

const RAW: readonly Rule[] = [
  rule(
    "published on loopback is for this host alone",
    isIpv4,
    begins(destination4, LOOPBACK4),
    isNot(iifname, ifnameBytes("lo")),
    drop,
  ),
];

/** The kernel lets nothing from ::1 leave by another link, so nothing to it can be translated. */
const OUTPUT: readonly Rule[] = [
  rule(undefined, isIpv6, is(destination6, LOOPBACK6), accept),
  rule(undefined, jump("publish")),
];

const PUBLISH: readonly Rule[] = [
  rule(undefined, isIpv4, destinationFrom("ip", [l4proto, destination4, destinationPort], "published4")),
  rule(undefined, isIpv6, destinationFrom("ip6", [l4proto, destination6, destinationPort], "published6")),
  rule(undefined, isIpv4, destinationIsLocal, destinationFrom("ip", [l4proto, destinationPort], "anywhere4")),
  rule(
    undefined,
    isIpv6,
    destinationIsLocal,
    destinationFrom("ip6", [l4proto, destinationPort], "anywhere6"),
  ),
];

/**
 * A neighbour's answer would go to the container directly, which never spoke to the neighbour: so the host speaks. With
 * br_netfilter such packets do not pass the host but its bridge, and come from no link; as those of the host's own programs, which
 * have its addresses.
 */
const POSTROUTING: readonly Rule[] = [
  rule("published, to a neighbour", inSet([iifname, oifname], "within"), isTranslated, masquerade),
  rule(
    "published, to a neighbour past br_netfilter",
    is(iifname, new Uint8Array(16)),
    inSet([oifname], "networks"),
    isTranslated,
    sourceIsForeign,
    masquerade,
  ),
  rule(undefined, inSet([iifname, oifname], "within"), accept),
  rule("published on loopback", isIpv4, begins(source4, LOOPBACK4), inSet([oifname], "networks"), masquerade),
  rule(undefined, isIpv4, sourceFrom("ip", [iifname], "source4")),
  rule(undefined, isIpv6, sourceFrom("ip6", [iifname], "source6")),
  rule(undefined, inSet([iifname, nfproto], "outgoing"), masquerade),
];

function forwardRules({ closed }: FirewallOptions): readonly Rule[] {
  const guard = [
    ...(closed.ipv4 ? [rule("forwarding is for containers", isIpv4, drop)] : []),
    ...(closed.ipv6 ? [rule("forwarding is for containers", isIpv6, drop)] : []),
  ];
  return [
    rule(undefined, inSet([iifname], "networks"), goto("ours")),
    rule(undefined, inSet([oifname], "networks"), goto("ours")),
    ...guard,
  ];
}

const OURS: readonly Rule[] = [
  rule(undefined, isAnswer, goto("accepted")),
  rule(undefined, inSet([iifname, oifname], "within"), goto("neighbours")),
  rule("internal networks", inSet([iifname], "internal"), drop),
  rule("internal networks", inSet([oifname], "internal"), drop),
  rule(undefined, inSet([oifname], "networks"), goto("arrivals")),
  rule("to the world", goto("accepted")),
];

const NEIGHBOURS: readonly Rule[] = [
  rule(undefined, isTranslated, jump("published")),
  rule("icc=false", inSet([iifname], "quiet"), drop),
  rule(undefined, goto("accepted")),
];

function arrivals({ directRouting, acceptMark }: FirewallOptions): readonly Rule[] {
  const marked =
    acceptMark === undefined
      ? []
      : [rule("bridge-accept-fwmark", matches(mark, acceptMark.value, acceptMark.mask), goto("accepted"))];
  const direct = directRouting ? [rule("allow-direct-routing", jump("published"))] : [];
  return [...marked, ...direct, ...ARRIVALS];
}

const ARRIVALS: readonly Rule[] = [
  rule("by an address of the host", isTranslated, jump("published")),
  rule("by trusted interfaces", inSet([oifname, iifname], "trusted"), jump("published")),
  rule("routed", inSet([oifname, nfproto], "routed"), jump("published")),
  rule("routed", inSet([oifname, nfproto], "routed"), protocolIs("icmp"), goto("accepted")),
  rule("routed", inSet([oifname, nfproto], "routed"), protocolIs("ipv6-icmp"), goto("accepted")),
  rule("nat-unprotected", inSet([oifname, nfproto], "unprotected"), goto("accepted")),
  rule("unpublished, or another network", drop),
];

const PUBLISHED: readonly Rule[] = [
  rule(
    undefined,
    isIpv4,
    inSet([oifname, destination4, l4proto, destinationPort], "open4"),
    goto("accepted"),
  ),
  rule(
    undefined,
    isIpv6,
    inSet([oifname, destination6, l4proto, destinationPort], "open6"),
    goto("accepted"),
  ),
];

export function firewallChains(options: FirewallOptions): readonly Chain[] {
  const pass = passing(options);
  return [
    base("raw", "prerouting", "filter", PRIORITY.raw, [...pass, ...RAW]),
    base("prerouting", "prerouting", "nat", PRIORITY.destination, [
      ...pass,
      rule(undefined, jump("publish")),
    ]),
    base("output", "output", "nat", PRIORITY.destination, [...pass, ...OUTPUT]),
    base("postrouting", "postrouting", "nat", PRIORITY.source, [...pass, ...POSTROUTING]),
    base("forward", "forward", "filter", PRIORITY.beforeFilters, [...pass, ...forwardRules(options)]),
    { name: "publish", rules: PUBLISH },
    { name: "ours", rules: OURS },
    { name: "neighbours", rules: NEIGHBOURS },
    { name: "arrivals", rules: arrivals(options) },
    { name: "published", rules: PUBLISHED },
    { name: "accepted", rules: [rule(undefined, markWith(options.mark), accept)] },
  ];
}
