/**
 * Networks. Two exist and cannot be changed: "none" (a namespace with loopback only) and "host". Their ids are made
 * once and kept.
 */
import { randomBytes } from "node:crypto";
import { fail } from "../../base/errors.ts";
import { type Metadata, textColumn } from "../../core/metadata/metadata.ts";
import type { Filters } from "../../specs/engine/container.ts";
import { booleanFilter } from "../../specs/engine/filters.decode.ts";
import type { Container } from "../containers/container.ts";
import { matchesLabel, matchesName } from "../containers/list-filters.ts";
import { formatTime, nowNs } from "../containers/timestamp.ts";

export interface Network {
  readonly id: string;
  readonly name: "none" | "host";
  readonly driver: "null" | "host";
  readonly created: string;
}

export const NETWORK_FILTERS = ["dangling", "driver", "id", "label", "name", "scope", "type"] as const;

const PREDEFINED = [
  { name: "none", driver: "null" },
  { name: "host", driver: "host" },
] as const;

/** Reads the networks, makes what is missing. */
export function openNetworks(metadata: Metadata): readonly Network[] {
  metadata.migrate("networks", [
    "CREATE TABLE networks (name TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE, created TEXT NOT NULL) WITHOUT ROWID;",
  ]);
  const select = metadata.prepare("SELECT id, created FROM networks WHERE name = ?");
  const insert = metadata.prepare("INSERT INTO networks (name, id, created) VALUES (?, ?, ?)");
  return PREDEFINED.map(({ name, driver }) => {
    const row = select.get(name);
    if (row !== undefined)
      return { name, driver, id: textColumn(row, "id"), created: textColumn(row, "created") };
    const network = { name, driver, id: randomBytes(32).toString("hex"), created: formatTime(nowNs()) };
    metadata.transaction("durable", () => insert.run(name, network.id, network.created));
    return network;
  });
}

/** By name, id, or unique beginning of an id. Throws `not_found`. */
export function findNetwork(networks: readonly Network[], reference: string): Network {
  const exact = networks.find(({ name, id }) => name === reference || id === reference);
  if (exact !== undefined) return exact;
  const [match, ...others] = reference === "" ? [] : networks.filter(({ id }) => id.startsWith(reference));
  if (match === undefined || others.length > 0)
    throw fail("not_found", `network ${reference.slice(0, 300)} not found`);
  return match;
}

/** Throws `invalid_argument` for values that no network can have. */
export function listNetworks(networks: readonly Network[], filters: Filters): readonly Network[] {
  const types = filters.get("type") ?? [];
  for (const type of types)
    if (type !== "builtin" && type !== "custom")
      throw fail("invalid_argument", `invalid filter: 'type'='${type}'`);
  const dangling = booleanFilter(filters, "dangling");
  const isAny = (key: string, test: (value: string) => boolean): boolean => {
    const values = filters.get(key);
    return values === undefined || values.length === 0 || values.some(test);
  };
  return networks.filter(
    ({ name, id, driver }) =>
      dangling !== true &&
      isAny("driver", (value) => value === driver) &&
      isAny("id", (value) => id.startsWith(value)) &&
      isAny("name", (value) => matchesName(name, value)) &&
      isAny("label", (value) => matchesLabel({}, value)) &&
      isAny("scope", (value) => value === "local") &&
      isAny("type", (value) => value === "builtin"),
  );
}

/** `members`: running containers of the network, for inspect; lists leave them out. */
export function networkDocument(
  network: Network,
  members: readonly Container[],
): Readonly<Record<string, unknown>> {
  return {
    Name: network.name,
    Id: network.id,
    Created: network.created,
    Scope: "local",
    Driver: network.driver,
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: { Driver: "default", Options: null, Config: null },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Containers: Object.fromEntries(
      members.map((container) => [
        container.id,
        { Name: container.name, EndpointID: "", MacAddress: "", IPv4Address: "", IPv6Address: "" },
      ]),
    ),
    Options: {},
    Labels: {},
  };
}
