/** Networks over a real store, without a kernel. */
import { KeyedLock } from "../../base/keyed-lock.ts";
import { NO_LOG } from "../../base/log.ts";
import type { Metadata } from "../../core/metadata/metadata.ts";
import { DEFAULT_BRIDGE_CONFIG, planDefaultBridge } from "../../core/network/default-bridge.ts";
import { type Driver, NO_DRIVER } from "../../core/network/drivers/driver.ts";
import { FALLBACK_EPHEMERAL } from "../../core/network/find-host-port.ts";
import type { FirewallState } from "../../core/network/firewall/firewall.ts";
import { DEFAULT_FIREWALL_SETTINGS } from "../../core/network/firewall/settings.ts";
import { FirewallKeeper } from "../../core/network/firewall/keeper.ts";
import { HostPorts } from "../../core/network/host-ports.ts";
import { Ipam } from "../../core/network/ipam.ts";
import { NameViews } from "../../core/network/name-views.ts";
import { Networks } from "../../core/network/networks.ts";
import { poolsOf } from "../../core/network/pools.ts";
import { isForwarded, PortForwarders } from "../../core/network/port-forwarders.ts";
import type { Publication } from "../../core/network/publications.ts";
import type { NameView } from "../../core/network/dns/name-view.ts";
import type { NetworkParts } from "../networks/network-parts.ts";
import { predefineNetworks } from "../networks/predefined.ts";

export class FakeNetwork {
  readonly parts: NetworkParts;
  /** What was done, in words. */
  readonly deeds: string[] = [];
  /** Views that containers have, by id. */
  readonly views = new Map<string, () => NameView>();
  firewall: FirewallState = { networks: [], publications: [] };
  /** All that there have been. */
  readonly firewalls: FirewallState[] = [];
  /** Containers that have had a forwarder. */
  readonly forwarders = new Set<string>();
  readonly forgotten: Publication[] = [];
  /** "tcp/8080" that other programs have. */
  readonly taken = new Set<string>();
  /** What the firewall waits for. */
  firewallGate: Promise<void> = Promise.resolve();
  /** Deeds that fail, by their beginning. */
  failing = "";
  /** Told of each as it is done. */
  onDeed: (deed: string) => void = () => {};
  /** What happens while a link comes or goes. */
  meanwhile: () => Promise<void> = () => Promise.resolve();

  constructor(metadata: Metadata, options: Partial<NetworkParts["options"]> = {}) {
    const networks = new Networks(metadata, NO_LOG);
    let fds = 1000;
    this.parts = {
      networks,
      ipam: new Ipam(poolsOf([], "test")),
      driverOf: ({ driver }) => (driver === "host" || driver === "null" ? NO_DRIVER : this.#driver),
      sandboxes: {
        furnish: async (task, members, view) => {
          for (const { endpoint, network, ways } of members)
            this.#do(`attach ${endpoint.interfaceName} ${network.name}${ways.ipv4 ? " default" : ""}`);
          if (view !== undefined) this.views.set(task.id, view);
        },
        connect: async (_task, { endpoint, network }) => {
          this.#do(`attach ${endpoint.interfaceName} ${network.name}`);
          await this.meanwhile();
        },
        disconnect: async (_task, { endpoint, network }) => {
          this.#do(`detach ${endpoint.interfaceName} ${network.name}`);
          await this.meanwhile();
        },
        mend: async (_task, members) =>
          this.#do(`mend ${members.map(({ endpoint }) => endpoint.interfaceName).join(" ")}`),
        reroute: async (_task, members) => {
          const out = members.find(({ ways }) => ways.ipv4);
          this.#do(`route ${out?.endpoint.interfaceName ?? "nowhere"}`);
        },
        serveNames: async ({ id }, view) => {
          this.views.set(id, view);
        },
        adopt: (id, _kept, view) => {
          this.views.set(id, view);
          return true;
        },
        discard: (kept) => {
          for (const name of kept.keys()) this.#do(`discard ${name}`);
        },
        forget: (id) => {
          this.views.delete(id);
        },
      },
      firewall: new FirewallKeeper({
        apply: async (state) => {
          await this.firewallGate;
          this.#do("apply firewall");
          this.firewall = state;
          this.firewalls.push(state);
        },
      }),
      hostPorts: new HostPorts(
        {
          boundSocket: async (_namespace, { type, port }) => {
            if (!this.taken.has(`${type}/${port}`)) return fds++;
            throw Object.assign(new Error("bind: EADDRINUSE"), { code: "EADDRINUSE" });
          },
          closeFd: () => {},
        },
        FALLBACK_EPHEMERAL,
        (publication) => isForwarded(publication, { ipv4: true, ipv6: true }),
      ),
      forwarders: new PortForwarders(
        { pidfdOpen: () => 900, pidfdSignal: () => {}, pidfdHasEnded: () => true, closeFd: () => {} },
        async (wish) => {
          for (const { target } of wish.sockets) this.#do(`forward to port ${target.port}`);
          await wish.keep(900);
          this.forwarders.add(wish.owner);
          return { pid: 1, ended: new Promise(() => {}) };
        },
        NO_LOG,
      ),
      names: new NameViews(networks),
      locks: new KeyedLock(),
      hostResolver: () => ({ path: "/etc/resolv.conf", text: "nameserver 192.0.2.53\n" }),
      prepareHost: () => Promise.resolve(),
      hostRoutes: () => Promise.resolve([]),
      forgetFlows: async (publications) => {
        this.forgotten.push(...publications);
      },
      options: {
        networkOptions: {},
        addressPools: [],
        dns: [],
        dnsSearch: [],
        dnsOptions: [],
        hostGatewayIps: [],
        defaultExtraHosts: ["host.docker.internal:host-gateway"],
        hostHasIpv6: true,
        forwardsPorts: true,
        firewall: DEFAULT_FIREWALL_SETTINGS,
        ...options,
      },
    };
  }

  readonly predefine = (): Promise<void> =>
    predefineNetworks({ network: this.parts, log: NO_LOG }, () =>
      Promise.resolve(planDefaultBridge(DEFAULT_BRIDGE_CONFIG, [])),
    );

  /** Of a network by name. */
  idOf(name: string): string {
    return this.parts.networks.named(name)?.id ?? "";
  }

  readonly #driver: Driver = {
    raise: async ({ name }) => this.#do(`raise ${name}`),
    lower: async ({ name }) => this.#do(`lower ${name}`),
    attach: async () => {},
    detach: async () => {},
    limit: async ({ name }, { rates }) =>
      this.#do(`limit ${name} ${rates?.inBits ?? 0} ${rates?.outBits ?? 0}`),
    retire: async ({ name }, { rates }) => {
      if (rates !== undefined) this.#do(`retire ${name}`);
    },
  };

  #do(deed: string): void {
    this.deeds.push(deed);
    this.onDeed(deed);
    if (this.failing !== "" && deed.startsWith(this.failing)) throw new Error(`cannot ${deed}`);
  }
}
