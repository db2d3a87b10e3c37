/** Whether the host forwards packets at all: what to switch on for containers, and what that must not mean for everybody else. Pure. */

export interface ForwardingWish {
  /** daemon.json's `ip-forward`. */
  readonly ipForward: boolean;
  /** daemon.json's `ip-forward-no-drop`. */
  readonly noDrop: boolean;
  /** Versions of IP that there are networks for and whose rules are ours (`iptables`, `ip6tables`). */
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

export interface ForwardingFacts {
  /** net.ipv4.ip_forward, net.ipv6.conf.all.forwarding */
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  /** Links with accept_ra = 1: a host that forwards hears router advertisements only with 2. */
  readonly advertised: readonly string[];
  /** What an earlier start of the same boot has decided on. */
  readonly closed: Readonly<Record<"ipv4" | "ipv6", boolean>>;
}

export interface Forwarding {
  /** To be written in this order. */
  readonly settings: readonly (readonly [name: string, value: string])[];
  /** `FirewallOptions.closed`: forwarding was switched on here, and not to make a router of the host. */
  readonly closed: Readonly<Record<"ipv4" | "ipv6", boolean>>;
  readonly warnings: readonly string[];
}

export function forwardingOf(wish: ForwardingWish, facts: ForwardingFacts): Forwarding {
  const missing4 = wish.ipv4 && !facts.ipv4;
  const missing6 = wish.ipv6 && !facts.ipv6;
  if (!wish.ipForward)
    return {
      settings: [],
      closed: facts.closed,
      warnings: [
        ...(missing4 ? ["IPv4 forwarding is disabled"] : []),
        ...(missing6 ? ["IPv6 forwarding is disabled"] : []),
      ],
    };
  const on4: Forwarding["settings"] = missing4 ? [["net/ipv4/ip_forward", "1"]] : [];
  const on6: Forwarding["settings"] = missing6
    ? [
        ...facts.advertised.map((link) => [`net/ipv6/conf/${link}/accept_ra`, "2"] as const),
        ["net/ipv6/conf/default/forwarding", "1"],
        ["net/ipv6/conf/all/forwarding", "1"],
      ]
    : [];
  return {
    settings: [...on4, ...on6],
    closed: {
      ipv4: facts.closed.ipv4 || (missing4 && !wish.noDrop),
      ipv6: facts.closed.ipv6 || (missing6 && !wish.noDrop),
    },
    warnings: [],
  };
}
