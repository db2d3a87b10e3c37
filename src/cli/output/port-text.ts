/** A container's ports in a list: "0.0.0.0:8080->80/tcp, 9000-9002/tcp". */
import type { Port } from "../../specs/engine/container.ts";

interface PortGroup {
  first: number;
  last: number;
}

/** Neighbouring ports with equal mapping shown as one range; everything ordered as Docker's CLI does. */
export function displayPorts(ports: readonly Port[]): string {
  if (ports.length === 0) return "";
  const sorted = [...ports].sort(comparePorts);
  const groups = new Map<string, PortGroup>();
  const ranges: string[] = [];
  const hosts: string[] = [];
  const close = (key: string, group: PortGroup): void => {
    const [ip = "", type = ""] = key.split("\0");
    const range = group.first === group.last ? `${group.first}` : `${group.first}-${group.last}`;
    ranges.push(`${ip === "" ? "" : `${ip}:${range}->`}${range}/${type}`);
  };
  for (const port of sorted) {
    const ip = port.IP ?? "";
    if (ip !== "" && port.PublicPort !== port.PrivatePort) {
      const host = ip.includes(":") ? `[${ip}]` : ip;
      hosts.push(`${host}:${port.PublicPort ?? 0}->${port.PrivatePort}/${port.Type}`);
      continue;
    }
    const key = `${ip.includes(":") ? `[${ip}]` : ip}\0${port.Type}`;
    const group = groups.get(key);
    if (group !== undefined && port.PrivatePort === group.last + 1) {
      group.last = port.PrivatePort;
      continue;
    }
    if (group !== undefined) close(key, group);
    groups.set(key, { first: port.PrivatePort, last: port.PrivatePort });
  }
  for (const [key, group] of groups) close(key, group);
  return [...ranges, ...hosts].join(", ");
}

function comparePorts(a: Port, b: Port): number {
  return (
    a.PrivatePort - b.PrivatePort ||
    compare(a.IP ?? "", b.IP ?? "") ||
    (a.PublicPort ?? 0) - (b.PublicPort ?? 0) ||
    compare(a.Type, b.Type)
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
