/** GET /info. */
import type { Registries } from "../../core/distribution/distribution.ts";
import type { EventBus } from "../../core/events/events.ts";
import { LOG_DRIVERS } from "../../core/logging/log-drivers.ts";
import type { Images } from "../../core/images/images.ts";
import type { Snapshotter } from "../../core/snapshots/snapshotter.ts";
import type { Volumes } from "../../core/volumes/volumes.ts";
import { readCdiDevices } from "../../linux/cdi-devices.ts";
import type { HostFacts } from "../../linux/host-facts.ts";
import type { HostNames } from "../../linux/host-names.ts";
import type { SystemInfo } from "../../specs/engine/system.ts";
import type { IdMaps } from "../containers/user-namespace.ts";
import { poolDocuments } from "../../core/network/pools.ts";
import type { NetworkParts } from "../networks/network-parts.ts";
import { registryConfig } from "../registry/settings.ts";
import type { LogSettings } from "../containers/log-options.ts";
import { runtimeTable, type Runtimes } from "../containers/runtimes.ts";
import type { ContainerStore } from "../containers/store.ts";
import { formatTime, nowNs } from "../containers/timestamp.ts";
import type { BuildFacts } from "./version.ts";

const MAX_CDI_WARNINGS = 10;

export interface InfoDeps {
  readonly volumes: Pick<Volumes, "drivers">;
  readonly registries: Pick<Registries, "settings">;
  readonly network: Pick<NetworkParts, "options">;
  readonly store: ContainerStore;
  readonly images: Pick<Images, "list">;
  readonly snapshots: Pick<Snapshotter, "driver" | "status">;
  readonly facts: HostFacts;
  readonly runtimes: Runtimes;
  /** None = CDI is off. */
  readonly cdiSpecDirs: readonly string[];
  readonly remap: IdMaps | undefined;
  readonly build: BuildFacts;
  readonly daemon: {
    readonly id: string;
    readonly dataRoot: string;
    readonly debug: boolean;
    readonly cgroupDriver: "cgroupfs" | "systemd";
    readonly labels: readonly string[];
    /** Names of authorization plugins. */
    readonly authorization: readonly string[];
    readonly liveRestore: boolean;
    /** Of containers that name none: "builtin", "unconfined" or a path. */
    readonly seccompProfile: string;
    /** Of containers that do not say otherwise. */
    readonly noNewPrivileges: boolean;
    /** What an operator should know about how the engine can be reached. */
    readonly warnings: readonly string[];
  };
  readonly logging: Pick<LogSettings, "defaults">;
  readonly readHostNames: () => HostNames;
  readonly countDescriptors: () => number;
  readonly events: Pick<EventBus, "subscribers">;
}

export function info(deps: InfoDeps): SystemInfo {
  const { facts, build, daemon } = deps;
  const { addressPools, firewall } = deps.network.options;
  const registry = deps.registries.settings();
  const containers = [...deps.store.all()];
  const running = containers.filter(
    ({ state }) => state.status === "running" || state.status === "restarting",
  );
  const paused = containers.filter(({ state }) => state.status === "paused");
  const host = deps.readHostNames();
  const has = (controller: string): boolean => facts.cgroup.controllers.has(controller);
  const cdi = readCdiDevices(deps.cdiSpecDirs);
  const isV1 = facts.cgroup.version === 1;
  return {
    ID: daemon.id,
    Containers: containers.length,
    ContainersRunning: running.length,
    ContainersPaused: paused.length,
    ContainersStopped: containers.length - running.length - paused.length,
    Images: deps.images.list().length,
    Driver: deps.snapshots.driver,
    DriverStatus: deps.snapshots.status(),
    DockerRootDir: daemon.dataRoot,
    Plugins: {
      Volume: deps.volumes.drivers,
      Network: ["bridge", "host", "ipvlan", "macvlan", "null"],
      Authorization: orNull(daemon.authorization),
      Log: LOG_DRIVERS,
    },
    MemoryLimit: has("memory"),
    SwapLimit: has("memory"),
    CpuCfsPeriod: has("cpu"),
    CpuCfsQuota: has("cpu"),
    CPUShares: has("cpu"),
    CPUSet: has("cpuset"),
    PidsLimit: has("pids"),
    OomKillDisable: isV1 && has("memory"),
    IPv4Forwarding: host.ipv4Forwarding,
    Debug: daemon.debug,
    NFd: deps.countDescriptors(),
    NGoroutines: 0,
    SystemTime: formatTime(nowNs()),
    LoggingDriver: deps.logging.defaults.Type,
    CgroupDriver: daemon.cgroupDriver,
    CgroupVersion: isV1 ? "1" : "2",
    NEventsListener: deps.events.subscribers,
    KernelVersion: facts.kernelRelease,
    OperatingSystem: host.operatingSystem,
    OSVersion: host.osVersion,
    OSType: "linux",
    Architecture: facts.architecture,
    NCPU: facts.cpuCount,
    MemTotal: facts.memoryBytes,
    IndexServerAddress: "https://index.docker.io/v1/",
    RegistryConfig: registryConfig(registry),
    GenericResources: null,
    HttpProxy: registry.proxies.http,
    HttpsProxy: registry.proxies.https,
    NoProxy: registry.proxies.exceptions,
    Name: host.hostname,
    Labels: daemon.labels,
    ExperimentalBuild: false,
    ServerVersion: build.version,
    Runtimes: runtimeTable(deps.runtimes),
    DefaultRuntime: deps.runtimes.defaultName,
    Swarm: {
      NodeID: "",
      NodeAddr: "",
      LocalNodeState: "inactive",
      ControlAvailable: false,
      Error: "",
      RemoteManagers: null,
    },
    LiveRestoreEnabled: daemon.liveRestore,
    Isolation: "",
    InitBinary: "gantry-shim",
    ContainerdCommit: { ID: "" },
    RuncCommit: { ID: build.commit },
    InitCommit: { ID: build.commit },
    SecurityOptions: [
      ...(facts.apparmor ? ["name=apparmor"] : []),
      ...(facts.seccomp ? [`name=seccomp,profile=${daemon.seccompProfile}`] : []),
      ...(deps.remap === undefined ? [] : ["name=userns"]),
      ...(isV1 ? [] : ["name=cgroupns"]),
      ...(daemon.noNewPrivileges ? ["name=no-new-privileges"] : []),
    ],
    ...(addressPools.length === 0 ? {} : { DefaultAddressPools: poolDocuments(addressPools) }),
    FirewallBackend: { Driver: firewall.iptables || firewall.ip6tables ? "nftables" : "none" },
    CDISpecDirs: deps.cdiSpecDirs,
    DiscoveredDevices: [...cdi.devices.keys()].map((name) => ({ Source: "cdi", ID: name })),
    Warnings: orNull([
      ...daemon.warnings,
      ...cdi.faults.slice(0, MAX_CDI_WARNINGS).map((fault) => `WARNING: CDI: ${fault}`),
      ...(facts.seccomp && daemon.seccompProfile !== "builtin"
        ? ["WARNING: daemon is not using the default seccomp profile"]
        : []),
      ...(facts.apparmor && facts.apparmorDefault === undefined
        ? ["WARNING: AppArmor is on, but its default profile could not be loaded: containers run without it"]
        : []),
    ]),
  };
}

/** Go's empty list. */
function orNull(items: readonly string[]): readonly string[] | null {
  return items.length === 0 ? null : items;
}
