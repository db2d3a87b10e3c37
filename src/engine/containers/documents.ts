/** Parts of answers that list, inspect and images share: configurations as Docker writes them, ports, networks. */
import type { ContainerConfig, HostConfig, MountPoint } from "../../specs/engine/container.ts";
import { healthConfigDocument } from "../../specs/engine/health.encode.ts";
import type { Container } from "./container.ts";
import { sortedMap } from "../networks/sorted-map.ts";

/** ContainerConfig without the fields that Docker leaves out when they are empty. */
export function configDocument(config: ContainerConfig): Readonly<Record<string, unknown>> {
  const { ExposedPorts, Healthcheck, NetworkDisabled, StopSignal, StopTimeout, Shell, ...always } = config;
  return {
    ...always,
    Volumes: isEmpty(always.Volumes) ? null : always.Volumes,
    Labels: sortedMap(Object.entries(config.Labels ?? {})),
    ...(isEmpty(ExposedPorts) ? {} : { ExposedPorts }),
    ...(Healthcheck === null ? {} : { Healthcheck: healthConfigDocument(Healthcheck) }),
    ...(NetworkDisabled ? { NetworkDisabled } : {}),
    ...(StopSignal === "" ? {} : { StopSignal }),
    ...(StopTimeout === null ? {} : { StopTimeout }),
    ...(Shell === null ? {} : { Shell }),
  };
}

/** HostConfig without the fields that Docker leaves out when they are empty. */
export function hostDocument(host: HostConfig): Readonly<Record<string, unknown>> {
  const { Mounts, Tmpfs, Annotations, StorageOpt, Sysctls, Init, NetRateIn, NetRateOut, ...others } = host;
  const { Type, Config } = host.LogConfig;
  const { HealthOnFailure, ...always } = others;
  return {
    ...always,
    LogConfig: { Type, Config: sorted(Config) },
    ...(Mounts === null || Mounts.length === 0 ? {} : { Mounts: Mounts.map(withoutNulls) }),
    ...(isEmpty(Tmpfs) ? {} : { Tmpfs: sorted(Tmpfs) }),
    ...(isEmpty(Annotations) ? {} : { Annotations: sorted(Annotations) }),
    ...(isEmpty(StorageOpt) ? {} : { StorageOpt: sorted(StorageOpt) }),
    ...(isEmpty(Sysctls) ? {} : { Sysctls: sorted(Sysctls) }),
    ...(Init === null ? {} : { Init }),
    ...(NetRateIn === 0 ? {} : { NetRateIn }),
    ...(NetRateOut === 0 ? {} : { NetRateOut }),
    ...(HealthOnFailure === "" ? {} : { HealthOnFailure }),
    CpuCount: 0,
    CpuPercent: 0,
    IOMaximumIOps: 0,
    IOMaximumBandwidth: 0,
  };
}

function sorted(map: Readonly<Record<string, string>> | null): Readonly<Record<string, string>> {
  return sortedMap(Object.entries(map ?? {}));
}

function isEmpty(map: Readonly<Record<string, unknown>> | null): boolean {
  return map === null || Object.keys(map).length === 0;
}

/** Drops null, false, 0 and "": Go's omitempty on Mount entries. */
function withoutNulls(entry: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(entry)
      .filter(([, value]) => value !== null && value !== false && value !== "" && value !== 0)
      .map(([key, value]): [string, unknown] => [
        key,
        typeof value === "object" && value !== null && !Array.isArray(value) ? withoutNulls(value) : value,
      ]),
  );
}

export function mountPoints(container: Container): readonly MountPoint[] {
  return container.mounts.flatMap(({ point }) => (point === undefined ? [] : [point]));
}

/** Path and arguments: entry point and command in one. */
export function commandOf(config: ContainerConfig): {
  readonly path: string;
  readonly args: readonly string[];
} {
  const [path = "", ...args] = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  return { path, args };
}
