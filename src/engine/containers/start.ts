/** POST /containers/{id}/start, and the start that a restart policy asks for. */
import { fail, messageOf } from "../../base/errors.ts";
import type { KeyedLock } from "../../base/keyed-lock.ts";
import type { Logger } from "../../base/log.ts";
import type { ImageUses } from "../../core/gc/image-uses.ts";
import type { Snapshotter } from "../../core/snapshots/snapshotter.ts";
import type { Task, Tasks } from "../../core/tasks/tasks.ts";
import type { HostFacts } from "../../linux/host-facts.ts";
import type { HostPaths } from "../../linux/host-paths.ts";
import { resolveDevices } from "../../linux/device-nodes.ts";
import {
  ipcNamespaceOf,
  mountNamespaceOf,
  networkNamespaceOf,
  pidNamespaceOf,
  userNamespaceOf,
} from "../../linux/namespace-path.ts";
import type { Spec } from "../../specs/oci-runtime/spec.ts";
import type { Place } from "../../core/network/gateways.ts";
import { announceJoined, enterNetworks, furnishNetworks, leaveNetworks } from "../networks/join.ts";
import { linkedHosts, refreshLinks } from "../networks/links.ts";
import { announce, type EventSink } from "./announce.ts";
import type { Container } from "./container.ts";
import { atStart, type ContainerDefaults } from "./container-defaults.ts";
import { healthAtStart } from "./health.ts";
import type { HealthChecks } from "./health-monitor.ts";
import { enterVolumes, leaveVolumes } from "./container-volumes.ts";
import { injectDevices } from "./inject-devices.ts";
import { forwardLog, prepareLog } from "./log-options.ts";
import { networkOf } from "./merge.ts";
import { type MonitorDeps, watch } from "./monitor.ts";
import { imagesOf, showImage, type ShownTree, type TreesDeps } from "./mounted-images.ts";
import { writeNetworkFiles } from "./network-files.ts";
import { type ContainerPaths, containerPaths } from "./paths.ts";
import { removeContainer } from "./remove.ts";
import { programOf, type Runtimes } from "./runtimes.ts";
import type { MountSources } from "./resolve-mounts.ts";
import type { SpecInput } from "./spec-input.ts";
import {
  checkUserNamespace,
  type IdMaps,
  idMapsOf,
  imageShiftOf,
  ownerOf,
  type Remap,
  rootfsOf,
} from "./user-namespace.ts";
import { failedStart } from "./start-failure.ts";
import { countsAsRunning, nextStatus } from "./state.ts";
import type { ContainerStore } from "./store.ts";
import { nowNs } from "./timestamp.ts";

export interface StartDeps extends MonitorDeps, TreesDeps {
  readonly store: ContainerStore;
  readonly locks: KeyedLock;
  readonly tasks: Tasks;
  readonly snapshots: Snapshotter;
  readonly imageUses: Pick<ImageUses, "used">;
  readonly events: EventSink;
  readonly facts: HostFacts;
  readonly runtimes: Runtimes;
  readonly defaults: ContainerDefaults;
  /** Directories of CDI specifications, those that count more last; none = CDI is off. */
  readonly cdiSpecDirs: readonly string[];
  /** The users of containers that do not ask for the host's. */
  readonly remap: Remap | undefined;
  readonly hostPaths: HostPaths;
  readonly buildSpec: (input: SpecInput) => Spec;
  readonly health: Pick<HealthChecks, "watch">;
  readonly log: Logger;
}

const START_DEADLINE_MS = 60_000;

/** A start by a user. Throws `not_modified` when it runs already, `conflict`, or what the start failed with. */
export async function start(deps: StartDeps, container: Container): Promise<void> {
  checkStartable(container);
  await deps.locks.run(container.id, async () => {
    checkStartable(container);
    container.restartDelayMs = 0;
    container.restartIsCancelled = false;
    container.isToStartAgain = false;
    deps.store.setState(container, { restartCount: 0, stoppedByUser: false });
    await startLocked(deps, container);
  });
}

/** A start by the restart policy, when its timer has run down. Never rejects: the next attempt is up to the policy. */
export async function startAgain(deps: StartDeps, container: Container): Promise<void> {
  await deps.locks.run(container.id, async () => {
    if (container.state.status !== "restarting") return;
    container.startingAgain = startLocked(deps, container).catch((error: unknown) =>
      deps.log.warn("a restart failed", { id: container.id, error: messageOf(error) }),
    );
    await container.startingAgain;
    container.startingAgain = undefined;
  });
}

function checkStartable(container: Container): void {
  const { status } = container.state;
  if (status === "paused") throw fail("conflict", "cannot start a paused container, try unpause instead");
  if (countsAsRunning(status)) throw fail("not_modified", "container is already running");
  if (status === "removing" || status === "dead")
    throw fail("conflict", "container is marked for removal and cannot be started");
}

/** The caller holds the container's lock and has checked that it can start. */
async function startLocked(deps: StartDeps, container: Container): Promise<void> {
  container.cancelRestart();
  if (container.settling !== undefined) await container.settling;
  if (container.writers.size > 0) await Promise.allSettled(container.writers);
  const startedNs = nowNs();
  const signal = AbortSignal.timeout(START_DEADLINE_MS);
  let task: Task;
  let places: readonly Place[] = [];
  try {
    places = await enterNetworks(deps, container, signal);
    task = await withImages(deps, container, (show) => runTask(deps, container, { places, show }, signal));
  } catch (error) {
    await leaveNetworks(deps, container);
    await leaveVolumes(deps, container);
    throw await recordFailure(deps, container, error);
  }
  deps.store.setState(container, {
    status: nextStatus(container.state.status, "start"),
    pid: task.pid,
    exitCode: 0,
    error: "",
    oomKilled: false,
    startedNs,
    health: healthAtStart(container.config, container.state.health),
  });
  container.task = task;
  deps.health.watch(container, task);
  announceJoined(deps, places, "connect", container);
  announce(deps.events, container, "start");
  for (const image of imagesOf(container)) deps.imageUses.used(image, Date.now());
  forwardLog(deps, container, task);
  watch(deps, container, task);
  refreshLinks(deps, container);
  if (container.attaching.size > 0) await handOver(deps, container, task);
}

/** While `run` is at work, mounted images can be bound from the host. */
async function withImages<T>(
  deps: StartDeps,
  { host }: Container,
  run: (show: MountSources["show"]) => Promise<T>,
): Promise<T> {
  const shift = imageShiftOf(idMapsOf(host, deps.remap));
  const shiftedBy = shift && deps.snapshots.keyOf(shift);
  const shown: ShownTree[] = [];
  try {
    return await run(async (image) => {
      const tree = await showImage(deps, image, shiftedBy);
      shown.push(tree);
      return tree.directory;
    });
  } finally {
    for (const tree of shown) await tree.letGo();
  }
}

/** `places`: in the networks that the container has entered. */
async function runTask(
  deps: StartDeps,
  container: Container,
  { places, show }: { readonly places: readonly Place[]; readonly show: MountSources["show"] },
  signal: AbortSignal,
): Promise<Task> {
  const { id, config } = container;
  const host = atStart(container.host, deps.defaults);
  const paths = containerPaths(deps.containersDir, id);
  const idMaps = idMapsOf(host, deps.remap);
  checkUserNamespace(host, idMaps);
  const runtime = programOf(deps.runtimes, host.Runtime);
  // It would have to be told of the layers' mapping, which no configuration can say.
  if (runtime !== undefined && idMaps !== undefined)
    throw fail(
      "not_implemented",
      `the runtime "${host.Runtime}" cannot be used with userns-remap: only the built-in one maps the layers (or run with --userns=host)`,
    );
  const network = joinNetwork(deps.store, container);
  if (network.kind !== "path")
    writeNetworkFiles(deps.network, paths, {
      container,
      places,
      linked: linkedHosts(deps.store, deps.network, container),
      owner: ownerOf(idMaps),
    });
  const plain = deps.buildSpec({
    id,
    hostname: host.UTSMode === "host" ? "" : config.Hostname,
    config,
    host,
    mounts: await enterVolumes(deps, container, show),
    files: bindableFiles(container, networkFiles(deps, container)),
    network,
    idMaps,
    join: joinNamespaces(deps.store, container, idMaps),
    devices: resolveDevices(host),
    cgroupDriver: deps.defaults.cgroupDriver,
    isSized: container.record.sizeBytes !== undefined,
    facts: deps.facts,
  });
  const spec = injectDevices(plain, host, deps.cdiSpecDirs);
  const [rows, cols] = host.ConsoleSize;
  return deps.tasks.run(
    {
      id,
      spec,
      rootfs: rootfsOf(deps.snapshots, id, idMaps),
      log: prepareLog(deps, container),
      stdin: config.OpenStdin,
      stdinOnce: config.StdinOnce,
      consoleSize: { rows, cols },
      init: host.Init === true,
      runtime,
      attach: container.takeAttaching(),
      beforeStart: places.some(({ endpoint }) => endpoint.interfaceName !== "")
        ? (task) => furnishNetworks(deps, container, places, task)
        : undefined,
    },
    signal,
  );
}

/** Who shares another's network has its names, too. */
function networkFiles({ store, containersDir }: StartDeps, { id, host }: Container): ContainerPaths {
  const shared = host.NetworkMode.startsWith("container:") ? store.find(otherOf(host.NetworkMode)).id : id;
  return containerPaths(containersDir, shared);
}

/** A file that the user mounts himself is not bound over his mount. */
function bindableFiles(
  container: Container,
  paths: { readonly resolvConf: string; readonly hosts: string; readonly hostname: string },
): SpecInput["files"] {
  const taken = new Set(container.mounts.map(({ mount }) => mount.destination));
  const free = (destination: string, path: string): string | undefined =>
    taken.has(destination) ? undefined : path;
  return {
    resolvConf: free("/etc/resolv.conf", paths.resolvConf),
    hosts: free("/etc/hosts", paths.hosts),
    hostname: free("/etc/hostname", paths.hostname),
  };
}

function joinNetwork(store: ContainerStore, container: Container): SpecInput["network"] {
  const network = networkOf(container.host);
  if (network === "none" || network === "host") return { kind: network };
  return {
    kind: "path",
    path: networkNamespaceOf(sharedProcess(store, container, network.container, "network")),
  };
}

function joinNamespaces(
  store: ContainerStore,
  container: Container,
  idMaps: IdMaps | undefined,
): NonNullable<SpecInput["join"]> {
  const { NetworkMode, PidMode, IpcMode } = container.host;
  const sharing = [NetworkMode, PidMode, IpcMode].filter((mode) => mode.startsWith("container:"));
  const user = idMaps === undefined ? undefined : sharedUsers(store, container, sharing);
  return {
    ...(PidMode.startsWith("container:")
      ? { pid: pidNamespaceOf(sharedProcess(store, container, otherOf(PidMode), "PID namespace")) }
      : {}),
    ...(IpcMode.startsWith("container:") ? { ipc: sharedIpc(store, container, otherOf(IpcMode)) } : {}),
    ...(user === undefined ? {} : { user }),
  };
}

/** Of a container that lets others have its shared memory, or that has another's itself. Docker's words. */
function sharedIpc(
  store: ContainerStore,
  container: Container,
  reference: string,
): NonNullable<NonNullable<SpecInput["join"]>["ipc"]> {
  const other = store.find(reference);
  const refuse = (category: "conflict" | "invalid_argument", why: string): never => {
    throw fail(category, `failed to join IPC namespace: container ${other.id}${why}`);
  };
  if (other.id === container.id) throw fail("invalid_argument", "cannot join own IPC namespace");
  if (other.task === undefined) return refuse("conflict", " is not running");
  if (["private", "none"].includes(other.host.IpcMode))
    refuse("invalid_argument", ": non-shareable IPC (hint: use IpcMode:shareable for the donor container)");
  return { path: ipcNamespaceOf(other.task.pid), mount: mountNamespaceOf(other.task.pid) };
}

/** Namespaces belong to a user namespace, and whoever shares them has to be in it. */
function sharedUsers(
  store: ContainerStore,
  container: Container,
  modes: readonly string[],
): string | undefined {
  const owners = new Set(modes.map((mode) => store.find(otherOf(mode))));
  const [owner] = owners;
  if (owner === undefined) return undefined;
  if (owners.size > 1 || owner.host.UsernsMode === "host")
    throw fail(
      "conflict",
      "cannot share namespaces of containers that have different users: this one needs --userns=host",
    );
  return userNamespaceOf(sharedProcess(store, container, owner.id, "user namespace"));
}

function otherOf(mode: string): string {
  return mode.slice("container:".length);
}

/** The main process of the running container whose namespace is shared. */
function sharedProcess(store: ContainerStore, container: Container, reference: string, what: string): number {
  const other = store.find(reference);
  if (other.id === container.id) throw fail("invalid_argument", `cannot join own ${what}`);
  if (other.task === undefined)
    throw fail("conflict", `cannot join ${what} of a non running container: ${other.id}`);
  return other.task.pid;
}

/** Gives those who attached while the task was being made their stream. A client whose stream cannot be had does not stop the start. */
async function handOver(deps: StartDeps, container: Container, task: Task): Promise<void> {
  await Promise.all(
    container.takeAttaching().map(async ({ options, deliver }) => {
      try {
        deliver(await task.attach(options));
      } catch (error) {
        deps.log.warn("cannot attach a waiting client", { id: container.id, error: messageOf(error) });
        deliver(undefined);
      }
    }),
  );
}

async function recordFailure(deps: StartDeps, container: Container, cause: unknown): Promise<Error> {
  const program = [...(container.config.Entrypoint ?? []), ...(container.config.Cmd ?? [])][0] ?? "";
  const { exitCode, error } = failedStart(cause, program);
  const isRestart = container.state.status === "restarting";
  const status = isRestart ? "exited" : container.state.status;
  // A policy's start that fails is said by the error alone: the exit code stays its last run's, as with Docker.
  const code = isRestart ? container.state.exitCode : exitCode;
  deps.store.setState(container, { status, pid: 0, exitCode: code, error: error.message });
  container.dropAttaching();
  if (status === "exited") container.tellExit();
  if (container.host.AutoRemove) await removeContainer(deps, container, { volumes: true });
  return error;
}
