/**
 * In a container's own network namespace: its resolver listens at 127.0.0.11, on ports that leave 53 to the container's programs,
 * and is asked there at port 53.
 *
 * On crash: the table belongs to the namespace and ends with it.
 */
import { portBytes } from "../../../linux/nftables/field-types.ts";
import type { Rule, Table } from "../../../linux/nftables/ruleset.ts";
import {
  destination4,
  destinationPort,
  is,
  protocolIs,
  rule,
  source4,
  sourcePort,
  translate,
} from "../../../linux/nftables/statements.ts";
import { commit, isRefusedWith } from "../../../linux/nftables/transaction.ts";
import type { Native } from "../../../linux/native.ts";

const TABLE = "gantry-dns";
const RESOLVER = Uint8Array.of(127, 0, 0, 11);
const ASKED = portBytes("53");

export interface ResolverPorts {
  readonly udp: number;
  readonly tcp: number;
}

const PROTOCOLS = ["udp", "tcp"] as const;

/** The second chain is for answers that come when the kernel has forgotten the question. */
export function dnsRedirect(ports: ResolverPorts): Table {
  const own = (protocol: "udp" | "tcp"): Uint8Array => portBytes(`${ports[protocol]}`);
  const questions = PROTOCOLS.map(
    (protocol): Rule =>
      rule(
        undefined,
        is(destination4, RESOLVER),
        protocolIs(protocol),
        is(destinationPort, ASKED),
        translate("destination", "ip", own(protocol), RESOLVER),
      ),
  );
  const answers = PROTOCOLS.map(
    (protocol): Rule =>
      rule(
        undefined,
        is(source4, RESOLVER),
        protocolIs(protocol),
        is(sourcePort, own(protocol)),
        translate("source", "ip", ASKED, RESOLVER),
      ),
  );
  return {
    family: "ip",
    name: TABLE,
    sets: [],
    chains: [
      {
        name: "output",
        base: { type: "nat", hook: "output", priority: -100, policy: "accept" },
        rules: questions,
      },
      {
        name: "postrouting",
        base: { type: "nat", hook: "postrouting", priority: 100, policy: "accept" },
        rules: answers,
      },
    ],
  };
}

/** Makes it, or makes it anew. `namespace`: the descriptor of the container's. */
export async function redirectDns(
  native: Pick<Native, "netlink">,
  namespace: number,
  ports: ResolverPorts,
): Promise<void> {
  const table = dnsRedirect(ports);
  try {
    await commit(native, namespace, [{ kind: "make", table }]);
  } catch (error) {
    if (!isRefusedWith(error, "EEXIST")) throw error;
    await commit(native, namespace, [{ kind: "replace", table }]);
  }
}
