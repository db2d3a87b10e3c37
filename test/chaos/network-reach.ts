/** Whether what an engine says of its networks is so for whoever uses them: published ports, names, ports of the host that are free. */
import { join } from "node:path";
import type { Engine } from "../support/engine.ts";
import { must } from "../support/run.ts";
import type { ContainerFacts, NetworkFacts } from "./network-facts.ts";
import type { Question } from "./network-probe.ts";

const PROBE = join(import.meta.dirname, "network-probe.ts");

/** An address of the host that is not the loopback's, of either family. */
export const HOST_ADDRESSES = { ipv4: "192.0.2.1", ipv6: "2001:db8::1" } as const;
/** What containers are published on. */
export const HOST_PORTS: readonly number[] = [18_000, 18_001, 18_002, 18_003];

interface Expectation {
  readonly question: Question;
  /** The answer; of several words at least one, and no other. */
  readonly expected: string;
  readonly what: string;
}

/** One line for each thing that is not as it should be. Containers of the campaign serve their host name on port 80. */
export async function unreachable(engine: Engine, facts: NetworkFacts): Promise<readonly string[]> {
  const running = facts.containers.filter(({ interior }) => interior !== undefined);
  const found = await Promise.all([
    failures(engine.pid, [...running.flatMap(publishedBy), ...portsOf(running)]),
    ...running.map((container) => failures(container.pid, namesFor(facts, container))),
  ]);
  return found.flat();
}

async function failures(pid: number, expectations: readonly Expectation[]): Promise<readonly string[]> {
  if (expectations.length === 0) return [];
  const questions = JSON.stringify(expectations.map(({ question }) => question));
  const answers: readonly string[] = JSON.parse(
    await must(["nsenter", `--net=/proc/${pid}/ns/net`, process.execPath, PROBE, questions]),
  );
  return expectations.flatMap(({ expected, what }, at) =>
    fits(answers[at] ?? "", expected) ? [] : [`${what}: "${answers[at] ?? ""}" instead of "${expected}"`],
  );
}

/** A name that is known in several networks is answered from one of them. */
export function fits(answer: string, expected: string): boolean {
  const wanted = expected.split(" ");
  return answer.split(" ").every((word) => wanted.includes(word));
}

function publishedBy({ name, hostname, ports }: ContainerFacts): readonly Expectation[] {
  return ports
    .filter(({ protocol }) => protocol === "tcp")
    .flatMap(({ hostIp, hostPort }) => {
      const loopback = hostIp.includes(":") ? ["::1"] : ["127.0.0.1"];
      const others = { "0.0.0.0": [HOST_ADDRESSES.ipv4], "::": [HOST_ADDRESSES.ipv6] }[hostIp] ?? [];
      const addresses = [...loopback, ...others];
      return addresses.map((address) => ({
        question: { kind: "page", address, port: hostPort } as const,
        expected: hostname,
        what: `${name} at its port ${address} ${hostPort} of the host`,
      }));
    });
}

function portsOf(running: readonly ContainerFacts[]): readonly Expectation[] {
  const taken = new Set(
    running.flatMap(({ ports }) => ports.map(({ protocol, hostPort }) => `${protocol} ${hostPort}`)),
  );
  return (["tcp", "udp"] as const).flatMap((protocol) =>
    HOST_PORTS.map((port) => ({
      question: { kind: "port", protocol, port } as const,
      expected: taken.has(`${protocol} ${port}`) ? "taken" : "free",
      what: `port ${port}/${protocol} of the host`,
    })),
  );
}

/** All that are in a network of users with it, itself among them. */
function namesFor(
  { containers, endpoints, networks }: NetworkFacts,
  { id }: ContainerFacts,
): readonly Expectation[] {
  const shared = new Set(
    endpoints
      .filter(
        ({ container, network }) =>
          container === id && networks.some((one) => one.id === network && one.name !== "bridge"),
      )
      .map(({ network }) => network),
  );
  if (shared.size === 0) return [];
  return containers.flatMap(({ id: other, name }) => {
    const addresses = endpoints
      .filter(({ container, network }) => container === other && shared.has(network))
      .flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6])
      .flatMap((address) => address.split("/")[0] || []);
    if (addresses.length === 0) return [];
    const of = containers.find((one) => one.id === id)?.name ?? id;
    return [
      {
        question: { kind: "name", name } as const,
        expected: addresses.sort().join(" "),
        what: `the name ${name} as ${of} asks for it`,
      },
    ];
  });
}
