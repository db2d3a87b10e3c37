/** GET /containers/{id}/json. Reads a snapshot; never waits for a lock. */
import type { HostFacts } from "../../linux/host-facts.ts";
import { apparmorProfile } from "./apparmor-label.ts";
import type { Images } from "../../core/images/images.ts";
import type { Snapshotter, SnapshotUsage } from "../../core/snapshots/snapshotter.ts";
import { networkNamespaceOf } from "../../linux/namespace-path.ts";
import { isCategory } from "../../base/errors.ts";
import type { ContainerState } from "../../specs/engine/container.ts";
import { NO_SANDBOX, networkSettings } from "../networks/endpoint-documents.ts";
import { linksDocument } from "../networks/links.ts";
import type { NetworkParts } from "../networks/network-parts.ts";
import { membershipsOf } from "../networks/places.ts";
import type { Container } from "./container.ts";
import { commandOf, configDocument, hostDocument, mountPoints } from "./documents.ts";
import { healthDocument } from "./health.ts";
import { containerPaths } from "./paths.ts";
import { countsAsRunning } from "./state.ts";
import type { ContainerStore } from "./store.ts";
import { formatTime } from "./timestamp.ts";

export interface InspectDeps {
  readonly facts: HostFacts;
  readonly images: Pick<Images, "resolve">;
  readonly snapshots: Pick<Snapshotter, "driver" | "describe" | "usage">;
  readonly containersDir: string;
  readonly network: Pick<NetworkParts, "networks">;
  readonly store: Pick<ContainerStore, "find">;
}

export async function inspect(
  deps: InspectDeps,
  container: Container,
  options: { readonly size: boolean; readonly signal: AbortSignal },
): Promise<Readonly<Record<string, unknown>>> {
  const { record, state, config, host } = container;
  const paths = containerPaths(deps.containersDir, container.id);
  const hasStarted = state.startedNs !== 0n;
  const { path, args } = commandOf(config);
  const size = options.size ? await sizeOf(deps, container, options.signal) : undefined;
  return {
    Id: container.id,
    Created: formatTime(record.createdNs),
    Path: path,
    Args: args,
    State: stateDocument(container),
    Image: record.imageId,
    ResolvConfPath: hasStarted ? paths.resolvConf : "",
    HostnamePath: hasStarted ? paths.hostname : "",
    HostsPath: hasStarted ? paths.hosts : "",
    LogPath: hasStarted && host.LogConfig.Type === "json-file" ? paths.log : "",
    Name: `/${record.name}`,
    RestartCount: state.restartCount,
    Driver: deps.snapshots.driver,
    Platform: "linux",
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: apparmorProfile(host, deps.facts) ?? "",
    ExecIDs: execIds(container),
    HostConfig: { ...hostDocument(host), Links: linksDocument(deps.store, container) },
    GraphDriver: { Data: deps.snapshots.describe(container.id), Name: deps.snapshots.driver },
    ...(size === undefined ? {} : { SizeRw: size.rw, SizeRootFs: size.rootFs }),
    Mounts: mountPoints(container),
    Config: configDocument(config),
    NetworkSettings: networkSettings(
      membershipsOf(deps.network.networks, container.id),
      state.pid > 0 ? { id: container.id, key: networkNamespaceOf(state.pid) } : NO_SANDBOX,
    ),
  };
}

export function stateDocument(container: Container): ContainerState {
  const { state } = container;
  return {
    Status: state.status,
    Running: countsAsRunning(state.status),
    Paused: state.status === "paused",
    Restarting: state.status === "restarting",
    OOMKilled: state.oomKilled,
    Dead: state.status === "dead",
    Pid: state.pid,
    ExitCode: state.exitCode,
    Error: state.error,
    StartedAt: formatTime(state.startedNs),
    FinishedAt: formatTime(state.finishedNs),
    ...(state.health === null ? {} : { Health: healthDocument(state.health) }),
  };
}

/** Null when there are none; those that have ended are not shown. */
function execIds(container: Container): readonly string[] | null {
  const ids = [...container.execs.values()].filter((exec) => exec.phase !== "ended").map((exec) => exec.id);
  return ids.length === 0 ? null : ids;
}

export async function sizeOf(
  deps: Pick<InspectDeps, "images" | "snapshots">,
  container: Container,
  signal: AbortSignal,
): Promise<{ readonly rw: number; readonly rootFs: number }> {
  let usage: SnapshotUsage = { sizeBytes: 0, inodes: 0 };
  try {
    usage = await deps.snapshots.usage(container.id, signal);
  } catch (error) {
    if (!isCategory(error, "not_found")) throw error; // removed while we looked
  }
  return { rw: usage.sizeBytes, rootFs: usage.sizeBytes + imageSize(deps.images, container) };
}

function imageSize(images: Pick<Images, "resolve">, container: Container): number {
  try {
    return images.resolve(container.record.imageId).sizeBytes;
  } catch (error) {
    if (isCategory(error, "not_found")) return 0; // an image removed by force
    throw error;
  }
}
