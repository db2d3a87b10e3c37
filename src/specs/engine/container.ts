/**
 * Container documents of the Engine API 1.51, with Docker's own field names. These are the *decoded* forms: every
 * field is present, Docker's "absent or null" has become the default named beside it. Version differences are not
 * here but in `api/compat/`.
 */

import type { EndpointIpamDocument } from "./network.ts";

/** What to run, as an image also carries it. */
export interface ContainerConfig {
  readonly Hostname: string;
  readonly Domainname: string;
  readonly User: string;
  readonly AttachStdin: boolean;
  readonly AttachStdout: boolean;
  readonly AttachStderr: boolean;
  readonly ExposedPorts: Readonly<Record<string, Record<string, never>>> | null;
  readonly Tty: boolean;
  readonly OpenStdin: boolean;
  readonly StdinOnce: boolean;
  readonly Env: readonly string[] | null;
  readonly Cmd: readonly string[] | null;
  readonly Healthcheck: HealthConfig | null;
  readonly Image: string;
  readonly Volumes: Readonly<Record<string, Record<string, never>>> | null;
  readonly WorkingDir: string;
  readonly Entrypoint: readonly string[] | null;
  readonly NetworkDisabled: boolean;
  readonly OnBuild: readonly string[] | null;
  readonly Labels: Readonly<Record<string, string>> | null;
  /** "" = SIGTERM. */
  readonly StopSignal: string;
  /** Seconds; null = the daemon's default of 10; -1 = wait for ever. */
  readonly StopTimeout: number | null;
  readonly Shell: readonly string[] | null;
}

/** Durations in nanoseconds; 0 = inherit or default. */
export interface HealthConfig {
  readonly Test: readonly string[] | null;
  readonly Interval: number;
  readonly Timeout: number;
  readonly StartPeriod: number;
  readonly StartInterval: number;
  readonly Retries: number;
}

export type HealthAction = "" | "none" | "kill" | "restart" | "stop";

export interface RestartPolicy {
  readonly Name: "" | "no" | "always" | "unless-stopped" | "on-failure";
  readonly MaximumRetryCount: number;
}

export interface LogConfig {
  /** "" = the daemon's default driver. */
  readonly Type: string;
  readonly Config: Readonly<Record<string, string>> | null;
}

export interface DeviceMapping {
  readonly PathOnHost: string;
  readonly PathInContainer: string;
  readonly CgroupPermissions: string;
}

export interface Ulimit {
  readonly Name: string;
  readonly Soft: number;
  readonly Hard: number;
}

export interface ThrottleDevice {
  readonly Path: string;
  readonly Rate: number;
}

export interface WeightDevice {
  readonly Path: string;
  readonly Weight: number;
}

export interface DeviceRequest {
  readonly Driver: string;
  readonly Count: number;
  readonly DeviceIDs: readonly string[] | null;
  readonly Capabilities: readonly (readonly string[])[] | null;
  readonly Options: Readonly<Record<string, string>> | null;
}

/** Sizes in bytes, 0 = unlimited or unset. 64-bit values are safe integers: the decoder refuses what is not. */
export interface Resources {
  readonly CpuShares: number;
  readonly Memory: number;
  readonly NanoCpus: number;
  readonly CgroupParent: string;
  readonly BlkioWeight: number;
  readonly BlkioWeightDevice: readonly WeightDevice[] | null;
  readonly BlkioDeviceReadBps: readonly ThrottleDevice[] | null;
  readonly BlkioDeviceWriteBps: readonly ThrottleDevice[] | null;
  readonly BlkioDeviceReadIOps: readonly ThrottleDevice[] | null;
  readonly BlkioDeviceWriteIOps: readonly ThrottleDevice[] | null;
  readonly CpuPeriod: number;
  readonly CpuQuota: number;
  readonly CpuRealtimePeriod: number;
  readonly CpuRealtimeRuntime: number;
  readonly CpusetCpus: string;
  readonly CpusetMems: string;
  readonly Devices: readonly DeviceMapping[] | null;
  readonly DeviceCgroupRules: readonly string[] | null;
  readonly DeviceRequests: readonly DeviceRequest[] | null;
  readonly MemoryReservation: number;
  /** Memory plus swap; 0 = twice Memory, -1 = unlimited swap. */
  readonly MemorySwap: number;
  /** 0-100, null = the kernel's default. */
  readonly MemorySwappiness: number | null;
  readonly OomKillDisable: boolean | null;
  /** null or 0 or -1 = unlimited. */
  readonly PidsLimit: number | null;
  readonly Ulimits: readonly Ulimit[] | null;
}

export type MountType = "bind" | "volume" | "tmpfs" | "image" | "npipe" | "cluster";

export interface Mount {
  readonly Type: MountType;
  readonly Source: string;
  readonly Target: string;
  readonly ReadOnly: boolean;
  readonly Consistency: string;
  readonly BindOptions: {
    readonly Propagation: string;
    readonly NonRecursive: boolean;
    readonly CreateMountpoint: boolean;
    readonly ReadOnlyNonRecursive: boolean;
    readonly ReadOnlyForceRecursive: boolean;
  } | null;
  readonly VolumeOptions: {
    readonly NoCopy: boolean;
    readonly Labels: Readonly<Record<string, string>> | null;
    readonly DriverConfig: {
      readonly Name: string;
      readonly Options: Readonly<Record<string, string>> | null;
    } | null;
    readonly Subpath: string;
  } | null;
  readonly ImageOptions: { readonly Subpath: string } | null;
  readonly TmpfsOptions: {
    readonly SizeBytes: number;
    readonly Mode: number;
    readonly Options: readonly (readonly string[])[] | null;
  } | null;
}

/** By the container's port: "80/tcp". HostIp "" = wherever the network says, HostPort "" = any; "8080-8090" = the first free one. */
export type PublishedPorts = Readonly<
  Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[]>
>;

export interface HostConfig extends Resources {
  readonly Binds: readonly string[] | null;
  readonly ContainerIDFile: string;
  readonly LogConfig: LogConfig;
  /** "default" | "none" | "host" | "bridge" | "container:ID" | a network's name. */
  readonly NetworkMode: string;
  readonly PortBindings: PublishedPorts | null;
  readonly RestartPolicy: RestartPolicy;
  readonly AutoRemove: boolean;
  readonly VolumeDriver: string;
  readonly VolumesFrom: readonly string[] | null;
  readonly Mounts: readonly Mount[] | null;
  readonly ConsoleSize: readonly [number, number];
  readonly Annotations: Readonly<Record<string, string>> | null;
  readonly CapAdd: readonly string[] | null;
  readonly CapDrop: readonly string[] | null;
  readonly CgroupnsMode: string;
  readonly Dns: readonly string[] | null;
  readonly DnsOptions: readonly string[] | null;
  readonly DnsSearch: readonly string[] | null;
  readonly ExtraHosts: readonly string[] | null;
  readonly GroupAdd: readonly string[] | null;
  readonly IpcMode: string;
  readonly Cgroup: string;
  readonly Links: readonly string[] | null;
  readonly OomScoreAdj: number;
  readonly PidMode: string;
  readonly Privileged: boolean;
  readonly PublishAllPorts: boolean;
  readonly ReadonlyRootfs: boolean;
  readonly SecurityOpt: readonly string[] | null;
  readonly StorageOpt: Readonly<Record<string, string>> | null;
  readonly Tmpfs: Readonly<Record<string, string>> | null;
  readonly UTSMode: string;
  readonly UsernsMode: string;
  /** Bytes; 0 = 64 MiB. */
  readonly ShmSize: number;
  readonly Sysctls: Readonly<Record<string, string>> | null;
  readonly Runtime: string;
  readonly Isolation: string;
  readonly Init: boolean | null;
  readonly MaskedPaths: readonly string[] | null;
  readonly ReadonlyPaths: readonly string[] | null;
  /** Gantry's own: what the container may take and send in each of its networks, in bits per second; 0 = as much as there is. */
  readonly NetRateIn: number;
  readonly NetRateOut: number;
  /** Gantry's own: what is done to a container whose health check says that it is unhealthy; "" = nothing. */
  readonly HealthOnFailure: HealthAction;
}

export interface ContainerCreateRequest extends ContainerConfig {
  readonly HostConfig: HostConfig;
}

export interface ContainerCreateResponse {
  readonly Id: string;
  readonly Warnings: readonly string[];
}

/** Kind: 0 changed, 1 added, 2 deleted. */
export interface FilesystemChange {
  readonly Path: string;
  readonly Kind: 0 | 1 | 2;
}

export type ContainerStatus =
  | "created"
  | "running"
  | "paused"
  | "restarting"
  | "removing"
  | "exited"
  | "dead";

export type HealthStatus = "starting" | "healthy" | "unhealthy";

export interface ContainerState {
  readonly Status: ContainerStatus;
  readonly Running: boolean;
  readonly Paused: boolean;
  readonly Restarting: boolean;
  readonly OOMKilled: boolean;
  readonly Dead: boolean;
  readonly Pid: number;
  readonly ExitCode: number;
  readonly Error: string;
  /** RFC 3339 with nanoseconds; "0001-01-01T00:00:00Z" = never. */
  readonly StartedAt: string;
  readonly FinishedAt: string;
  /** Of one that has a health check and was started once. */
  readonly Health?: HealthDocument;
}

/** What a health check found last, and how it went before. */
export interface HealthDocument {
  readonly Status: HealthStatus;
  /** Failures in a row. */
  readonly FailingStreak: number;
  /** The last five, oldest first. */
  readonly Log: readonly {
    readonly Start: string;
    readonly End: string;
    readonly ExitCode: number;
    readonly Output: string;
  }[];
}

export interface MountPoint {
  readonly Type: MountType;
  readonly Name?: string;
  readonly Source: string;
  readonly Destination: string;
  readonly Driver?: string;
  readonly Mode: string;
  readonly RW: boolean;
  readonly Propagation: string;
}

export interface EndpointSettings {
  readonly IPAMConfig: EndpointIpamDocument | null;
  readonly Links: readonly string[] | null;
  readonly Aliases: readonly string[] | null;
  readonly MacAddress: string;
  readonly DriverOpts: Readonly<Record<string, string>> | null;
  readonly GwPriority: number;
  readonly NetworkID: string;
  readonly EndpointID: string;
  readonly Gateway: string;
  readonly IPAddress: string;
  readonly IPPrefixLen: number;
  readonly IPv6Gateway: string;
  readonly GlobalIPv6Address: string;
  readonly GlobalIPv6PrefixLen: number;
  readonly DNSNames: readonly string[] | null;
}

/** Nothing is asked, and nothing is there. */
export const NO_ENDPOINT: EndpointSettings = {
  IPAMConfig: null,
  Links: null,
  Aliases: null,
  MacAddress: "",
  DriverOpts: null,
  GwPriority: 0,
  NetworkID: "",
  EndpointID: "",
  Gateway: "",
  IPAddress: "",
  IPPrefixLen: 0,
  IPv6Gateway: "",
  GlobalIPv6Address: "",
  GlobalIPv6PrefixLen: 0,
  DNSNames: null,
};

export interface NetworkSettings {
  readonly Bridge: string;
  readonly SandboxID: string;
  readonly SandboxKey: string;
  readonly Ports: Readonly<
    Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[] | null>
  >;
  readonly HairpinMode: boolean;
  readonly LinkLocalIPv6Address: string;
  readonly LinkLocalIPv6PrefixLen: number;
  readonly SecondaryIPAddresses: null;
  readonly SecondaryIPv6Addresses: null;
  readonly EndpointID: string;
  readonly Gateway: string;
  readonly GlobalIPv6Address: string;
  readonly GlobalIPv6PrefixLen: number;
  readonly IPAddress: string;
  readonly IPPrefixLen: number;
  readonly IPv6Gateway: string;
  readonly MacAddress: string;
  readonly Networks: Readonly<Record<string, EndpointSettings>>;
}

export interface ContainerInspect {
  readonly Id: string;
  readonly Created: string;
  readonly Path: string;
  readonly Args: readonly string[];
  readonly State: ContainerState;
  readonly Image: string;
  readonly ResolvConfPath: string;
  readonly HostnamePath: string;
  readonly HostsPath: string;
  readonly LogPath: string;
  readonly Name: string;
  readonly RestartCount: number;
  readonly Driver: string;
  readonly Platform: string;
  readonly MountLabel: string;
  readonly ProcessLabel: string;
  readonly AppArmorProfile: string;
  readonly ExecIDs: readonly string[] | null;
  readonly HostConfig: HostConfig;
  readonly GraphDriver: { readonly Name: string; readonly Data: Readonly<Record<string, string>> | null };
  readonly SizeRw?: number;
  readonly SizeRootFs?: number;
  readonly Mounts: readonly MountPoint[];
  readonly Config: ContainerConfig;
  readonly NetworkSettings: NetworkSettings;
}

export interface Port {
  readonly IP?: string;
  readonly PrivatePort: number;
  readonly PublicPort?: number;
  readonly Type: string;
}

export interface ContainerSummary {
  readonly Id: string;
  readonly Names: readonly string[];
  readonly Image: string;
  readonly ImageID: string;
  readonly Command: string;
  /** Unix seconds. */
  readonly Created: number;
  readonly Ports: readonly Port[];
  readonly SizeRw?: number;
  readonly SizeRootFs?: number;
  readonly Labels: Readonly<Record<string, string>>;
  readonly State: ContainerStatus;
  readonly Status: string;
  readonly HostConfig: {
    readonly NetworkMode: string;
    readonly Annotations?: Readonly<Record<string, string>>;
  };
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, EndpointSettings>> };
  readonly Mounts: readonly MountPoint[];
}

export interface ContainerWaitResponse {
  readonly StatusCode: number;
  readonly Error?: { readonly Message: string };
}

export interface ContainerTop {
  readonly Titles: readonly string[];
  readonly Processes: readonly (readonly string[])[];
}

/** Filters of every list call: key → accepted values. */
export type Filters = ReadonlyMap<string, readonly string[]>;
