/**
 * Whether this engine can do what a create request asks. Wrong values are refused with Docker's wording, things that
 * are not offered are refused by name, and what is adjusted comes back as a warning. Pure.
 */
import { isIP } from "node:net";
import { fail } from "../../base/errors.ts";
import { checkRate } from "../../core/network/endpoint-rates.ts";
import { parsePortBindings } from "../../core/network/port-bindings.ts";
import type { HostFacts } from "../../linux/host-facts.ts";
import type { ContainerConfig, HostConfig, RestartPolicy } from "../../specs/engine/container.ts";
import { healthComplaint, healthPlan } from "./health.ts";
import { isRuntime, type Runtimes, unknownRuntime } from "./runtimes.ts";
import { parseSignal } from "./signals.ts";
import type { Limits } from "./update-resources.ts";

const MINIMUM_MEMORY = 6 << 20;

/** `config` is merged with the image's already; `user` is what the request itself said. Returns warnings. */
export function validateCreate(
  user: ContainerConfig,
  config: ContainerConfig,
  host: HostConfig,
  facts: CpuFacts,
  runtimes: Runtimes,
): readonly string[] {
  const warnings: string[] = [];
  checkProcess(config);
  checkModes(host);
  if (!isRuntime(runtimes, host.Runtime)) throw unknownRuntime(host.Runtime);
  checkResources(host);
  checkLimits(host, facts);
  checkRestart(host);
  checkHealth(user, config, host);
  checkNameService(host);
  refuseUnsupported(host);
  if (host.UTSMode === "host" && (user.Hostname !== "" || user.Domainname !== ""))
    throw fail("invalid_argument", "conflicting options: hostname and the UTS mode");
  checkSharedNetwork(user, host);
  parsePortBindings(host.PortBindings ?? {});
  checkRates(host);
  warnAboutNetwork(host, warnings);
  if (host.OomKillDisable === true && host.Memory === 0)
    warnings.push(
      "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.",
    );
  return warnings;
}

function checkProcess(config: ContainerConfig): void {
  if (config.WorkingDir !== "" && !config.WorkingDir.startsWith("/"))
    throw fail(
      "invalid_argument",
      `the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`,
    );
  for (const entry of config.Env ?? [])
    if (entry === "" || entry.startsWith("="))
      throw fail("invalid_argument", `invalid environment variable: ${entry}`);
  const texts = [config.Hostname, config.Domainname, config.User, config.WorkingDir, config.StopSignal];
  const lists = [config.Env, config.Cmd, config.Entrypoint, config.Healthcheck?.Test ?? null];
  for (const text of [...texts, ...lists.flatMap((list) => list ?? [])])
    if (text.includes("\0"))
      throw fail("invalid_argument", `a NUL byte is not allowed in ${JSON.stringify(text.slice(0, 200))}`);
  if (config.Hostname.length > 64 || !/^[^\s/]*$/.test(config.Hostname))
    throw fail("invalid_argument", `invalid hostname "${config.Hostname.slice(0, 200)}"`);
  if (config.StopSignal !== "") parseSignal(config.StopSignal);
}

function checkModes(host: HostConfig): void {
  const oneOf = (value: string, allowed: readonly string[], what: string): void => {
    if (!allowed.includes(value)) throw fail("invalid_argument", `invalid ${what} mode: ${value}`);
  };
  if (!host.PidMode.startsWith("container:")) oneOf(host.PidMode, ["", "host", "private"], "PID");
  if (!host.IpcMode.startsWith("container:"))
    oneOf(host.IpcMode, ["", "none", "private", "shareable", "host"], "IPC");
  oneOf(host.UTSMode, ["", "host"], "UTS");
  oneOf(host.CgroupnsMode, ["", "private", "host"], "cgroup namespace");
  oneOf(host.UsernsMode, ["", "host"], "user namespace");
  if (host.Isolation !== "" && host.Isolation !== "default")
    throw fail("invalid_argument", `Invalid isolation: "${host.Isolation}" - linux only supports 'default'`);
}

function checkResources(host: HostConfig): void {
  const { Memory, MemorySwap, MemorySwappiness } = host;
  if (Memory === 0 && MemorySwap > 0)
    refuse("You should always set the Memory limit when using Memoryswap limit, see usage");
  if (MemorySwappiness !== null && (MemorySwappiness < -1 || MemorySwappiness > 100))
    refuse(`Invalid value: ${MemorySwappiness}, valid memory swappiness range is 0-100`);
  if (host.OomScoreAdj < -1000 || host.OomScoreAdj > 1000)
    refuse(`Invalid value ${host.OomScoreAdj}, range for oom score adj is [-1000, 1000]`);
  if (host.ShmSize < 0) refuse("SHM size can not be less than 0");
}

function refuse(message: string): never {
  throw fail("invalid_argument", message);
}

type CpuFacts = Pick<HostFacts, "cpuCount" | "memoryNodes" | "missingLimits">;

/** What can be changed later, too, by itself. */
export function checkLimits(host: Limits, { cpuCount, memoryNodes, missingLimits }: CpuFacts): void {
  const { Memory, MemorySwap, MemoryReservation, NanoCpus, CpuPeriod, CpuQuota } = host;
  if (Memory !== 0 && Memory < MINIMUM_MEMORY) refuse("Minimum memory limit allowed is 6MB");
  if (Memory > 0 && MemorySwap > 0 && MemorySwap < Memory)
    refuse("Minimum memoryswap limit should be larger than memory limit, see usage");
  if (MemoryReservation !== 0 && MemoryReservation < MINIMUM_MEMORY)
    refuse("Minimum memory reservation allowed is 6MB");
  if (Memory > 0 && MemoryReservation > Memory)
    refuse("Minimum memory limit can not be less than memory reservation limit, see usage");
  if (NanoCpus > 0 && CpuPeriod > 0)
    refuse("Conflicting options: Nano CPUs and CPU Period cannot both be set");
  if (NanoCpus > 0 && CpuQuota > 0) refuse("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
  if (NanoCpus < 0 || NanoCpus > cpuCount * 1e9)
    refuse(
      `Range of CPUs is from 0.01 to ${cpuCount.toFixed(2)}, as there are only ${cpuCount} CPUs available`,
    );
  if (CpuPeriod !== 0 && (CpuPeriod < 1000 || CpuPeriod > 1_000_000))
    refuse("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  if (CpuQuota > 0 && CpuQuota < 1000) refuse("CPU cfs quota can not be less than 1ms (i.e. 1000)");
  const { CpuRealtimePeriod, CpuRealtimeRuntime } = host;
  if ((CpuRealtimePeriod !== 0 || CpuRealtimeRuntime !== 0) && missingLimits?.has("cpu-realtime") === true)
    refuse("kernel does not support CPU real-time scheduler");
  if (CpuRealtimePeriod < 0 || CpuRealtimeRuntime < 0)
    refuse(`invalid real-time limit ${Math.min(CpuRealtimePeriod, CpuRealtimeRuntime)}`);
  if (CpuRealtimePeriod > 0 && CpuRealtimeRuntime > CpuRealtimePeriod)
    refuse("cpu real-time runtime cannot be higher than cpu real-time period");
  if (host.CpuShares < 0) refuse(`invalid CPU shares ${host.CpuShares}`);
  if (host.BlkioWeight !== 0 && (host.BlkioWeight < 10 || host.BlkioWeight > 1000))
    refuse("Range of blkio weight is from 10 to 1000");
  const cpus = Array.from({ length: cpuCount }, (_, cpu) => cpu);
  checkSet(host.CpusetCpus, "cpus", "CPUs", cpus);
  checkSet(host.CpusetMems, "mems", "memory nodes", memoryNodes);
}

/** `available` undefined: that is not known here. */
function checkSet(text: string, key: string, what: string, available: readonly number[] | undefined): void {
  if (text === "") return;
  for (const part of text.split(",")) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part.trim());
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (match === null || last < first)
      throw fail("invalid_argument", `Invalid value ${text} for cpuset ${key}: invalid format: ${text}`);
    const missing =
      available !== undefined && available.filter((n) => n >= first && n <= last).length <= last - first;
    if (missing)
      throw fail(
        "invalid_argument",
        `Requested ${what} are not available - requested ${text}, available: ${listed(available)}`,
      );
  }
}

/** "0-3", or one by one where some are missing. */
function listed(numbers: readonly number[]): string {
  const [first = 0, last = first] = [numbers[0], numbers.at(-1)];
  if (last - first !== numbers.length - 1) return numbers.join(",");
  return first === last ? String(first) : `${first}-${last}`;
}

/** A policy without a name is none, or the one that is there; what else it says does not count then. */
export function checkRestartPolicy({ Name, MaximumRetryCount }: RestartPolicy): void {
  if (Name === "" || MaximumRetryCount === 0 || (Name === "on-failure" && MaximumRetryCount > 0)) return;
  const wrongs = [
    ...(Name === "on-failure" ? [] : ["can only be used with 'on-failure'"]),
    ...(MaximumRetryCount < 0 ? ["cannot be negative"] : []),
  ];
  throw fail("invalid_argument", `invalid restart policy: maximum retry count ${wrongs.join(" and ")}`);
}

function checkRestart(host: HostConfig): void {
  const { Name } = host.RestartPolicy;
  checkRestartPolicy(host.RestartPolicy);
  if (host.AutoRemove && Name !== "" && Name !== "no")
    throw fail("invalid_argument", "can't create 'AutoRemove' container with restart policy");
}

/** Only what the user says is checked: an image is not refused for what it says. */
function checkHealth(user: ContainerConfig, config: ContainerConfig, host: HostConfig): void {
  const complaint = user.Healthcheck === null ? undefined : healthComplaint(user.Healthcheck);
  if (complaint !== undefined) throw fail("invalid_argument", complaint);
  const action = host.HealthOnFailure;
  if (action === "" || action === "none") return;
  if (healthPlan(config) === undefined)
    throw fail("invalid_argument", `health-on-failure action "${action}" needs a health check`);
  if (action === "restart" && host.AutoRemove)
    throw fail("invalid_argument", `conflicting options: health-on-failure action "restart" and AutoRemove`);
}

/** What ends up in hosts and resolv.conf, so no line breaks and no spaces that would start another field. */
function checkNameService(host: HostConfig): void {
  for (const entry of host.ExtraHosts ?? []) {
    const match = /^([^\s:=#]+)[:=](\S+)$/.exec(entry);
    const address = (match?.[2] ?? "").replace(/^\[(.*)\]$/, "$1");
    if (match === null) throw fail("invalid_argument", `bad format for add-host: ${JSON.stringify(entry)}`);
    if (address !== "host-gateway" && isIP(address) === 0)
      throw fail("invalid_argument", `invalid IP address in add-host: ${JSON.stringify(address)}`);
  }
  for (const server of host.Dns ?? [])
    if (isIP(server) === 0)
      throw fail("invalid_argument", `bad nameserver address: ${JSON.stringify(server)}`);
  for (const text of [...(host.DnsSearch ?? []), ...(host.DnsOptions ?? [])])
    if (!/^[^\s#;]+$/.test(text))
      throw fail("invalid_argument", `invalid DNS search domain or option: ${JSON.stringify(text)}`);
}

function refuseUnsupported(host: HostConfig): void {
  const unsupported: readonly (readonly [string, boolean])[] = [["HostConfig.Cgroup", host.Cgroup !== ""]];
  for (const [name, isUsed] of unsupported)
    if (isUsed) throw fail("not_implemented", `"${name}" is not supported by this engine yet`);
  if (Object.hasOwn(host.Annotations ?? {}, ""))
    throw fail(
      "invalid_argument",
      "invalid Annotations: the empty string is not permitted as an annotation key",
    );
}

function isFilled(list: readonly unknown[] | null): boolean {
  return list !== null && list.length > 0;
}

/** Who shares another container's network shares its names and ports, too. */
function checkSharedNetwork(user: ContainerConfig, host: HostConfig): void {
  if (!host.NetworkMode.startsWith("container:")) return;
  const conflicts: readonly (readonly [string, boolean])[] = [
    ["hostname and the network mode", user.Hostname !== ""],
    [
      "container type network can't be used with links. This would result in undefined behavior",
      isFilled(host.Links),
    ],
    ["dns and the network mode", isFilled(host.Dns)],
    ["custom host-to-IP mapping and the network mode", isFilled(host.ExtraHosts)],
    [
      "port publishing and the container type network mode",
      host.PublishAllPorts || Object.keys(host.PortBindings ?? {}).length > 0,
    ],
    ["port exposing and the container type network mode", Object.keys(user.ExposedPorts ?? {}).length > 0],
  ];
  for (const [what, isGiven] of conflicts)
    if (isGiven) throw fail("invalid_argument", `conflicting options: ${what}`);
}

/** Whose network it is not alone has no link of its own that could be limited. */
export function checkRates({ NetRateIn, NetRateOut, NetworkMode }: HostConfig): void {
  checkRate("NetRateIn", NetRateIn);
  checkRate("NetRateOut", NetRateOut);
  if (NetRateIn !== 0 || NetRateOut !== 0) checkOwnNetwork("network rates", NetworkMode);
}

/** Throws `invalid_argument` for a container that shares the host's network or another container's. */
export function checkOwnNetwork(what: string, mode: string): void {
  if (mode === "host" || mode.startsWith("container:"))
    throw fail(
      "invalid_argument",
      `conflicting options: ${what} and the ${mode === "host" ? "host" : "container"} type network mode`,
    );
}

function warnAboutNetwork(host: HostConfig, warnings: string[]): void {
  const isPublished = Object.keys(host.PortBindings ?? {}).length > 0 || host.PublishAllPorts;
  if (isPublished && host.NetworkMode === "host")
    warnings.push("Published ports are discarded when using host network mode");
}
