/** Who reaches a container by its own address. Pure; a part of `explain-ports.ts`. */
import type { IpFamily } from "../../base/ip-address.ts";
import { parseIp } from "../../base/ip-address.ts";
import type { BridgeSettings, DriverSettings, IpvlanSettings, MacvlanSettings } from "./driver-settings.ts";
import { asFarAsHostLets, type ExplainOptions, isLoopback, type Source, type Way } from "./exposure.ts";
import type { NetworkRecord } from "./network-record.ts";
import type { Publication } from "./publications.ts";

/** What it depends on. */
export interface DirectWays {
  readonly network: NetworkRecord;
  readonly settings: DriverSettings;
  readonly family: IpFamily;
  /** Of the port, on addresses of the host of the same version of IP. */
  readonly published: readonly Publication[];
  readonly options: ExplainOptions;
}

type Judgement = readonly [isOpen: boolean, why: string];

/** `by`: the address with the port. None from the loopback, by which nobody asks for it. */
export function explainDirect(from: Source, by: string, ways: DirectWays): readonly Way[] {
  const judgement = judge(from, ways);
  return judgement === undefined ? [] : [{ by, isOpen: judgement[0], why: judgement[1] }];
}

function judge(from: Source, ways: DirectWays): Judgement | undefined {
  const { settings } = ways;
  if (from === "loopback" || settings.kind === "host" || settings.kind === "null") return undefined;
  if (settings.kind !== "bridge") return besideHost(from, settings, ways.network);
  switch (from) {
    case "host":
      return fromHost(settings, ways.family);
    case "network":
      return settings.allowsNeighbours
        ? [true, "neighbours in a network reach each other"]
        : [false, "enable_icc is false"];
    case "lan":
    case "networks":
      return byRouting(from, settings, ways);
  }
}

function fromHost({ ipv4Mode, ipv6Mode, inhibitsIpv4 }: BridgeSettings, family: IpFamily): Judgement {
  const isIn = family === 4 ? ipv4Mode !== "isolated" && !inhibitsIpv4 : ipv6Mode !== "isolated";
  return isIn ? [true, "the host is in the network"] : [false, "the host has no address in the network"];
}

/** The chain `arrivals` of the firewall. */
function byRouting(
  from: "lan" | "networks",
  { ipv4Mode, ipv6Mode, trustedInterfaces }: BridgeSettings,
  { network, family, published, options }: DirectWays,
): Judgement {
  if (network.isInternal) return [false, "the network is internal"];
  const open = (why: string): Judgement => [true, asFarAsHostLets(why, options)];
  if (!options.translates[family]) return open("no rules are kept for this version of IP");
  const mode = family === 4 ? ipv4Mode : ipv6Mode;
  if (mode === "nat-unprotected") return open("every port of the network is open (nat-unprotected)");
  const isPublished = published.some(({ hostIp, containerIp }) => {
    const host = parseIp(hostIp);
    return host !== undefined && !isLoopback(host) && parseIp(containerIp)?.family === family;
  });
  if (!isPublished) return [false, published.length === 0 ? "not published" : "published for the host alone"];
  if (mode === "routed") return open("published, and the network is routed");
  if (options.directRouting) return open("published, and allow-direct-routing is true");
  if (from === "lan" && trustedInterfaces.length > 0)
    return open(`published, for what comes by ${trustedInterfaces.join(", ")}`);
  return [false, "the network is not routed"];
}

/** macvlan and ipvlan: links beside the host's, which it has no part in. */
function besideHost(
  from: Exclude<Source, "loopback">,
  settings: MacvlanSettings | IpvlanSettings,
  { driver, isInternal }: NetworkRecord,
): Judgement {
  const { mode } = settings;
  switch (from) {
    case "host":
    case "networks":
      return [false, `the host cannot talk to ${driver} links by their parent`];
    case "lan":
      if (isInternal || settings.parent === "") return [false, "the network is internal"];
      return mode === "l3" || mode === "l3s"
        ? [true, "it is on the LAN, for those who have a route to it"]
        : [true, "it is on the LAN itself"];
    case "network": {
      const isolation = settings.kind === "ipvlan" ? settings.flag : mode;
      if (isolation === "private") return [false, `the ${driver} network is private`];
      return isolation === "vepa"
        ? [true, "if the switch sends back what is for a neighbour (vepa)"]
        : [true, "neighbours in a network reach each other"];
    }
  }
}
