/** What is there of an engine's networks: as it says itself, as its store has it, and as the kernel has it, by other programs. */
import {
  cpSync,
  existsSync,
  mkdtempSync,
  openSync,
  closeSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Logger } from "../../src/base/log.ts";
import { openMetadata } from "../../src/core/metadata/sqlite-metadata.ts";
import type { AttachmentRecord, EndpointRecord } from "../../src/core/network/endpoint-record.ts";
import { DEFAULT_FIREWALL_OPTIONS, type FirewallState } from "../../src/core/network/firewall/firewall.ts";
import { FirewallKeeper } from "../../src/core/network/firewall/keeper.ts";
import { firewallOf } from "../../src/core/network/firewall/table.ts";
import type { NetworkRecord } from "../../src/core/network/network-record.ts";
import { Networks } from "../../src/core/network/networks.ts";
import { reconcile } from "../../src/linux/nftables/transaction.ts";
import type { Engine } from "../support/engine.ts";
import { type Inventory, namespacesOf, pids, read } from "../support/leak-check.ts";
import { builtNative } from "../support/native.ts";
import { ownInventory } from "../support/own-inventory.ts";
import { must, run } from "../support/run.ts";

export interface LinkFacts {
  readonly name: string;
  readonly alias: string;
  readonly mac: string;
  readonly isUp: boolean;
  /** The name of its bridge; "" = none. */
  readonly master: string;
  /** "10.1.0.1/24"; none of the kernel's own (fe80::). */
  readonly addresses: readonly string[];
}

export interface Interior {
  readonly links: readonly LinkFacts[];
  /** "10.1.0.1 eth0", for each default route. */
  readonly defaults: readonly string[];
  readonly hosts: string;
  readonly namespace: string;
}

/** As inspect tells it. */
export interface EndpointDocument {
  readonly EndpointID: string;
  readonly NetworkID: string;
  readonly MacAddress: string;
  readonly IPAddress: string;
  readonly IPPrefixLen: number;
  readonly GlobalIPv6Address: string;
  readonly GlobalIPv6PrefixLen: number;
}

export interface PortDocument {
  readonly protocol: string;
  readonly containerPort: number;
  readonly hostIp: string;
  readonly hostPort: number;
}

export interface ContainerFacts {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly pid: number;
  readonly hostname: string;
  readonly networkMode: string;
  readonly networks: Readonly<Record<string, EndpointDocument>>;
  readonly ports: readonly PortDocument[];
  /** Undefined: it does not run. */
  readonly interior: Interior | undefined;
}

export interface NetworkFacts {
  readonly networks: readonly NetworkRecord[];
  readonly attachments: readonly AttachmentRecord[];
  readonly endpoints: readonly EndpointRecord[];
  readonly containers: readonly ContainerFacts[];
  /** By network: the containers that the engine says are in it. */
  readonly members: Readonly<Record<string, readonly string[]>>;
  readonly hostLinks: readonly LinkFacts[];
  /** Network namespaces of everything that is the engine's, but the host's. */
  readonly namespaces: readonly string[];
  /** For each forwarder its container. */
  readonly forwarders: readonly string[];
  /** What was not as it should be in the host's table. */
  readonly wrongRules: readonly string[];
}

/** ip-address(8) with -j. */
interface IpLink {
  readonly ifname: string;
  readonly ifalias?: string;
  readonly address?: string;
  readonly flags: readonly string[];
  readonly master?: string;
  readonly addr_info: readonly {
    readonly local: string;
    readonly prefixlen: number;
    readonly scope: string;
  }[];
}

interface IpRoute {
  readonly gateway?: string;
  readonly dev: string;
}

interface InspectDocument {
  readonly Id: string;
  readonly Name: string;
  readonly State: { readonly Status: string; readonly Pid: number };
  readonly Config: { readonly Hostname: string };
  readonly HostConfig: { readonly NetworkMode: string };
  readonly NetworkSettings: {
    readonly Networks: Readonly<Record<string, EndpointDocument>>;
    readonly Ports: Readonly<
      Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[] | null>
    >;
  };
}

/** `before`: when nothing was there. */
export async function networkFacts(engine: Engine, before: Inventory): Promise<NetworkFacts> {
  const containers = await containersOf(engine);
  const rows = storedRows(engine);
  const listed: readonly { readonly Id: string }[] = JSON.parse(await body(engine, "/networks"));
  const members: Record<string, readonly string[]> = {};
  for (const { Id } of listed) {
    const { Containers }: { readonly Containers: Readonly<Record<string, unknown>> } = JSON.parse(
      await body(engine, `/networks/${Id}`),
    );
    members[Id] = Object.keys(Containers);
  }
  const host = readlinkSync(`/proc/${engine.pid}/ns/net`);
  return {
    ...rows,
    containers,
    members,
    hostLinks: linksIn(await must(["nsenter", `--net=/proc/${engine.pid}/ns/net`, "ip", "-j", "-d", "addr"])),
    namespaces: [...(ownInventory(engine)["namespaces"] ?? [])].filter(
      (name) => name.startsWith("net:") && name !== host && !(before["namespaces"]?.has(name) ?? false),
    ),
    forwarders: pids().flatMap((pid) => forwardedBy(pid, host)),
    wrongRules: await wrongRules(engine, rows),
  };
}

function forwardedBy(pid: string, host: string): readonly string[] {
  const [, role = "", owner = ""] = read(`/proc/${pid}/cmdline`).split("\0");
  if (role !== "forward" || !/^[0-9a-f]{64}$/.test(owner)) return [];
  return namespacesOf(pid).includes(host) ? [owner] : [];
}

async function body(engine: Engine, path: string): Promise<string> {
  const answer = await engine.api("GET", path);
  if (answer.status !== 200) throw new Error(`GET ${path}: ${answer.status} ${answer.body}`);
  return answer.body;
}

async function containersOf(engine: Engine): Promise<readonly ContainerFacts[]> {
  const list: readonly { readonly Id: string }[] = JSON.parse(await body(engine, "/containers/json?all=1"));
  return Promise.all(
    list.map(async ({ Id }) => containerOf(JSON.parse(await body(engine, `/containers/${Id}/json`)))),
  );
}

async function containerOf({ Id, Name, State, ...its }: InspectDocument): Promise<ContainerFacts> {
  const { Networks: networks, Ports } = its.NetworkSettings;
  return {
    id: Id,
    name: Name.slice(1),
    status: State.Status,
    pid: State.Pid,
    hostname: its.Config.Hostname,
    networkMode: its.HostConfig.NetworkMode,
    networks,
    ports: Object.entries(Ports).flatMap(([port, bindings]) => {
      const [containerPort = "", protocol = ""] = port.split("/");
      return (bindings ?? []).map(({ HostIp, HostPort }) => ({
        protocol,
        containerPort: Number(containerPort),
        hostIp: HostIp,
        hostPort: Number(HostPort),
      }));
    }),
    interior: State.Status === "running" ? await interiorOf(State.Pid) : undefined,
  };
}

const LISTING = "ip -j -d addr; echo; ip -j route show default; echo; ip -j -6 route show default";

async function interiorOf(pid: number): Promise<Interior> {
  const said = await run(["nsenter", `--net=/proc/${pid}/ns/net`, "sh", "-c", LISTING]);
  const [links = "", ...routes] = said.stdout.split("\n").filter((line) => line !== "");
  return {
    links: linksIn(links).filter(({ name }) => name !== "lo"),
    defaults: routes.flatMap(routesIn),
    hosts: readFileSync(`/proc/${pid}/root/etc/hosts`, "utf8"),
    namespace: readlinkSync(`/proc/${pid}/ns/net`),
  };
}

function linksIn(text: string): readonly LinkFacts[] {
  const links: readonly Partial<IpLink>[] = JSON.parse(text);
  return links.map(
    ({ ifname = "", ifalias = "", address = "", flags = [], master = "", addr_info = [] }) => ({
      name: ifname,
      alias: ifalias,
      mac: address,
      isUp: flags.includes("UP"),
      master,
      addresses: addr_info
        .filter(({ local }) => !local.startsWith("fe80:"))
        .map(({ local, prefixlen }) => `${local}/${prefixlen}`),
    }),
  );
}

function routesIn(text: string): readonly string[] {
  const routes: readonly IpRoute[] = JSON.parse(text);
  return routes.map(({ gateway = "link", dev }) => `${gateway} ${dev}`);
}

type Rows = Pick<NetworkFacts, "networks" | "attachments" | "endpoints">;

/** Of a copy of the store: nobody disturbs the daemon. */
function storedRows(engine: Engine): Rows {
  const copy = mkdtempSync(join(tmpdir(), "gt-rows-"));
  try {
    for (const suffix of ["", "-wal"]) {
      const path = join(engine.dir, "data", `metadata.db${suffix}`);
      if (existsSync(path)) cpSync(path, join(copy, `metadata.db${suffix}`));
    }
    const onDamaged = (_: string, reason: string): never => {
      throw new Error(`the store is damaged: ${reason}`);
    };
    const metadata = openMetadata({ path: join(copy, "metadata.db"), onDamaged });
    try {
      const said: string[] = [];
      const networks = new Networks(metadata, new Logger((line) => said.push(line), "warn"));
      if (said.length > 0) throw new Error(`rows cannot be read: ${said.join("")}`);
      return {
        networks: networks.all(),
        attachments: networks.attachedContainers().flatMap((id) => networks.attachments(id)),
        endpoints: networks.endpoints(),
      };
    } finally {
      metadata.close();
    }
  } finally {
    rmSync(copy, { recursive: true });
  }
}

/** The table is judged by the rows: what the daemon thinks of it does not count. What is wrong is put right by asking. */
async function wrongRules(engine: Engine, { networks, endpoints }: Rows): Promise<readonly string[]> {
  let state: FirewallState = { networks: [], publications: [] };
  const keeper = new FirewallKeeper({
    apply: (found) => {
      state = found;
      return Promise.resolve();
    },
  });
  for (const network of networks) keeper.putNetwork(network);
  const byId = new Map(networks.map((network) => [network.id, network]));
  for (const endpoint of endpoints) {
    const network = byId.get(endpoint.network);
    if (network !== undefined) keeper.publish(network, endpoint);
  }
  await keeper.apply();
  const path = join(engine.runDir, "forwarding.json");
  const closed: { readonly ipv4: boolean; readonly ipv6: boolean } = existsSync(path)
    ? JSON.parse(readFileSync(path, "utf8"))
    : DEFAULT_FIREWALL_OPTIONS.closed;
  const table = firewallOf(state, { ...DEFAULT_FIREWALL_OPTIONS, closed });
  if (table === undefined) throw new Error("no table");
  const namespace = openSync(`/proc/${engine.pid}/ns/net`, "r");
  try {
    return await reconcile(builtNative(), namespace, table);
  } finally {
    closeSync(namespace);
  }
}
