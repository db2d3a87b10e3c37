/** From the flags of `run` and `create` to the body of `POST /containers/create`, field for field as Docker's CLI sends it. */
import { readSmallFile } from "../../base/bun-stdio.ts";
import { type Fields, text } from "../../client/fields.ts";
import { Exit } from "../exit.ts";
import type { ContainerFlags } from "./container-flags.ts";
import { effectiveCapabilities } from "./capabilities.ts";
import { cdiRequest, isCdiDevice, parseDevice } from "./devices.ts";
import { readEnvironment, readLabels } from "./environment.ts";
import { parseTmpfs, parseVolumes } from "./mounts.ts";
import { buildNetworking } from "./networks.ts";
import { parseExpose, parsePublish, type PortBinding } from "./ports.ts";
import { fromPairs, keyValues } from "./values.ts";

export interface CreateInput {
  readonly image: string;
  readonly command: readonly string[];
  readonly flags: ContainerFlags;
  readonly environment: ReadonlyMap<string, string>;
  readonly workingDirectory: string;
  /** The client configuration's `proxies` for this engine, which become variables of the container. */
  readonly proxies: Fields;
  /** Rows and columns of our terminal, [0, 0] without one. */
  readonly consoleSize: readonly [number, number];
  readonly detached: boolean;
}

export interface CreateBody {
  readonly AttachStdin: boolean;
  readonly AttachStdout: boolean;
  readonly AttachStderr: boolean;
  readonly Tty: boolean;
  readonly OpenStdin: boolean;
  readonly StdinOnce: boolean;
  readonly HostConfig: { readonly AutoRemove: boolean; readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

function orNull<T>(items: readonly T[]): readonly T[] | null {
  return items.length > 0 ? items : null;
}

function marks(names: Iterable<string>): Record<string, object> {
  return fromPairs([...names].sort().map((name): [string, object] => [name, {}]));
}

/** Throws an Error with Docker's words for values that do not fit together. */
export async function createBody(input: CreateInput): Promise<CreateBody> {
  const { flags } = input;
  refuseForeignFlags(flags);
  checkModes(flags);
  const ports = publishedPorts(flags);
  const volumes = parseVolumes(flags.volume.value, input.workingDirectory);
  const networking = buildNetworking(flags.network.value, {
    aliases: flags.networkAlias.value,
    links: flags.link.value,
    ipv4: flags.ip.value,
    ipv6: flags.ip6.value,
    linkLocalIps: flags.linkLocalIp.value,
    macAddress: flags.macAddress.value,
  });
  const healthcheck = healthConfig(flags);
  const attached = attachedStreams(flags, input.detached);
  return {
    Hostname: flags.hostname.value,
    Domainname: flags.domainname.value,
    User: flags.user.value,
    ...attached,
    ...(ports.exposed.length > 0 ? { ExposedPorts: marks(ports.exposed) } : {}),
    Tty: flags.tty.value,
    OpenStdin: flags.interactive.value,
    StdinOnce: flags.interactive.value && attached.AttachStdin,
    Env: await environmentOf(input),
    Cmd: orNull(input.command),
    ...(healthcheck === undefined ? {} : { Healthcheck: healthcheck }),
    Image: input.image,
    Volumes: marks(volumes.anonymous),
    WorkingDir: flags.workdir.value,
    Entrypoint: flags.entrypoint.changed ? [flags.entrypoint.value] : null,
    OnBuild: null,
    Labels: keyValues(await readLabels(flags.labelFile.value, flags.label.value)),
    ...(flags.stopSignal.changed ? { StopSignal: flags.stopSignal.value } : {}),
    ...(flags.stopTimeout.changed ? { StopTimeout: flags.stopTimeout.value } : {}),
    HostConfig: {
      ...(await hostConfig(input, volumes.binds, ports.bindings)),
      NetworkMode: networking.networkMode,
      AutoRemove: flags.rm.value,
    },
    NetworkingConfig: { EndpointsConfig: networking.endpoints },
  };
}

/** Which streams the client attaches: those asked for, else output, and input with `-i`; none when detached. */
function attachedStreams(
  flags: ContainerFlags,
  detached: boolean,
): { AttachStdin: boolean; AttachStdout: boolean; AttachStderr: boolean } {
  if (detached) return { AttachStdin: false, AttachStdout: false, AttachStderr: false };
  const asked = flags.attach.value;
  const stdin = asked.includes("stdin") || flags.interactive.value;
  if (asked.length === 0) return { AttachStdin: stdin, AttachStdout: true, AttachStderr: true };
  return {
    AttachStdin: stdin,
    AttachStdout: asked.includes("stdout"),
    AttachStderr: asked.includes("stderr"),
  };
}

/** Flags that only engines on another system have, in the words of Docker's CLI. */
function refuseForeignFlags(flags: ContainerFlags): void {
  const { cpuCount, cpuPercent, ioMaxBandwidth, ioMaxIops } = flags;
  const wrongs = [cpuCount, cpuPercent, ioMaxBandwidth, ioMaxIops]
    .filter(({ changed }) => changed)
    .map(
      ({ name }) =>
        `"--${name}" is only supported on a Docker daemon running on windows, but the Docker daemon is running on linux`,
    );
  if (wrongs.length > 0) throw new Exit(1, wrongs.join("\n"));
}

function checkModes(flags: ContainerFlags): void {
  const shared = (mode: string): boolean =>
    mode.startsWith("container:") && mode.length > "container:".length;
  const oneOf = (value: string, words: readonly string[]): boolean => value === "" || words.includes(value);
  if (!oneOf(flags.pid.value, ["host"]) && !shared(flags.pid.value))
    throw new Error("--pid: invalid PID mode");
  if (!oneOf(flags.uts.value, ["host"])) throw new Error("--uts: invalid UTS mode");
  if (!oneOf(flags.userns.value, ["host"])) throw new Error("--userns: invalid USER mode");
  if (!oneOf(flags.cgroupns.value, ["host", "private"])) throw new Error("--cgroupns: invalid CGROUP mode");
  const swappiness = flags.memorySwappiness.value;
  if (swappiness !== -1 && (swappiness < 0 || swappiness > 100))
    throw new Error(`invalid value: ${swappiness}. Valid memory swappiness range is 0-100`);
  if (flags.rm.value && !["", "no"].includes(flags.restart.value))
    throw new Error("Conflicting options: --restart and --rm");
  if (flags.useApiSocket.value) throw new Error("--use-api-socket is not supported yet");
  if (!flags.disableContentTrust.value)
    throw new Error("content trust is not supported: --disable-content-trust=false");
}

function publishedPorts(flags: ContainerFlags): {
  readonly exposed: string[];
  readonly bindings: Record<string, PortBinding[]>;
} {
  const bindings = new Map<string, PortBinding[]>();
  for (const { port, binding } of flags.publish.value.flatMap(parsePublish)) {
    const existing = bindings.get(port);
    if (existing === undefined) bindings.set(port, [binding]);
    else existing.push(binding);
  }
  const exposed = new Set([...bindings.keys(), ...flags.expose.value.flatMap(parseExpose)]);
  return { exposed: [...exposed], bindings: fromPairs(bindings) };
}

function healthConfig(flags: ContainerFlags): Record<string, unknown> | undefined {
  const durations: [string, string, number][] = [
    ["Interval", "health-interval", flags.healthInterval.value],
    ["Timeout", "health-timeout", flags.healthTimeout.value],
    ["StartPeriod", "health-start-period", flags.healthStartPeriod.value],
    ["StartInterval", "health-start-interval", flags.healthStartInterval.value],
    ["Retries", "health-retries", flags.healthRetries.value],
  ];
  const anySet = flags.healthCmd.value !== "" || durations.some(([, , value]) => value !== 0);
  if (flags.noHealthcheck.value) {
    if (anySet) throw new Error("--no-healthcheck conflicts with --health-* options");
    return { Test: ["NONE"] };
  }
  if (!anySet) return undefined;
  const config: Record<string, unknown> = {};
  if (flags.healthCmd.value !== "") config["Test"] = ["CMD-SHELL", flags.healthCmd.value];
  for (const [field, flag, value] of durations) {
    if (value < 0) throw new Error(`--${flag} cannot be negative`);
    if (value !== 0) config[field] = value;
  }
  return config;
}

const PROXY_VARIABLES = [
  ["httpProxy", "HTTP_PROXY"],
  ["httpsProxy", "HTTPS_PROXY"],
  ["noProxy", "NO_PROXY"],
  ["ftpProxy", "FTP_PROXY"],
  ["allProxy", "ALL_PROXY"],
] as const;

/** Variables as given, then the configured proxies that were not given, in both spellings. */
async function environmentOf(input: CreateInput): Promise<readonly string[] | null> {
  const { flags } = input;
  const variables = await readEnvironment(flags.envFile.value, flags.env.value, input.environment);
  const { proxies } = input;
  const given = new Set(variables.map((variable) => variable.split("=", 1)[0]));
  for (const [key, upper] of PROXY_VARIABLES) {
    const value = text(proxies, key);
    if (value === "") continue;
    for (const name of [upper, upper.toLowerCase()]) if (!given.has(name)) variables.push(`${name}=${value}`);
  }
  return orNull(variables);
}

export function restartPolicy(value: string): { Name: string; MaximumRetryCount: number } {
  if (value === "") return { Name: "", MaximumRetryCount: 0 };
  const [name = "", count, ...more] = value.split(":");
  if (name === "") throw new Error("invalid restart policy format: no policy provided before colon");
  if (more.length > 0) throw new Error("invalid restart policy format: too many colons");
  if (count === undefined) return { Name: name, MaximumRetryCount: 0 };
  if (!/^([+-]?\d{1,9})?$/.test(count))
    throw new Error("invalid restart policy format: maximum retry count must be an integer");
  return { Name: name, MaximumRetryCount: Number(count) };
}

interface SecurityOptions {
  readonly options: readonly string[] | null;
  readonly unmasked: boolean;
}

/** A seccomp profile travels by content, and `systempaths=unconfined` becomes empty path lists. */
async function securityOptions(given: readonly string[]): Promise<SecurityOptions> {
  const options: string[] = [];
  let unmasked = false;
  for (const option of given) {
    if (option === "systempaths=unconfined") {
      unmasked = true;
      continue;
    }
    const cut = option.search(/[=:]/);
    if (cut < 0 && option !== "no-new-privileges")
      throw new Error(`Invalid --security-opt: ${JSON.stringify(option)}`);
    const value = option.slice(cut + 1);
    if (
      option.slice(0, cut) === "seccomp" &&
      option.charAt(cut) === "=" &&
      value !== "unconfined" &&
      value !== "builtin"
    ) {
      options.push(`seccomp=${await seccompProfile(value)}`);
    } else options.push(option);
  }
  return { options: given.length === 0 ? null : options, unmasked };
}

async function seccompProfile(path: string): Promise<string> {
  const content = await readSmallFile(path);
  if (content === undefined)
    throw new Error(`opening seccomp profile (${path}) failed: open ${path}: no such file or directory`);
  try {
    return JSON.stringify(JSON.parse(content));
  } catch (cause) {
    throw new Error(`compacting json for seccomp profile (${path}) failed: not valid JSON`, { cause });
  }
}

function storageOptions(given: readonly string[]): Record<string, string> {
  for (const option of given) if (!option.includes("=")) throw new Error("invalid storage option");
  return keyValues(given);
}

async function hostConfig(
  input: CreateInput,
  binds: readonly string[],
  bindings: Record<string, PortBinding[]>,
): Promise<Record<string, unknown>> {
  const { flags } = input;
  const security = await securityOptions(flags.securityOpt.value);
  const cdi = flags.device.value.filter(isCdiDevice);
  const capabilities = effectiveCapabilities(flags.capAdd.value, flags.capDrop.value);
  const requests = [...flags.gpus.value, ...(cdi.length > 0 ? [cdiRequest(cdi)] : [])];
  const logOptions = keyValues(flags.logOpt.value);
  if (flags.logDriver.value === "none" && flags.logOpt.value.length > 0)
    throw new Error("invalid logging opts for driver none");
  const ulimits = new Map(flags.ulimit.value.map((limit) => [limit.Name, limit]));
  return {
    Binds: orNull(binds),
    ContainerIDFile: flags.cidfile.value,
    LogConfig: { Type: flags.logDriver.value, Config: logOptions },
    NetworkMode: "",
    PortBindings: bindings,
    RestartPolicy: restartPolicy(flags.restart.value),
    AutoRemove: false,
    VolumeDriver: flags.volumeDriver.value,
    VolumesFrom: orNull(flags.volumesFrom.value),
    ConsoleSize: input.consoleSize,
    ...(flags.annotation.changed ? { Annotations: keyValues(flags.annotation.value) } : {}),
    CapAdd: capabilities.add,
    CapDrop: capabilities.drop,
    CgroupnsMode: flags.cgroupns.value,
    Dns: flags.dns.value,
    DnsOptions: flags.dnsOption.value,
    DnsSearch: flags.dnsSearch.value,
    ExtraHosts: orNull(flags.addHost.value),
    GroupAdd: orNull(flags.groupAdd.value),
    IpcMode: flags.ipc.value,
    Cgroup: "",
    Links: orNull(flags.link.value),
    OomScoreAdj: flags.oomScoreAdj.value,
    PidMode: flags.pid.value,
    Privileged: flags.privileged.value,
    PublishAllPorts: flags.publishAll.value,
    ReadonlyRootfs: flags.readOnly.value,
    SecurityOpt: security.options,
    ...(flags.storageOpt.changed ? { StorageOpt: storageOptions(flags.storageOpt.value) } : {}),
    ...(flags.tmpfs.changed ? { Tmpfs: fromPairs(flags.tmpfs.value.map(parseTmpfs)) } : {}),
    UTSMode: flags.uts.value,
    UsernsMode: flags.userns.value,
    ShmSize: flags.shmSize.value,
    ...(flags.sysctl.changed ? { Sysctls: keyValues(flags.sysctl.value) } : {}),
    ...(flags.runtime.value === "" ? {} : { Runtime: flags.runtime.value }),
    Isolation: flags.isolation.value,
    CpuShares: flags.cpuShares.value,
    Memory: flags.memory.value,
    NanoCpus: flags.cpus.value,
    CgroupParent: flags.cgroupParent.value,
    BlkioWeight: flags.blkioWeight.value,
    BlkioWeightDevice: flags.blkioWeightDevice.value,
    BlkioDeviceReadBps: flags.deviceReadBps.value,
    BlkioDeviceWriteBps: flags.deviceWriteBps.value,
    BlkioDeviceReadIOps: flags.deviceReadIops.value,
    BlkioDeviceWriteIOps: flags.deviceWriteIops.value,
    CpuPeriod: flags.cpuPeriod.value,
    CpuQuota: flags.cpuQuota.value,
    CpuRealtimePeriod: flags.cpuRtPeriod.value,
    CpuRealtimeRuntime: flags.cpuRtRuntime.value,
    CpusetCpus: flags.cpusetCpus.value,
    CpusetMems: flags.cpusetMems.value,
    Devices: flags.device.value.filter((device) => !isCdiDevice(device)).map(parseDevice),
    DeviceCgroupRules: orNull(flags.deviceCgroupRule.value),
    DeviceRequests: orNull(requests),
    MemoryReservation: flags.memoryReservation.value,
    MemorySwap: flags.memorySwap.value,
    MemorySwappiness: flags.memorySwappiness.value,
    OomKillDisable: flags.oomKillDisable.value,
    PidsLimit: flags.pidsLimit.value,
    Ulimits: [...ulimits.values()].sort((a, b) => (a.Name < b.Name ? -1 : 1)),
    CpuCount: flags.cpuCount.value,
    CpuPercent: flags.cpuPercent.value,
    IOMaximumIOps: flags.ioMaxIops.value,
    IOMaximumBandwidth: flags.ioMaxBandwidth.value,
    ...(flags.rateIn.changed ? { NetRateIn: flags.rateIn.value } : {}),
    ...(flags.rateOut.changed ? { NetRateOut: flags.rateOut.value } : {}),
    ...(flags.healthOnFailure.changed ? { HealthOnFailure: flags.healthOnFailure.value } : {}),
    ...(flags.mount.value.length > 0 ? { Mounts: flags.mount.value } : {}),
    ...(flags.init.changed ? { Init: flags.init.value } : {}),
    MaskedPaths: security.unmasked ? [] : null,
    ReadonlyPaths: security.unmasked ? [] : null,
  };
}
