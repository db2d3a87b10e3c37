/** Ports as documents and command lines write them: "80", "80-90", "80/tcp". Pure text; nobody is asked whether they are free. */

export type PortProtocol = "tcp" | "udp" | "sctp";

export const PORT_PROTOCOLS: readonly PortProtocol[] = ["tcp", "udp", "sctp"];

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export interface ContainerPort {
  readonly port: number;
  readonly protocol: PortProtocol;
}

/** "80" or "80-90", from 0 to 65535; undefined for anything else. */
export function parsePortRange(text: string): PortRange | undefined {
  const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(text);
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  return last > 65_535 || last < first ? undefined : { first, last };
}

/** "80", "80/tcp" or "80-90/udp"; undefined for anything else. Tcp where nothing is said. */
export function parsePortKey(
  text: string,
): { readonly range: PortRange; readonly protocol: PortProtocol } | undefined {
  const [ports = "", name = "", ...more] = text.split("/");
  const range = parsePortRange(ports);
  const wanted = name === "" ? "tcp" : name.toLowerCase();
  const protocol = PORT_PROTOCOLS.find((each) => each === wanted);
  return range === undefined || protocol === undefined || more.length > 0 ? undefined : { range, protocol };
}

export function formatPort({ port, protocol }: ContainerPort): string {
  return `${port}/${protocol}`;
}

/** Lowest port first, then tcp, udp, sctp. */
export function comparePorts(a: ContainerPort, b: ContainerPort): number {
  return a.port - b.port || PORT_PROTOCOLS.indexOf(a.protocol) - PORT_PROTOCOLS.indexOf(b.protocol);
}
