/** Decoders of container documents: the body of create, and the same documents read back from the store. */
import { fail } from "../../base/errors.ts";
import type {
  ContainerConfig,
  DeviceMapping,
  DeviceRequest,
  HealthAction,
  HealthConfig,
  HostConfig,
  LogConfig,
  Mount,
  PublishedPorts,
  Resources,
  RestartPolicy,
  ThrottleDevice,
  Ulimit,
  WeightDevice,
} from "./container.ts";
import { asInt, asList, asString, Fields } from "./fields.decode.ts";
import { decodeNetworkingConfig } from "./network.decode.ts";
import type { EndpointConfig } from "./network.ts";

export interface DecodedCreate {
  readonly config: ContainerConfig;
  readonly host: HostConfig;
  /** NetworkingConfig.EndpointsConfig. */
  readonly networks: Readonly<Record<string, EndpointConfig | null>>;
  /** Of the container as a whole; "" = any. */
  readonly macAddress: string;
}

/** The body of POST /containers/create. Throws `invalid_argument`. */
export function decodeContainerCreate(body: unknown): DecodedCreate {
  if (body === null || body === undefined)
    throw fail("invalid_argument", "config cannot be empty in order to create a container");
  const fields = new Fields(body, "");
  const host = fields.object("HostConfig") ?? new Fields({}, "HostConfig");
  return {
    config: decodeContainerConfig(fields),
    host: decodeHostConfig(host),
    networks: decodeNetworkingConfig(fields.object("NetworkingConfig")),
    macAddress: fields.str("MacAddress"),
  };
}

export function decodeContainerConfig(fields: Fields): ContainerConfig {
  return {
    Hostname: fields.str("Hostname"),
    Domainname: fields.str("Domainname"),
    User: fields.str("User"),
    AttachStdin: fields.bool("AttachStdin"),
    AttachStdout: fields.bool("AttachStdout"),
    AttachStderr: fields.bool("AttachStderr"),
    ExposedPorts: fields.set("ExposedPorts"),
    Tty: fields.bool("Tty"),
    OpenStdin: fields.bool("OpenStdin"),
    StdinOnce: fields.bool("StdinOnce"),
    Env: fields.strings("Env"),
    Cmd: fields.stringsOrOne("Cmd"),
    Healthcheck: decodeHealth(fields.object("Healthcheck")),
    Image: fields.str("Image"),
    Volumes: fields.set("Volumes"),
    WorkingDir: fields.str("WorkingDir"),
    Entrypoint: fields.stringsOrOne("Entrypoint"),
    NetworkDisabled: fields.bool("NetworkDisabled"),
    OnBuild: fields.strings("OnBuild"),
    Labels: fields.stringMap("Labels"),
    StopSignal: fields.str("StopSignal"),
    StopTimeout: fields.intOrNull("StopTimeout"),
    Shell: fields.stringsOrOne("Shell"),
  };
}

function decodeHealth(fields: Fields | null): HealthConfig | null {
  if (fields === null) return null;
  return {
    Test: fields.strings("Test"),
    Interval: fields.int("Interval"),
    Timeout: fields.int("Timeout"),
    StartPeriod: fields.int("StartPeriod"),
    StartInterval: fields.int("StartInterval"),
    Retries: fields.int("Retries"),
  };
}

export function decodeHostConfig(fields: Fields): HostConfig {
  return {
    ...decodeResources(fields),
    Binds: fields.strings("Binds"),
    ContainerIDFile: fields.str("ContainerIDFile"),
    LogConfig: decodeLogConfig(fields.object("LogConfig")),
    NetworkMode: fields.str("NetworkMode"),
    PortBindings: decodePublishedPorts(fields, "PortBindings"),
    RestartPolicy: decodeRestartPolicy(fields.object("RestartPolicy")),
    AutoRemove: fields.bool("AutoRemove"),
    VolumeDriver: fields.str("VolumeDriver"),
    VolumesFrom: fields.strings("VolumesFrom"),
    Mounts: fields.list("Mounts", decodeMount),
    ConsoleSize: decodeConsoleSize(fields) ?? [0, 0],
    Annotations: fields.stringMap("Annotations"),
    CapAdd: fields.stringsOrOne("CapAdd"),
    CapDrop: fields.stringsOrOne("CapDrop"),
    CgroupnsMode: fields.str("CgroupnsMode"),
    Dns: fields.strings("Dns"),
    DnsOptions: fields.strings("DnsOptions"),
    DnsSearch: fields.strings("DnsSearch"),
    ExtraHosts: fields.strings("ExtraHosts"),
    GroupAdd: fields.strings("GroupAdd"),
    IpcMode: fields.str("IpcMode"),
    Cgroup: fields.str("Cgroup"),
    Links: fields.strings("Links"),
    OomScoreAdj: fields.int("OomScoreAdj"),
    PidMode: fields.str("PidMode"),
    Privileged: fields.bool("Privileged"),
    PublishAllPorts: fields.bool("PublishAllPorts"),
    ReadonlyRootfs: fields.bool("ReadonlyRootfs"),
    SecurityOpt: fields.strings("SecurityOpt"),
    StorageOpt: fields.stringMap("StorageOpt"),
    Tmpfs: fields.stringMap("Tmpfs"),
    UTSMode: fields.str("UTSMode"),
    UsernsMode: fields.str("UsernsMode"),
    ShmSize: fields.int("ShmSize"),
    Sysctls: fields.stringMap("Sysctls"),
    Runtime: fields.str("Runtime"),
    Isolation: fields.str("Isolation"),
    Init: fields.boolOrNull("Init"),
    MaskedPaths: fields.strings("MaskedPaths"),
    ReadonlyPaths: fields.strings("ReadonlyPaths"),
    NetRateIn: fields.int("NetRateIn"),
    NetRateOut: fields.int("NetRateOut"),
    HealthOnFailure: decodeHealthAction(fields.str("HealthOnFailure")),
  };
}

export function decodePublishedPorts(fields: Fields, key: string): PublishedPorts | null {
  return fields.map(key, (value, path) =>
    value === null
      ? []
      : asList(value, path, (entry, at) => {
          const binding = new Fields(entry, at);
          return { HostIp: binding.str("HostIp"), HostPort: binding.str("HostPort") };
        }),
  );
}

export function decodeResources(fields: Fields): Resources {
  return {
    CpuShares: fields.int("CpuShares"),
    Memory: fields.int("Memory"),
    NanoCpus: fields.int("NanoCpus"),
    CgroupParent: fields.str("CgroupParent"),
    BlkioWeight: fields.int("BlkioWeight"),
    BlkioWeightDevice: fields.list("BlkioWeightDevice", decodeWeightDevice),
    BlkioDeviceReadBps: fields.list("BlkioDeviceReadBps", decodeThrottle),
    BlkioDeviceWriteBps: fields.list("BlkioDeviceWriteBps", decodeThrottle),
    BlkioDeviceReadIOps: fields.list("BlkioDeviceReadIOps", decodeThrottle),
    BlkioDeviceWriteIOps: fields.list("BlkioDeviceWriteIOps", decodeThrottle),
    CpuPeriod: fields.int("CpuPeriod"),
    CpuQuota: fields.int("CpuQuota"),
    CpuRealtimePeriod: fields.int("CpuRealtimePeriod"),
    CpuRealtimeRuntime: fields.int("CpuRealtimeRuntime"),
    CpusetCpus: fields.str("CpusetCpus"),
    CpusetMems: fields.str("CpusetMems"),
    Devices: fields.list("Devices", decodeDevice),
    DeviceCgroupRules: fields.strings("DeviceCgroupRules"),
    DeviceRequests: fields.list("DeviceRequests", decodeDeviceRequest),
    MemoryReservation: fields.int("MemoryReservation"),
    MemorySwap: fields.int("MemorySwap"),
    MemorySwappiness: fields.intOrNull("MemorySwappiness"),
    OomKillDisable: fields.boolOrNull("OomKillDisable"),
    PidsLimit: fields.intOrNull("PidsLimit"),
    Ulimits: fields.list("Ulimits", decodeUlimit),
  };
}

function decodeLogConfig(fields: Fields | null): LogConfig {
  return { Type: fields?.str("Type") ?? "", Config: fields?.stringMap("Config") ?? null };
}

export function decodeRestartPolicy(fields: Fields | null): RestartPolicy {
  if (fields === null) return { Name: "", MaximumRetryCount: 0 };
  return {
    Name: fields.oneOf(
      "Name",
      ["", "no", "always", "unless-stopped", "on-failure"],
      (name) =>
        `invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    ),
    MaximumRetryCount: fields.int("MaximumRetryCount"),
  };
}

const HEALTH_ACTIONS: readonly HealthAction[] = ["", "none", "kill", "restart", "stop"];

export function decodeHealthAction(text: string): HealthAction {
  const action = HEALTH_ACTIONS.find((known) => known === text);
  if (action !== undefined) return action;
  throw fail(
    "invalid_argument",
    `invalid health-on-failure action ${JSON.stringify(text.slice(0, 100))}: must be one of "none", "kill", "restart" or "stop"`,
  );
}

/** [rows, columns]; null when absent. */
export function decodeConsoleSize(fields: Fields): readonly [number, number] | null {
  const size = fields.list("ConsoleSize", asInt);
  if (size === null) return null;
  const [rows = 0, columns = 0] = size;
  if (size.length !== 2 || rows < 0 || columns < 0 || rows > 65_535 || columns > 65_535)
    throw fail(
      "invalid_argument",
      `invalid JSON: field "${fields.at("ConsoleSize")}" must be [rows, columns]`,
    );
  return [rows, columns];
}

function decodeMount(value: unknown, path: string): Mount {
  const fields = new Fields(value, path);
  const type = fields.str("Type");
  const bind = fields.object("BindOptions");
  const tmpfs = fields.object("TmpfsOptions");
  const volume = fields.object("VolumeOptions");
  const image = fields.object("ImageOptions");
  const driver = volume?.object("DriverConfig") ?? null;
  for (const [option, owner] of [
    ["BindOptions", "bind"],
    ["TmpfsOptions", "tmpfs"],
    ["VolumeOptions", "volume"],
    ["ImageOptions", "image"],
  ] as const)
    if (fields.has(option) && type !== owner)
      throw fail("invalid_argument", `${option} must not be specified on mount type "${type}"`);
  return {
    Type: fields.oneOf(
      "Type",
      ["bind", "volume", "tmpfs", "image", "npipe", "cluster"],
      (name) => `invalid mount config for type "${name}": mount type unknown`,
    ),
    Source: fields.str("Source"),
    Target: fields.str("Target"),
    ReadOnly: fields.bool("ReadOnly"),
    Consistency: fields.str("Consistency"),
    BindOptions:
      bind === null
        ? null
        : {
            Propagation: bind.str("Propagation"),
            NonRecursive: bind.bool("NonRecursive"),
            CreateMountpoint: bind.bool("CreateMountpoint"),
            ReadOnlyNonRecursive: bind.bool("ReadOnlyNonRecursive"),
            ReadOnlyForceRecursive: bind.bool("ReadOnlyForceRecursive"),
          },
    VolumeOptions:
      volume === null
        ? null
        : {
            NoCopy: volume.bool("NoCopy"),
            Labels: volume.stringMap("Labels"),
            DriverConfig: driver && { Name: driver.str("Name"), Options: driver.stringMap("Options") },
            Subpath: volume.str("Subpath"),
          },
    ImageOptions: image && { Subpath: image.str("Subpath") },
    TmpfsOptions:
      tmpfs === null
        ? null
        : {
            SizeBytes: tmpfs.int("SizeBytes"),
            Mode: tmpfs.int("Mode"),
            Options: tmpfs.list("Options", (entry, at) => asList(entry, at, asString)),
          },
  };
}

function decodeDevice(value: unknown, path: string): DeviceMapping {
  const fields = new Fields(value, path);
  return {
    PathOnHost: fields.str("PathOnHost"),
    PathInContainer: fields.str("PathInContainer"),
    CgroupPermissions: fields.str("CgroupPermissions"),
  };
}

function decodeDeviceRequest(value: unknown, path: string): DeviceRequest {
  const fields = new Fields(value, path);
  return {
    Driver: fields.str("Driver"),
    Count: fields.int("Count"),
    DeviceIDs: fields.strings("DeviceIDs"),
    Capabilities: fields.list("Capabilities", (entry, at) => asList(entry, at, asString)),
    Options: fields.stringMap("Options"),
  };
}

function decodeUlimit(value: unknown, path: string): Ulimit {
  const fields = new Fields(value, path);
  return { Name: fields.str("Name"), Soft: fields.int("Soft"), Hard: fields.int("Hard") };
}

function decodeThrottle(value: unknown, path: string): ThrottleDevice {
  const fields = new Fields(value, path);
  return { Path: fields.str("Path"), Rate: fields.int("Rate") };
}

function decodeWeightDevice(value: unknown, path: string): WeightDevice {
  const fields = new Fields(value, path);
  return { Path: fields.str("Path"), Weight: fields.int("Weight") };
}
