/**
 * Living with other firewalls of the host. A packet that one table accepts must still be accepted by all others on its way, and
 * ufw, Docker and others let nothing be forwarded that they do not know. So, unless the host is to be respected, one rule in
 * their chain accepts what our table has accepted, by the bit in its mark: in `DOCKER-USER` where there is one, which Docker keeps
 * for others' rules, else in iptables' `FORWARD`. It is put at the head once and left wherever somebody moves it or puts rules
 * before it. Nothing else of them is touched.
 *
 * On crash: the rule stays, and is found again by its comment.
 */
import { expressionAttribute } from "../../../linux/nftables/expression-codec.ts";
import type { ListedChain, ListedRule } from "../../../linux/nftables/listing.ts";
import type { Change, Rule } from "../../../linux/nftables/ruleset.ts";
import { accept, counter, mark, matches, rule } from "../../../linux/nftables/statements.ts";
import { commitUndisturbed, listChains, listRules } from "../../../linux/nftables/transaction.ts";
import type { Native } from "../../../linux/native.ts";
import type { FirewallOptions } from "./firewall.ts";

type Version = "ip" | "ip6";
const VERSIONS: readonly Version[] = ["ip", "ip6"];
/** Where iptables and ip6tables keep their filters. */
const THEIRS = "filter";

export interface Passages {
  readonly changes: readonly Change[];
  /** Whom the table cannot help; one line each. */
  readonly warnings: readonly string[];
}

/** What the decision looks at. */
export interface HostFirewall {
  /** Of everybody. */
  readonly chains: readonly ListedChain[];
  /** Of the tables "filter" of ip and ip6. */
  readonly rules: Readonly<Record<Version, readonly ListedRule[]>>;
  /** Whether iptables-legacy has filters, which cannot be seen from here. */
  readonly legacy: boolean;
}

const FORWARD_HOOK = 2;
const DROP = 0;

/** Iptables shows it as `-m mark --mark BIT/BIT -m comment --comment "…" -j ACCEPT`. */
function passage({ table, mark: bit }: FirewallOptions): Rule {
  return rule(`accepted by ${table}`, matches(mark, bit, bit), counter, accept);
}

const isSame = (a: Rule, b: Rule): boolean =>
  JSON.stringify([a.comment, a.expressions.map(written)]) ===
  JSON.stringify([b.comment, b.expressions.map(written)]);
const written = (step: Rule["expressions"][number]): string =>
  step.kind === "unknown" ? "?" : Buffer.from(expressionAttribute(step)).toString("hex");

/** The chain that our rule belongs in, if they have filters for what is forwarded. */
function doorOf(chains: readonly ListedChain[], family: Version): string | undefined {
  const theirs = chains.filter((chain) => chain.family === family && chain.table === THEIRS);
  const forward = theirs.find(({ name, base }) => name === "FORWARD" && base?.hook === FORWARD_HOOK);
  if (forward === undefined) return undefined;
  return theirs.some(({ name }) => name === "DOCKER-USER") ? "DOCKER-USER" : forward.name;
}

function versionChanges(
  family: Version,
  host: HostFirewall,
  options: FirewallOptions,
  isWanted: boolean,
): readonly Change[] {
  const ours = passage(options);
  const door = isWanted ? doorOf(host.chains, family) : undefined;
  const found = host.rules[family].filter(({ comment }) => comment === ours.comment);
  const kept = found.find((one) => one.chain === door && isSame(one, ours));
  const place = { family, table: THEIRS } as const;
  const deletions = found
    .filter((one) => one !== kept)
    .map(({ chain, handle }) => ({ kind: "delete rule", ...place, chain, handle }) as const);
  if (door === undefined || kept !== undefined) return deletions;
  return [...deletions, { kind: "insert rule", ...place, chain: door, rule: ours }];
}

function warningsOf({ chains, legacy }: HostFirewall, options: FirewallOptions): readonly string[] {
  const bit = `0x${options.mark.toString(16)}`;
  const others = chains.filter(
    ({ family, table, base }) =>
      family !== undefined &&
      base?.hook === FORWARD_HOOK &&
      base.policy === DROP &&
      table !== options.table &&
      !(table === THEIRS && family !== "inet"),
  );
  return [
    ...others.map(
      ({ family, table, name }) =>
        `chain "${name}" of the nftables table "${family} ${table}" drops what it does not accept: ` +
        `containers need "meta mark & ${bit} == ${bit} accept" there`,
    ),
    ...(chains.some(({ table }) => table === "firewalld")
      ? [
          'firewalld is running: containers need their bridges in its zone "trusted", or a policy that accepts what is forwarded',
        ]
      : []),
    ...(legacy
      ? [
          `iptables-legacy has filters, which cannot be seen or changed: containers need "-m mark --mark ${bit}/${bit} -j ACCEPT" in its chain FORWARD`,
        ]
      : []),
  ];
}

/** `isWanted` false: none (the mode "respect-host", or the end). Pure. */
export function passagesOf(host: HostFirewall, options: FirewallOptions, isWanted: boolean): Passages {
  return {
    changes: VERSIONS.flatMap((family) =>
      versionChanges(family, host, options, isWanted && options[family === "ip" ? "ipv4" : "ipv6"]),
    ),
    warnings: isWanted ? warningsOf(host, options) : [],
  };
}

/** Looks at the host, opens or closes the passages, and returns warnings. */
export async function keepPassages(
  native: Pick<Native, "netlink">,
  namespace: number | undefined,
  options: FirewallOptions,
  wish: { readonly isWanted: boolean; readonly legacy: boolean },
): Promise<readonly string[]> {
  const { warnings } = await commitUndisturbed(native, namespace, async () => {
    const [chains, ip, ip6] = await Promise.all([
      listChains(native, namespace),
      listRules(native, namespace, "ip", THEIRS),
      listRules(native, namespace, "ip6", THEIRS),
    ]);
    return passagesOf({ chains, rules: { ip, ip6 }, legacy: wish.legacy }, options, wish.isWanted);
  });
  return warnings;
}
