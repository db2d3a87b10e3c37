/**
 * The engine's daemon, put together: the one place that chooses implementations. From top to bottom: directories and
 * their lock, the parts of `core`, the API, the containers of an earlier run. There is no list of things to undo at the
 * end: containers go on without the daemon, and all that it keeps survives its death anyway.
 */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { archiveRoutes } from "../api/routes/archive.ts";
import { containerFilesRoutes } from "../api/routes/container-files.ts";
import { Metrics, type MetricsState } from "../api/metrics/metrics.ts";
import { serveMetrics } from "../api/metrics/serve.ts";
import { AuthorizationGate } from "../api/authz/gate.ts";
import { DOCKERS_PLACES } from "../api/authz/plugin.ts";
import { openapiRoute } from "../api/openapi/document.ts";
import type { Route } from "../api/router.ts";
import { checkpointRoutes } from "../api/routes/checkpoints.ts";
import { checkRoutes } from "../api/routes/check.ts";
import { containerRoutes } from "../api/routes/containers.ts";
import { distributionRoutes } from "../api/routes/distribution.ts";
import { execRoutes } from "../api/routes/exec.ts";
import { imageContentRoutes } from "../api/routes/image-content.ts";
import { imageRoutes } from "../api/routes/images.ts";
import { networkRoutes } from "../api/routes/networks.ts";
import { registryRoutes } from "../api/routes/registry.ts";
import { statsRoutes } from "../api/routes/stats.ts";
import { systemRoutes } from "../api/routes/system.ts";
import { volumeRoutes } from "../api/routes/volumes.ts";
import { createApi } from "../api/server.ts";
import { Alarms } from "../base/alarms.ts";
import { compileTemplate } from "../cli/output/template.ts";
import { withDeadline } from "../base/deadline.ts";
import { messageOf } from "../base/errors.ts";
import { KeyedLock } from "../base/keyed-lock.ts";
import { Limiter } from "../base/limiter.ts";
import { type LogChoice, Logger } from "../base/log.ts";
import { runProgram } from "../base/process.ts";
import { COMMIT, VERSION } from "../base/version.ts";
import { openContent } from "../core/content/local-store.ts";
import { openRegistries } from "../core/distribution/registries.ts";
import type { RegistryOptions } from "../core/distribution/registry-options.ts";
import { EventLog } from "../core/events/event-log.ts";
import { MemoryEventBus } from "../core/events/memory-bus.ts";
import { ImageUses } from "../core/gc/image-uses.ts";
import { helloWorldArchive } from "../core/images/hello-world.ts";
import { openImages } from "../core/images/image-store.ts";
import { LogForwarder } from "../core/logging/forward/forwarder.ts";
import { compressRotated } from "../core/logging/compress.ts";
import { jsonFileReader } from "../core/logging/json-file-reader.ts";
import { MemoryLeases } from "../core/metadata/memory-leases.ts";
import { type Metadata, textColumn } from "../core/metadata/metadata.ts";
import { openMetadata } from "../core/metadata/sqlite-metadata.ts";
import { claimHost } from "../core/network/host-claim.ts";
import { SharedStats } from "../core/stats/shared-stats.ts";
import type { LogSink, Task } from "../core/tasks/tasks.ts";
import { ForeignRuntimes } from "../core/tasks/foreign-runtime.ts";
import { TaskManager } from "../core/tasks/manager.ts";
import { RunDirectories } from "../core/tasks/run-directory.ts";
import { runtimePlanner } from "../core/tasks/runtime-planner.ts";
import { systemdScopes } from "../core/tasks/scopes.ts";
import { shimSpawner } from "../core/tasks/spawn-shim.ts";
import { DEFAULT_EXPANSION } from "../core/unpack/expansion.ts";
import { uploadedArchive } from "../core/unpack/uploaded-archive.ts";
import { openLocalDriver } from "../core/volumes/local-driver.ts";
import { openVolumes } from "../core/volumes/volume-set.ts";
import type { Container } from "../engine/containers/container.ts";
import { volumeUser } from "../engine/containers/container-volumes.ts";
import { actOnUnhealthy } from "../engine/containers/health-action.ts";
import { HealthChecks } from "../engine/containers/health-monitor.ts";
import { keepLogsCompressed } from "../engine/containers/log-compression.ts";
import { mendShownImages } from "../engine/containers/mounted-images.ts";
import { takeAllBack } from "../engine/containers/recreate.ts";
import { restore } from "../engine/containers/restore.ts";
import {
  buildExecProcess,
  buildSpec,
  DEFAULT_READONLY_PATHS,
  defaultMaskedPaths,
} from "../engine/containers/spec.ts";
import { chooseRuntimes, type Runtimes, runtimeTable } from "../engine/containers/runtimes.ts";
import { nowNs } from "../engine/containers/timestamp.ts";
import { ownerOf, type Remap } from "../engine/containers/user-namespace.ts";
import { probeLayerIds } from "../engine/containers/userns-probe.ts";
import { startAgain } from "../engine/containers/start.ts";
import { ContainerStore } from "../engine/containers/store.ts";
import { mendImageMounts } from "../engine/images/mounts.ts";
import { keepReconciled, reconcileOnce } from "../engine/networks/keep-reconciled.ts";
import { keepCollecting } from "../engine/system/collect-garbage.ts";
import { makeRoom, sharedRoom } from "../engine/system/make-room.ts";
import { announceReload, type ReloadedOptions } from "../engine/system/announce-reload.ts";
import { stopContainers } from "../engine/system/shut-down.ts";
import { info } from "../engine/system/info.ts";
import { resolveRemap } from "../engine/system/userns-remap.ts";
import { goArchitecture } from "../engine/system/version.ts";
import { filtersBridges } from "../linux/net-settings.ts";
import { type FileSystemUse, fileSystemUse } from "../linux/file-system-use.ts";
import { findAccount } from "../linux/accounts.ts";
import { updateCgroup } from "../linux/cgroup-update.ts";
import { readCgroupUse } from "../linux/cgroup-use.ts";
import { processesOf } from "../linux/cgroup-processes.ts";
import { NativeHostPaths } from "../linux/host-paths.ts";
import { containerFiles } from "../linux/container-files-child.ts";
import { pathOfDescriptor } from "../linux/descriptor-path.ts";
import { loadDefaultProfile } from "../linux/apparmor-load.ts";
import { type HostFacts, readCgroupMounts, readHostFacts } from "../linux/host-facts.ts";
import { countDescriptors, readHostNames } from "../linux/host-names.ts";
import { chooseCapabilities } from "../linux/capabilities.ts";
import { compileSeccomp } from "../linux/seccomp-compile.ts";
import { defaultSeccomp } from "../linux/seccomp-profile.ts";
import {
  type ImageMount,
  mountImageTree,
  mountNamespace,
  showTree,
  unmountImageTree,
} from "../linux/image-mounts.ts";
import { linkCountersOf } from "../linux/netlink/link-counters.ts";
import { readSystemCpu } from "../linux/system-cpu.ts";
import { loadNative } from "../linux/native-addon.ts";
import type { Native, TreeView } from "../linux/native.ts";
import { makeUser, readRanges } from "../linux/remap-user.ts";
import { isSystemdRunning } from "../linux/systemd-manager.ts";
import { clear, empty, freeze, isFrozen, isLeft, thaw } from "../linux/task-cgroup.ts";
import { checkCgroupDriver } from "./cgroup-driver.ts";
import type { DaemonOptions } from "./daemon-options.ts";
import { openRoots, statePaths } from "./daemon-roots.ts";
import type { DoorTls } from "../api/doors/listen.ts";
import { doorWarnings } from "./door-settings.ts";
import type { EngineOptions } from "./engine-settings.ts";
import { openDoors } from "./open-doors.ts";
import { findNativeParts } from "./native-parts.ts";
import { openNetworks } from "./open-networks.ts";
import { registryOptions } from "./registry-settings.ts";
import { readSeccomp } from "./seccomp-file.ts";
import { openStorage } from "./storage-driver.ts";
import type { DumpedParts } from "./state-dump.ts";
import { volumeHost } from "./volume-host.ts";

/** Of a socket that is no unix socket. */
const NO_USER = 0xffff_ffff;
const SHUTDOWN_MS = 5_000;
/** Many times what removing an image or a container writes. */
const METADATA_RESERVE_BYTES = 1 << 20;
const PROBES_BEGUN_AT_A_TIME = 16;
const SHIM_ANSWER_MS = 2_000;
const PS_LIMITS = { timeoutMs: 5_000, maxBytes: 8 << 20 };

export interface Daemon {
  readonly log: Logger;
  readonly native: Native;
  readonly parts: DumpedParts;
  /** Resolves when the containers of an earlier run are back and requests are answered. */
  readonly ready: Promise<void>;
  /** Takes over what can be changed while the engine runs; all of it or, when it throws, nothing. */
  reload(options: DaemonOptions, tls: DoorTls | undefined): Promise<void>;
  /** Ends everything, containers only if they are not to go on. */
  stop(): Promise<void>;
}

/** Starts the daemon in this process. Throws one clear sentence when it cannot. */
export async function startDaemon(
  options: DaemonOptions,
  { tls, activated }: { readonly tls: DoorTls | undefined; readonly activated: readonly number[] },
): Promise<Daemon> {
  // What of the options can change while the engine runs is asked of these.
  let current = options;
  const log = new Logger((line) => process.stderr.write(line), logChoice(options.engine));
  const nativeParts = findNativeParts();
  const native = loadNative(nativeParts);
  const roots = await openRoots(native, options.dataRoot, options.execRoot);
  let runtimes = chooseRuntimes(options.runtimes, options.defaultRuntime);
  checkCgroupDriver(options.containers.cgroupDriver, isSystemdRunning());
  const seccomp = readSeccomp(options.containers.seccomp);
  const facts = await confine(readHostFacts(), roots.execRoot, log);
  const architecture = goArchitecture(facts);
  const users = await resolveRemap({ findAccount, readRanges, makeUser }, options.usernsRemap);

  const metadata = openMetadata({
    path: roots.metadata,
    reserveBytes: METADATA_RESERVE_BYTES,
    onDamaged: (movedTo, reason) => log.error("the metadata was damaged, starting anew", { movedTo, reason }),
  });
  const { partialMaxAgeMs } = options.garbage;
  const fileSystem = (): Promise<FileSystemUse> => fileSystemUse(roots.dataRoot);
  // Nothing is written before the engine is there to ask.
  const room = sharedRoom((signal) => makeRoom({ ...engine, fileSystem }, options.garbage, signal));
  const content = openContent(roots.content, log, {
    partialMaxAgeMs,
    room,
    startWriteback: (fd, from, bytes) => native.startWriteback(fd, from, bytes),
  });
  const snapshots = await openStorage({
    wish: options.storageDriver,
    root: roots.snapshots,
    native,
    log,
    options: options.storageOptions,
  });
  const leases = new MemoryLeases();
  const images = await openImages({
    content,
    snapshots,
    leases,
    architecture,
    expansion: DEFAULT_EXPANSION,
    get maxDownloads() {
      return current.maxDownloads;
    },
    get maxUploads() {
      return current.maxUploads;
    },
    metadata,
    log,
    partialMaxAgeMs,
    room,
  });
  const imageUses = new ImageUses(metadata);
  const registries = openRegistries(registryOptionsOf(options), log);
  const directories = new RunDirectories(roots.tasks, (path) => native.removeTree(path));
  const shim = pathOfDescriptor(native.sealedExecutable(nativeParts.shim));
  const tasks = new TaskManager({
    directories,
    planner: runtimePlanner(facts),
    foreign: new ForeignRuntimes({
      facts,
      directories,
      cgroupMounts: readCgroupMounts(),
      shim,
      runProgram,
      log,
    }),
    cgroups: { freeze, thaw, isFrozen, isLeft, empty, clear, use: readCgroupUse, update: updateCgroup },
    scopes: systemdScopes(facts),
    pidfds: native,
    log,
    answerTimeoutMs: SHIM_ANSWER_MS,
    spawnShim: shimSpawner(shim, "ignore"),
  });
  let remap: Remap | undefined;
  if (users !== undefined) {
    const layers = await probeLayerIds({ tasks, snapshots }, users);
    remap = { ...users, layers: layers.kind === "mapped" ? "mapped" : "copied" };
    if (layers.kind === "fixed")
      log.warn("layers are copied for the remapped users", { reason: layers.reason });
    log.info("containers have users of their own", { root: users.uidMappings[0]?.hostID });
  } else if (options.usernsRemap !== "")
    log.warn("root cannot be remapped with itself: user namespaces are off");
  const eventLog = await EventLog.open(roots.events, log);
  const events = new MemoryEventBus(eventLog);
  const locks = new KeyedLock();
  const hostId = engineId(metadata);
  await claimHost(native, {
    engine: hostId,
    pid: process.pid,
    dataRoot: roots.dataRoot,
    execRoot: roots.execRoot,
  });
  const networkHost = openNetworks({
    native,
    metadata,
    log,
    hostId,
    execRoot: roots.execRoot,
    shim,
    settings: options.network,
  });
  const store = new ContainerStore(metadata, {
    cgroupVersion: facts.cgroup.version,
    maskedPaths: defaultMaskedPaths(facts),
    readonlyPaths: DEFAULT_READONLY_PATHS,
    hostname: hostname(),
    runtime: runtimes.defaultName,
    network: options.network.bridge === "none" ? "none" : "bridge",
  });
  const forwarding = new LogForwarder(log.with({ component: "logging" }), native);
  let isStopping = false;
  const gate = new AuthorizationGate(DOCKERS_PLACES);
  await gate.choose(options.engine.authorizationPlugins);
  const warnings = doorWarnings(options.doors);
  const volumes = openVolumes({
    metadata,
    driver: openLocalDriver({
      root: roots.volumes,
      host: volumeHost(native, nativeParts.shim),
      owner: ownerOf(remap),
      log,
    }),
    recorded: () => [...store.all()].map(volumeUser),
    log,
    nowNs,
  });

  const engine = {
    volumes,
    store,
    locks,
    tasks,
    snapshots,
    images,
    imageUses,
    content,
    leases,
    events,
    facts,
    get runtimes() {
      return runtimes;
    },
    defaults: { ...options.containers, seccomp },
    get cdiSpecDirs() {
      return current.cdiSpecDirs;
    },
    remap,
    log,
    buildSpec,
    buildExecProcess,
    ...networkHost,
    containersDir: roots.containers,
    files: containerFiles(shim),
    hostPaths: new NativeHostPaths(native),
    uploadedArchive: (body: Readable, signal: AbortSignal) =>
      uploadedArchive(body, DEFAULT_EXPANSION, signal),
    logging: {
      defaults: options.logConfig,
      renderTag: (template: string, name: string, data: unknown) =>
        compileTemplate(template, name).execute(data),
      hostname: hostname(),
      forwarding,
    },
    readLog: jsonFileReader(log),
    compressLog: (sink: LogSink, signal: AbortSignal) => compressRotated(sink, native, signal),
    // Not while the kernel is compared with the store: links of a container that begins now would be nobody's.
    restartDue: (container: Container): Promise<void> => ready.then(() => startAgain(engine, container)),
    health: { watch: (container: Container, task: Task): void => healthChecks.watch(container, task) },
    defaultStopSeconds: () => current.engine.defaultStopSeconds,
    minimumApiMinor: options.engine.minimumApiMinor,
    mayRestart: () => !isStopping,
    filtersBridges,
    processesOf: (pid: number) => processesOf(pid, facts.cgroup),
    stats: new SharedStats(),
    readSystemCpu,
    readLinks: (pid: number) => linkCountersOf(native, pid),
    runPs: (args: readonly string[]) => runProgram("ps", args, PS_LIMITS),
    containers: () => store.all(),
    registries,
    architecture,
    helloWorld: async () => helloWorldArchive(await readFile(nativeParts.hello), architecture),
    imageMountsDir: join(roots.execRoot, "images"),
    mountNamespace: mountNamespace(),
    mountTree: (mount: ImageMount, view: TreeView) => mountImageTree(nativeParts.shim, mount, view),
    treesDir: join(roots.execRoot, "trees"),
    showTree: (name: string, directory: string, layers: readonly string[]) =>
      showTree(nativeParts.shim, name, directory, layers),
    unmountTree: (directory: string) => unmountImageTree(nativeParts.shim, directory),
    build: { version: VERSION, commit: COMMIT, builtAt: "", runtime: `bun${process.versions["bun"] ?? ""}` },
    get daemon() {
      const { debug, labels, liveRestore } = current.engine;
      const authorization = gate.names;
      const { seccomp: seccompProfile, noNewPrivileges, cgroupDriver } = options.containers;
      return {
        cgroupDriver,
        id: hostId,
        dataRoot: roots.dataRoot,
        debug,
        labels,
        liveRestore,
        warnings,
        authorization,
        seccompProfile,
        noNewPrivileges,
      };
    },
    readHostNames,
    countDescriptors,
  };

  const healthChecks = new HealthChecks({
    ...engine,
    alarms: new Alarms(),
    starts: new Limiter(PROBES_BEGUN_AT_A_TIME),
    onUnhealthy: (container) => actOnUnhealthy(engine, container),
  });

  const metrics =
    options.engine.metrics === undefined
      ? undefined
      : new Metrics({ info: () => info(engine), events, process: processFacts });
  const { promise: ready, resolve: setReady, reject: setFailed } = Promise.withResolvers<void>();
  const routes: readonly Route[] = [
    openapiRoute(VERSION, () => routes),
    ...systemRoutes(engine),
    ...containerRoutes(engine),
    ...containerFilesRoutes(engine),
    ...archiveRoutes(engine),
    ...statsRoutes(engine),
    ...execRoutes(engine),
    ...checkpointRoutes(),
    ...imageContentRoutes(engine),
    ...imageRoutes(engine),
    ...registryRoutes(engine),
    ...distributionRoutes(engine),
    ...networkRoutes(engine),
    ...volumeRoutes(engine),
    ...checkRoutes({ ...engine, partialMaxAgeMs, statePaths: statePaths(roots, snapshots.driver) }),
  ];
  const makeServer = createApi({
    version: VERSION,
    minimumMinor: options.engine.minimumApiMinor,
    ready,
    log,
    observer: metrics,
    routes,
    gate,
  });
  const { addresses, isOpenOnPurpose } = options.doors;
  const doors = await openDoors(
    makeServer,
    {
      addresses,
      isOpenOnPurpose,
      tls,
      group: options.group,
      execRoot: roots.execRoot,
      activated,
      isUnixSocket: (fd) => native.peerCredentials(fd).uid !== NO_USER,
    },
    log,
  );
  const bringBack = async (): Promise<void> => {
    await mendShownImages(engine);
    const found = await restore(engine);
    if (!current.engine.liveRestore) await stopContainers(engine, found, current.engine.shutdownSeconds);
    await takeAllBack(engine);
  };
  Promise.all([bringBack(), mendImageMounts(engine)]).then(() => setReady(), setFailed);
  // The first start would pay some milliseconds for the default filter; whoever comes that early waits for it just the same.
  setImmediate(() => {
    const capabilities = chooseCapabilities({ add: [], drop: [], privileged: false }, facts.capabilities);
    compileSeccomp(defaultSeccomp({ capabilities, facts }), facts.architecture);
  });
  const metricsServer =
    options.engine.metrics === undefined || metrics === undefined
      ? undefined
      : await serveMetrics(options.engine.metrics, metrics);
  await ready;
  const stopCompressing = keepLogsCompressed(engine);
  const stopReconciling = keepReconciled(engine);
  const stopCollecting = keepCollecting({ ...engine, fileSystem }, options.garbage);
  log.info("the engine is ready", {
    version: VERSION,
    containers: [...store.all()].length,
    ms: Math.round(performance.now()),
  });

  return {
    log,
    native,
    ready,
    parts: { store, locks, leases, subscribers: () => events.subscribers },
    reload: async (next, renewed) => {
      const nextRuntimes = chooseRuntimes(next.runtimes, next.defaultRuntime);
      await gate.choose(next.engine.authorizationPlugins);
      registries.replaceOptions(registryOptionsOf(next));
      runtimes = nextRuntimes;
      current = next;
      log.choose(logChoice(next.engine));
      if (renewed !== undefined && tls !== undefined) doors.renew(renewed);
      void reconcileOnce(engine);
      announceReload(events, { id: hostId, name: hostname() }, reloadedOptions(next, runtimes));
    },
    stop: async () => {
      isStopping = true;
      doors.shut();
      healthChecks.stop();
      metricsServer?.close();
      metricsServer?.closeAllConnections();
      if (!current.engine.liveRestore)
        await stopContainers(engine, store.all(), current.engine.shutdownSeconds);
      stopCompressing();
      stopCollecting();
      stopReconciling();
      doors.close();
      registries.close();
      await withDeadline("sending logs", SHUTDOWN_MS, forwarding.stop()).catch((error: unknown) =>
        log.warn("a log's place is a little behind", { error: messageOf(error) }),
      );
      await withDeadline(
        "background deletions",
        SHUTDOWN_MS,
        Promise.all([snapshots.settled(), volumes.settled()]),
      ).catch((error: unknown) => log.warn("left for the next start", { error: messageOf(error) }));
      await eventLog.close();
      metadata.close();
    },
  };
}

/** What Prometheus asks of every process. */
function processFacts(): ReturnType<MetricsState["process"]> {
  const { user, system } = process.cpuUsage();
  return {
    residentBytes: process.memoryUsage.rss(),
    cpuSeconds: (user + system) / 1e6,
    startSeconds: Math.round(Date.now() / 1000 - process.uptime()),
  };
}

function logChoice({ logLevel, logFormat }: EngineOptions): LogChoice {
  return { least: logLevel, format: logFormat };
}

function reloadedOptions(
  { engine, registry, maxDownloads, maxUploads }: DaemonOptions,
  runtimes: Runtimes,
): ReloadedOptions {
  return {
    ...registry,
    debug: engine.debug,
    labels: engine.labels,
    "authorization-plugins": engine.authorizationPlugins,
    "live-restore": engine.liveRestore,
    "shutdown-timeout": engine.shutdownSeconds,
    "default-stop-timeout": engine.defaultStopSeconds,
    "max-concurrent-downloads": maxDownloads,
    "max-concurrent-uploads": maxUploads,
    "default-runtime": runtimes.defaultName,
    runtimes: Object.keys(runtimeTable(runtimes)),
  };
}

function registryOptionsOf({ registry }: DaemonOptions): RegistryOptions {
  return registryOptions(registry, environment(), `gantry/${VERSION} (linux)`);
}

function environment(): ReadonlyMap<string, string> {
  const variables = new Map<string, string>();
  for (const [name, value] of Object.entries(process.env))
    if (value !== undefined) variables.set(name, value);
  return variables;
}

/** Without the profile containers run as on a host without AppArmor: said in the log and by `info`. */
async function confine(facts: HostFacts, execRoot: string, log: Logger): Promise<HostFacts> {
  if (!facts.apparmor) return facts;
  try {
    return { ...facts, apparmorDefault: await loadDefaultProfile(execRoot) };
  } catch (error) {
    log.warn("containers are not confined by AppArmor", { error: messageOf(error) });
    return facts;
  }
}

/** Identifies this engine for as long as its data root lives. */
function engineId(metadata: Metadata): string {
  metadata.migrate("engine", [
    "CREATE TABLE engine (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;",
  ]);
  const row = metadata.prepare("SELECT value FROM engine WHERE key = 'id'").get();
  if (row !== undefined) return textColumn(row, "value");
  const id = randomUUID();
  metadata.transaction("durable", () =>
    metadata.prepare("INSERT INTO engine (key, value) VALUES ('id', ?)").run(id),
  );
  return id;
}
