/** System documents of the Engine API 1.51. */
export interface SystemVersion {
  readonly Platform: { readonly Name: string };
  readonly Components: readonly {
    readonly Name: string;
    readonly Version: string;
    readonly Details: Readonly<Record<string, string>>;
  }[];
  readonly Version: string;
  readonly ApiVersion: string;
  readonly MinAPIVersion: string;
  readonly GitCommit: string;
  readonly GoVersion: string;
  readonly Os: string;
  readonly Arch: string;
  readonly KernelVersion: string;
  readonly BuildTime: string;
}

export interface EventMessage {
  readonly status?: string;
  readonly id?: string;
  readonly from?: string;
  readonly Type:
    | "builder"
    | "config"
    | "container"
    | "daemon"
    | "image"
    | "network"
    | "node"
    | "plugin"
    | "secret"
    | "service"
    | "volume";
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
  readonly scope: "local" | "swarm";
  /** Unix seconds. */
  readonly time: number;
  /** Unix nanoseconds; beyond 2^53, so a bigint that the writer prints as a plain JSON number. */
  readonly timeNano: bigint;
}

export interface SystemInfo {
  readonly ID: string;
  readonly Containers: number;
  readonly ContainersRunning: number;
  readonly ContainersPaused: number;
  readonly ContainersStopped: number;
  readonly Images: number;
  readonly Driver: string;
  readonly DriverStatus: readonly (readonly [string, string])[];
  readonly DockerRootDir: string;
  readonly Plugins: {
    readonly Volume: readonly string[];
    readonly Network: readonly string[];
    readonly Authorization: readonly string[] | null;
    readonly Log: readonly string[];
  };
  readonly MemoryLimit: boolean;
  readonly SwapLimit: boolean;
  readonly CpuCfsPeriod: boolean;
  readonly CpuCfsQuota: boolean;
  readonly CPUShares: boolean;
  readonly CPUSet: boolean;
  readonly PidsLimit: boolean;
  readonly OomKillDisable: boolean;
  readonly IPv4Forwarding: boolean;
  readonly Debug: boolean;
  readonly NFd: number;
  readonly NGoroutines: number;
  readonly SystemTime: string;
  readonly LoggingDriver: string;
  readonly CgroupDriver: "cgroupfs" | "systemd" | "none";
  readonly CgroupVersion: "1" | "2";
  readonly NEventsListener: number;
  readonly KernelVersion: string;
  readonly OperatingSystem: string;
  readonly OSVersion: string;
  readonly OSType: string;
  readonly Architecture: string;
  readonly NCPU: number;
  readonly MemTotal: number;
  readonly IndexServerAddress: string;
  readonly RegistryConfig: {
    readonly IndexConfigs: Readonly<
      Record<
        string,
        {
          readonly Name: string;
          readonly Mirrors: readonly string[];
          readonly Secure: boolean;
          readonly Official: boolean;
        }
      >
    >;
    readonly InsecureRegistryCIDRs: readonly string[];
    readonly Mirrors: readonly string[];
  };
  readonly GenericResources: null;
  readonly HttpProxy: string;
  readonly HttpsProxy: string;
  readonly NoProxy: string;
  readonly Name: string;
  readonly Labels: readonly string[];
  readonly ExperimentalBuild: boolean;
  readonly ServerVersion: string;
  readonly Runtimes: Readonly<
    Record<string, { readonly path: string; readonly runtimeArgs?: readonly string[] }>
  >;
  readonly DefaultRuntime: string;
  readonly Swarm: {
    readonly NodeID: "";
    readonly NodeAddr: "";
    readonly LocalNodeState: "inactive";
    readonly ControlAvailable: false;
    readonly Error: "";
    readonly RemoteManagers: null;
  };
  readonly LiveRestoreEnabled: boolean;
  readonly Isolation: "";
  readonly InitBinary: string;
  readonly ContainerdCommit: { readonly ID: string };
  readonly RuncCommit: { readonly ID: string };
  readonly InitCommit: { readonly ID: string };
  readonly SecurityOptions: readonly string[];
  /** Absent = Docker's. */
  readonly DefaultAddressPools?: readonly { readonly Base: string; readonly Size: number }[];
  readonly FirewallBackend: { readonly Driver: string };
  readonly CDISpecDirs: readonly string[] | null;
  readonly DiscoveredDevices: readonly { readonly Source: string; readonly ID: string }[];
  readonly Warnings: readonly string[] | null;
}
