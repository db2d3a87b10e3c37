/** What a container runs: the user's request on top of the image's configuration and this engine's defaults. Pure. */
import { fail } from "../../base/errors.ts";
import type { ContainerConfig, HealthConfig, HostConfig } from "../../specs/engine/container.ts";
import { emptyMap } from "../../specs/engine/fields.decode.ts";

export const DEFAULT_SHM_BYTES = 64 << 20;

/**
 * The effective configuration; `hostname` is for a user who gave none. Throws `invalid_argument` when neither side names
 * a program.
 */
export function mergeConfig(
  hostname: string,
  user: ContainerConfig,
  image: ContainerConfig | null,
): ContainerConfig {
  const command = mergeCommand(user, image);
  if (command.entrypoint.length === 0 && command.cmd.length === 0)
    throw fail("invalid_argument", "no command specified");
  return {
    ...user,
    Hostname: user.Hostname === "" ? hostname : user.Hostname,
    User: user.User === "" ? (image?.User ?? "") : user.User,
    ExposedPorts: mergeMaps(user.ExposedPorts, image?.ExposedPorts),
    Env: mergeEnvironment(user.Env, image?.Env ?? null),
    Cmd: command.cmd.length === 0 ? null : command.cmd,
    Entrypoint: command.entrypoint.length === 0 ? null : command.entrypoint,
    Healthcheck: mergeHealth(user.Healthcheck, image?.Healthcheck ?? null),
    Volumes: mergeMaps(user.Volumes, image?.Volumes),
    WorkingDir: user.WorkingDir === "" ? (image?.WorkingDir ?? "") : user.WorkingDir,
    OnBuild: user.OnBuild ?? image?.OnBuild ?? null,
    Labels: mergeMaps(user.Labels, image?.Labels) ?? emptyMap<string>(),
    StopSignal: user.StopSignal === "" ? (image?.StopSignal ?? "") : user.StopSignal,
    StopTimeout: user.StopTimeout ?? image?.StopTimeout ?? null,
    Shell: user.Shell ?? image?.Shell ?? null,
  };
}

/** Each thing that the user does not say is the image's. */
function mergeHealth(user: HealthConfig | null, image: HealthConfig | null): HealthConfig | null {
  if (user === null || image === null) return user ?? image;
  return {
    Test: (user.Test ?? []).length === 0 ? image.Test : user.Test,
    Interval: user.Interval || image.Interval,
    Timeout: user.Timeout || image.Timeout,
    StartPeriod: user.StartPeriod || image.StartPeriod,
    StartInterval: user.StartInterval || image.StartInterval,
    Retries: user.Retries || image.Retries,
  };
}

/** A user's entry point also drops the image's command; `[""]` means "none, not even the image's". */
function mergeCommand(
  user: ContainerConfig,
  image: ContainerConfig | null,
): { readonly entrypoint: readonly string[]; readonly cmd: readonly string[] } {
  let entrypoint = user.Entrypoint ?? [];
  let cmd = user.Cmd ?? [];
  if (entrypoint.length === 0) {
    if (cmd.length === 0) cmd = image?.Cmd ?? [];
    if (user.Entrypoint === null) entrypoint = image?.Entrypoint ?? [];
  }
  if (entrypoint.length === 1 && entrypoint[0] === "") entrypoint = [];
  return { entrypoint, cmd };
}

/** The user's variables, then those of the image that the user did not set. A name without "=" only removes the image's. */
export function mergeEnvironment(
  user: readonly string[] | null,
  image: readonly string[] | null,
): readonly string[] | null {
  if (user === null || user.length === 0) return image;
  const named = new Set(user.map(nameOf));
  return [
    ...user.filter((entry) => entry.includes("=")),
    ...(image ?? []).filter((entry) => entry.includes("=") && !named.has(nameOf(entry))),
  ];
}

function nameOf(entry: string): string {
  const at = entry.indexOf("=");
  return at < 0 ? entry : entry.slice(0, at);
}

function mergeMaps<T>(
  user: Readonly<Record<string, T>> | null,
  image: Readonly<Record<string, T>> | null | undefined,
): Readonly<Record<string, T>> | null {
  if (image === null || image === undefined) return user;
  return Object.assign(emptyMap<T>(), image, user);
}

export interface HostDefaults {
  readonly cgroupVersion: 1 | 2;
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  /** The host's own name. */
  readonly hostname: string;
  /** The runtime of who names none. */
  readonly runtime: string;
  /** The network of who names none. */
  readonly network: "bridge" | "none";
}

/** A container's name for itself unless the user gave one: the host's where it shares the host's network or names. */
export function defaultHostname(id: string, host: HostConfig, defaults: HostDefaults): string {
  return host.NetworkMode === "host" || host.UTSMode === "host" ? defaults.hostname : id.slice(0, 12);
}

export type EffectiveNetwork = "none" | "host" | { readonly container: string };

/** The effective host configuration: what inspect shows and what the OCI spec is built from. */
export function mergeHost(user: HostConfig, config: ContainerConfig, defaults: HostDefaults): HostConfig {
  const unmasked = user.Privileged || (user.SecurityOpt ?? []).includes("systempaths=unconfined");
  return {
    ...user,
    LogConfig: {
      Type: user.LogConfig.Type === "" ? "json-file" : user.LogConfig.Type,
      Config: user.LogConfig.Config ?? emptyMap<string>(),
    },
    NetworkMode: networkModeOf(user, config, defaults),
    RestartPolicy:
      user.RestartPolicy.Name === "" ? { ...user.RestartPolicy, Name: "no" } : user.RestartPolicy,
    CgroupnsMode: user.CgroupnsMode === "" ? defaultCgroupns(defaults) : user.CgroupnsMode,
    IpcMode: user.IpcMode === "" ? "private" : user.IpcMode,
    ShmSize: user.ShmSize === 0 ? DEFAULT_SHM_BYTES : user.ShmSize,
    Runtime: user.Runtime === "" ? defaults.runtime : user.Runtime,
    OomKillDisable: user.OomKillDisable ?? (defaults.cgroupVersion === 1 ? false : null),
    MemorySwap: user.Memory > 0 && user.MemorySwap === 0 ? user.Memory * 2 : user.MemorySwap,
    // -1, and 0 of processes, are words of clients for no wish.
    MemorySwappiness: user.MemorySwappiness === -1 ? null : user.MemorySwappiness,
    PidsLimit: (user.PidsLimit ?? 0) > 0 ? user.PidsLimit : null,
    MaskedPaths: user.MaskedPaths ?? (unmasked ? null : defaults.maskedPaths),
    ReadonlyPaths: user.ReadonlyPaths ?? (unmasked ? null : defaults.readonlyPaths),
  };
}

function networkModeOf(user: HostConfig, config: ContainerConfig, defaults: HostDefaults): string {
  if (config.NetworkDisabled) return "none";
  return user.NetworkMode === "" || user.NetworkMode === "default" ? defaults.network : user.NetworkMode;
}

/** A namespace of its own takes no rights away, so privileged containers have one, too. */
function defaultCgroupns({ cgroupVersion }: HostDefaults): string {
  return cgroupVersion === 2 ? "private" : "host";
}

/** Whose network namespace it is, by the effective NetworkMode; "none" is its own. */
export function networkOf(host: HostConfig): EffectiveNetwork {
  if (host.NetworkMode === "host") return "host";
  if (host.NetworkMode.startsWith("container:"))
    return { container: host.NetworkMode.slice("container:".length) };
  return "none";
}
