/**
 * Where networks behave otherwise than the real Docker's, and why. A difference that no row explains fails the test, and so does
 * a row that explains nothing any more. docs/network-differences.md is made from this table (`npm run gen:network-differences`).
 */
import { golden } from "./golden.ts";

export interface Difference {
  readonly section: string;
  /** Of the observation. */
  readonly key: RegExp;
  /** What is different, and why it stays so. */
  readonly reason: string;
}

/** One observation that is different; the empty string for one that an engine does not have. */
export interface Pair {
  readonly key: string;
  readonly docker: string;
  readonly gantry: string;
}

export const DIFFERENCES: readonly Difference[] = [
  {
    section: "publishing",
    key: /from neighbour at 127\.0\.0\.1:/,
    reason:
      "what comes over a link for 127.0.0.0/8 is dropped, so a publication on 127.0.0.1 is the host's alone; Docker has this from 28 on",
  },
  {
    section: "publishing",
    key: /^from neighbour at the container's /,
    reason:
      "containers' own addresses are not reached from the LAN, published or not, over both versions of IP; Docker has this from 28 on, and before 27 filters no IPv6 at all",
  },
  {
    section: "publishing",
    key: /818[02]:80 from (host|neighbour) at \[(2001|fd00)/,
    reason:
      "IPv6 is led to the container by rules, too, so it sees its client's real address; Docker has ip6tables by default from 27 on, before that its proxy connects",
  },
  {
    section: "publishing",
    key: /^-p 8084:99 from (host at 127|lan-)/,
    reason:
      "where nobody listens in the container the client is refused, wherever rules lead there; behind Docker's proxy it is accepted and closed",
  },
  {
    section: "publishing",
    key: /^-p 808[56]:5300\/udp from lan-(friend|stranger|web) at 1/,
    reason:
      "datagrams from containers to any address of the host are answered from that address; Docker's proxy answers from the network's gateway, and is not heard",
  },
  {
    section: "publishing",
    key: /^ps of /,
    reason: "brackets around IPv6, as newer clients of Docker write it",
  },
  {
    section: "clashes",
    key: /^(-P|-p 80) /,
    reason: "a port that nobody chose is the same for IPv4 and IPv6; Docker has this from 27 on",
  },
  {
    section: "clashes",
    key: /^run --rm -p /,
    reason:
      "words of Docker 28, whose daemon binds ports itself; where another container has the port, on whatever address, that is said",
  },
  {
    section: "clashes",
    key: /^run -p "8940:80\/sctp"$/,
    reason: "SCTP is led by rules alone, so the host needs no SCTP of its own",
  },
  {
    section: "clashes",
    key: /^run -p "(8940:80:80:80|::1:8940:80)"$/,
    reason: "grammar and words of newer clients of Docker, which take IPv6 without brackets",
  },
  {
    section: "reach",
    key: /^icc=false: from lan-alone2 at .*:8480$/,
    reason:
      "with br_netfilter, which was loaded here, neighbours in a network with icc=false do not reach each other's published ports by the host's address; without it they do (docs/firewall.md)",
  },
  {
    section: "reach",
    key: /^out: from lan-six at 2001:/,
    reason: "IPv6 leaves with the host's address, as IPv4 does; Docker has ip6tables by default from 27 on",
  },
  {
    section: "names",
    key: /asks for \S+ (ANY|TXT)$/,
    reason:
      "names of containers are never asked for elsewhere, whatever type is asked for; Docker asks its upstreams for all but A, AAAA, MX and PTR",
  },
  {
    section: "names",
    key: /host\.docker\.internal/,
    reason:
      "host.docker.internal is there, as with Docker Desktop; `default-extra-hosts` in daemon.json changes that",
  },
  { section: "names", key: /asks for x\.wild A$/, reason: "an alias `*.wild` stands for all names below" },
  {
    section: "upstreams",
    key: /big\.test A, edns 4096$/,
    reason:
      "a truncated answer is asked for again over TCP when the client takes more than 1232 bytes, so it need not come itself",
  },
  {
    section: "upstreams",
    key: /edns\.test TXT, edns 65000$/,
    reason: "no more than 4096 bytes are announced to upstreams, which is what is read of a datagram",
  },
  {
    section: "files",
    key: /^hosts after (disconnect|a line of its own and connect)$/,
    reason:
      "addresses in networks that a container is still in keep their lines; Docker takes all lines with its name away",
  },
  {
    section: "files",
    key: /^hosts, .* lines of every container$/,
    reason:
      "fe00:: and ff00:: are written as Docker 28 does; host.docker.internal is there where a network leads out",
  },
  {
    section: "files",
    key: /^resolv\.conf's comment about servers of the host$/,
    reason: "servers of the host are asked through its own network, and marked so, as Docker does from 27 on",
  },
  {
    section: "refusals",
    key: /^(12 network disconnect|4 network connect|network create (" "|"")|network rm in use|network create --ipam-driver)/,
    reason: "words of Docker 28, or ones that name what is wrong",
  },
  {
    section: "refusals",
    key: /^network create --subnet (10\.81\.(0\.0\/16|1\.0\/24|1\.128\/25)|172\.17\.0\.0\/24)$/,
    reason: "`invalid pool request` in front, as Docker 28 says it",
  },
  {
    section: "refusals",
    key: /^network create --subnet (10\.81\.20\.0(\/|\/33)?|10\.81\.300\.0\/24|nonsense|10\.81\.20\.0\/24 --ip-range nonsense)$/,
    reason: "the command line refuses what is no subnet before it asks the daemon",
  },
  {
    section: "refusals",
    key: /bridge\.name=|a name of 300 letters|--scope nonsense|network rm ""|01:00:5e|--network-alias $/,
    reason:
      "refused by name before anything is made: a bridge's name that the kernel does not take, a network's that is longer than a file name or DNS could bear, a scope that there is not, a group's MAC address, an empty alias",
  },
];

/** Observations of a section that differ, in order. */
export function differing(section: string): readonly Pair[] {
  const [docker, gantry] = [valuesOf(golden("docker", section)), valuesOf(golden("gantry", section))];
  const keys = [...new Set([...docker.keys(), ...gantry.keys()])].sort();
  return keys
    .map((key) => ({ key, docker: docker.get(key) ?? "", gantry: gantry.get(key) ?? "" }))
    .filter((pair) => pair.docker !== pair.gantry);
}

export function explains(difference: Difference, section: string, { key }: Pair): boolean {
  return difference.section === section && difference.key.test(key);
}

function valuesOf(lines: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    lines.map((line) => {
      const at = line.indexOf(" => ");
      return [line.slice(0, at), line.slice(at + 4)];
    }),
  );
}
