/** The table that shall be, and how the kernel gets to the next one. Pure. */
import { setChanges, tableChanges } from "../../../linux/nftables/differences.ts";
import type { Chain, Change, NamedSet, Table } from "../../../linux/nftables/ruleset.ts";
import { firewallChains } from "./chains.ts";
import {
  DEFAULT_FIREWALL_OPTIONS,
  type FirewallOptions,
  type FirewallState,
  type FirewallPublication,
} from "./firewall.ts";
import { firewallSets, publicationSetsOf } from "./sets.ts";

/** Undefined: there shall be no table. */
export function firewallOf(
  state: FirewallState,
  options: FirewallOptions = DEFAULT_FIREWALL_OPTIONS,
): Table | undefined {
  if (!options.ipv4 && !options.ipv6) return undefined;
  return tableOf(state, options, firewallChains(options));
}

function tableOf(state: FirewallState, options: FirewallOptions, chains: readonly Chain[]): Table {
  return {
    family: "inet",
    name: options.table,
    comment: "networks of containers; made and kept right by gantryd",
    sets: firewallSets(state, options),
    chains,
  };
}

/** What takes the table away, whether it is there or not. */
export function removal({ table }: FirewallOptions = DEFAULT_FIREWALL_OPTIONS): Change {
  return { kind: "remove", family: "inet", name: table };
}

/** Where publications go; those that go to the same place share an element. */
const placeOf = ({ protocol, bridge, containerIp, containerPort }: FirewallPublication): string =>
  `${bridge} ${protocol} ${containerIp} ${containerPort}`;

function ofPublications(
  state: FirewallState,
  publications: readonly FirewallPublication[],
  options: FirewallOptions,
): readonly NamedSet[] {
  return publicationSetsOf({ networks: state.networks, publications }, options);
}

function publicationChanges(
  before: FirewallState,
  after: FirewallState,
  options: FirewallOptions,
): readonly Change[] {
  const [old, now] = [new Set(before.publications), new Set(after.publications)];
  const gone = before.publications.filter((one) => !now.has(one));
  const added = after.publications.filter((one) => !old.has(one));
  const places = new Set([...gone, ...added].map(placeOf));
  const staying = after.publications.filter((one) => old.has(one) && places.has(placeOf(one)));
  const place = { family: "inet", table: options.table } as const;
  return setChanges(
    place,
    ofPublications(before, [...staying, ...gone], options),
    ofPublications(after, [...staying, ...added], options),
  );
}

/**
 * How the kernel gets from what it has, `before`, to `after`: by elements alone. Costs as much as what differs when both have the
 * same array of networks and the same objects for the same publications. `before` undefined: what it has is not known.
 */
export function changes(
  before: FirewallState | undefined,
  after: FirewallState,
  options: FirewallOptions = DEFAULT_FIREWALL_OPTIONS,
): readonly Change[] {
  if (!options.ipv4 && !options.ipv6) return [removal(options)];
  if (before?.networks === after.networks) return publicationChanges(before, after, options);
  const chains = firewallChains(options);
  const old = before === undefined ? undefined : tableOf(before, options, chains);
  return tableChanges(old, tableOf(after, options, chains));
}
