/**
 * The engine's daemon, put together: the one place that chooses implementations. From top to bottom: directories and
 * their lock, the parts of `core`, the API, the containers of an earlier run. There is no list of things to undo at the
 * end: containers go on without the daemon, and all that it keeps survives its death anyway.
 */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { containerFilesRoutes } from "../api/routes/container-files.ts";
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
import { type ApiServer, createApiServer } from "../api/server.ts";
import { withDeadline } from "../base/deadline.ts";
import { messageOf } from "../base/errors.ts";
import { KeyedLock } from "../base/keyed-lock.ts";
import { Logger } from "../base/log.ts";
import { runProgram } from "../base/process.ts";
import { COMMIT, VERSION } from "../base/version.ts";
import { openContent } from "../core/content/local-store.ts";
import { openRegistries } from "../core/distribution/registries.ts";
import type { RegistryOptions } from "../core/distribution/registry-options.ts";
import { MemoryEventBus } from "../core/events/memory-bus.ts";
import { ImageUses } from "../core/gc/image-uses.ts";
import { helloWorldArchive } from "../core/images/hello-world.ts";
import { openImages } from "../core/images/image-store.ts";
import { compressRotated } from "../core/logging/compress.ts";
import { jsonFileReader } from "../core/logging/json-file-reader.ts";
import { MemoryLeases } from "../core/metadata/memory-leases.ts";
import { type Metadata, textColumn } from "../core/metadata/metadata.ts";
import { openMetadata } from "../core/metadata/sqlite-metadata.ts";
import { claimHost } from "../core/network/host-claim.ts";
import { SharedStats } from "../core/stats/shared-stats.ts";
import type { LogSink } from "../core/tasks/tasks.ts";
import { ForeignRuntimes } from "../core/tasks/foreign-runtime.ts";
import { TaskManager } from "../core/tasks/manager.ts";
import { RunDirectories } from "../core/tasks/run-directory.ts";
import { runtimePlanner } from "../core/tasks/runtime-planner.ts";
import { shimSpawner } from "../core/tasks/spawn-shim.ts";
import { DEFAULT_EXPANSION } from "../core/unpack/expansion.ts";
import type { Container } from "../engine/containers/container.ts";
import { keepLogsCompressed } from "../engine/containers/log-compression.ts";
import { restore } from "../engine/containers/restore.ts";
import {
  buildExecProcess,
  buildSpec,
  DEFAULT_READONLY_PATHS,
  defaultMaskedPaths,
} from "../engine/containers/spec.ts";
import { chooseRuntimes } from "../engine/containers/runtimes.ts";
import type { Remap } from "../engine/containers/user-namespace.ts";
import { probeLayerIds } from "../engine/containers/userns-probe.ts";
import { startAgain } from "../engine/containers/start.ts";
import { ContainerStore } from "../engine/containers/store.ts";
import { mendImageMounts } from "../engine/images/mounts.ts";
import { keepReconciled, reconcileOnce } from "../engine/networks/keep-reconciled.ts";
import { keepCollecting } from "../engine/system/collect-garbage.ts";
import { makeRoom, sharedRoom } from "../engine/system/make-room.ts";
import { announceReload } from "../engine/system/announce-reload.ts";
import { resolveRemap } from "../engine/system/userns-remap.ts";
import { goArchitecture } from "../engine/system/version.ts";
import { filtersBridges } from "../linux/net-settings.ts";
import { type FileSystemUse, fileSystemUse } from "../linux/file-system-use.ts";
import { findAccount } from "../linux/accounts.ts";
import { updateCgroup } from "../linux/cgroup-update.ts";
import { readCgroupUse } from "../linux/cgroup-use.ts";
import { processesOf } from "../linux/cgroup-processes.ts";
import { pathOfDescriptor } from "../linux/descriptor-path.ts";
import { loadDefaultProfile } from "../linux/apparmor-load.ts";
import { type HostFacts, readCgroupMounts, readHostFacts } from "../linux/host-facts.ts";
import { countDescriptors, readHostNames } from "../linux/host-names.ts";
import { chooseCapabilities } from "../linux/capabilities.ts";
import { compileSeccomp } from "../linux/seccomp-compile.ts";
import { defaultSeccomp } from "../linux/seccomp-profile.ts";
import { type ImageMount, mountImageTree, mountNamespace, unmountImageTree } from "../linux/image-mounts.ts";
import { linkCountersOf } from "../linux/netlink/link-counters.ts";
import { readSystemCpu } from "../linux/system-cpu.ts";
import { loadNative } from "../linux/native-addon.ts";
import type { TreeView } from "../linux/native.ts";
import { makeUser, readRanges } from "../linux/remap-user.ts";
import { clear, freeze, isFrozen, thaw } from "../linux/task-cgroup.ts";
import { readDaemonConfig } from "./daemon-config.ts";
import {
  configFileOf,
  DAEMON_HELP,
  daemonOptions,
  type DaemonOptions,
  parseDaemonFlags,
} from "./daemon-options.ts";
import { openRoots, statePaths } from "./daemon-roots.ts";
import { listenOn } from "./daemon-socket.ts";
import { findNativeParts } from "./native-parts.ts";
import { openNetworks } from "./open-networks.ts";
import { registryOptions } from "./registry-settings.ts";
import { openStorage } from "./storage-driver.ts";
import { type DumpedParts, writeStateDump } from "./state-dump.ts";

const SHUTDOWN_MS = 5_000;
/** Many times what removing an image or a container writes. */
const METADATA_RESERVE_BYTES = 1 << 20;
const SHIM_ANSWER_MS = 2_000;
const PS_LIMITS = { timeoutMs: 5_000, maxBytes: 8 << 20 };

export interface Daemon {
  readonly log: Logger;
  readonly parts: DumpedParts;
  /** Resolves when the containers of an earlier run are back and requests are answered. */
  readonly ready: Promise<void>;
  /** Takes over what can be changed while the engine runs. */
  reload(options: DaemonOptions): void;
  /** Ends everything but the containers. */
  stop(): Promise<void>;
}

/** Starts the daemon in this process. Throws one clear sentence when it cannot. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const log = new Logger((line) => process.stderr.write(line), options.logLevel);
  const nativeParts = findNativeParts();
  const native = loadNative(nativeParts);
  const roots = openRoots(native, options.dataRoot, options.execRoot);
  const runtimes = chooseRuntimes(options.runtimes, options.defaultRuntime);
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
  });
  const leases = new MemoryLeases();
  const images = await openImages({
    content,
    snapshots,
    leases,
    architecture,
    expansion: DEFAULT_EXPANSION,
    maxDownloads: options.maxDownloads,
    maxUploads: options.maxUploads,
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
    cgroups: { freeze, thaw, isFrozen, clear, use: readCgroupUse, update: updateCgroup },
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
  const events = new MemoryEventBus();
  const locks = new KeyedLock();
  const hostId = engineId(metadata);
  claimHost(native, {
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
  let isStopping = false;

  const engine = {
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
    runtimes,
    remap,
    log,
    buildSpec,
    buildExecProcess,
    ...networkHost,
    containersDir: roots.containers,
    readLog: jsonFileReader(log),
    compressLog: (sink: LogSink, signal: AbortSignal) => compressRotated(sink, native, signal),
    restartDue: (container: Container): Promise<void> => startAgain(engine, container),
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
    unmountTree: (directory: string) => unmountImageTree(nativeParts.shim, directory),
    build: { version: VERSION, commit: COMMIT, builtAt: "", runtime: `bun${process.versions["bun"] ?? ""}` },
    daemon: { id: hostId, dataRoot: roots.dataRoot, debug: options.logLevel === "debug" },
    readHostNames,
    countDescriptors,
  };

  const { promise: ready, resolve: setReady, reject: setFailed } = Promise.withResolvers<void>();
  const server = createApiServer({
    version: VERSION,
    ready,
    log,
    routes: [
      ...systemRoutes(engine),
      ...containerRoutes(engine),
      ...containerFilesRoutes(engine),
      ...statsRoutes(engine),
      ...execRoutes(engine),
      ...imageContentRoutes(engine),
      ...imageRoutes(engine),
      ...registryRoutes(engine),
      ...distributionRoutes(engine),
      ...networkRoutes(engine),
      ...checkRoutes({ ...engine, partialMaxAgeMs, statePaths: statePaths(roots, snapshots.driver) }),
    ],
  });
  await listenOn(server, options.socketPath, options.group);
  Promise.all([restore(engine), mendImageMounts(engine)]).then(() => setReady(), setFailed);
  // The first start would pay some milliseconds for the default filter; whoever comes that early waits for it just the same.
  setImmediate(() => {
    const capabilities = chooseCapabilities({ add: [], drop: [], privileged: false }, facts.capabilities);
    compileSeccomp(defaultSeccomp({ capabilities, facts }), facts.architecture);
  });
  await ready;
  const stopCompressing = keepLogsCompressed(engine);
  const stopReconciling = keepReconciled(engine);
  const stopCollecting = keepCollecting({ ...engine, fileSystem }, options.garbage);
  if (options.pidFile !== "") writeFileSync(options.pidFile, `${process.pid}\n`);
  log.info("the engine is ready", {
    version: VERSION,
    socket: options.socketPath,
    containers: [...store.all()].length,
    ms: Math.round(performance.now()),
  });

  return {
    log,
    ready,
    parts: { store, locks, leases, subscribers: () => events.subscribers },
    reload: (next) => {
      registries.replaceOptions(registryOptionsOf(next));
      void reconcileOnce(engine);
      announceReload(events, { id: engine.daemon.id, name: hostname() }, next.registry);
    },
    stop: async () => {
      isStopping = true;
      stopCompressing();
      stopCollecting();
      stopReconciling();
      closeServer(server);
      registries.close();
      rmSync(options.socketPath, { force: true });
      if (options.pidFile !== "") rmSync(options.pidFile, { force: true });
      await withDeadline("background deletions", SHUTDOWN_MS, snapshots.settled()).catch((error: unknown) =>
        log.warn("left for the next start", { error: messageOf(error) }),
      );
      metadata.close();
    },
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

function closeServer(server: ApiServer): void {
  server.close();
  server.closeAllConnections();
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

/** `gantryd`: runs until a signal ends it. */
export async function runDaemon(words: readonly string[]): Promise<void> {
  try {
    const flags = parseDaemonFlags(words);
    if (flags === "help") process.stdout.write(DAEMON_HELP);
    else if (flags === "version") process.stdout.write(`gantryd version ${VERSION}, build ${COMMIT}\n`);
    else if (process.getuid?.() !== 0) throw new Error("the engine must be run as root");
    else {
      const file = configFileOf(flags);
      const readOptions = async (): Promise<DaemonOptions> =>
        daemonOptions(flags, await readDaemonConfig(file.path, file.mustExist));
      const options = await readOptions();
      serve(await startDaemon(options), options, readOptions);
    }
  } catch (error) {
    process.stderr.write(`gantryd: ${messageOf(error)}\n`);
    process.exit(1);
  }
}

function serve(daemon: Daemon, options: DaemonOptions, readOptions: () => Promise<DaemonOptions>): void {
  const { log } = daemon;
  // Requests are isolated from each other, and state is written before it is believed: going on is safer than a restart.
  process.on("uncaughtException", (error) =>
    log.error("uncaught error", { error: messageOf(error), stack: error.stack }),
  );
  process.on("unhandledRejection", (error) =>
    log.error("unhandled rejection", {
      error: messageOf(error),
      stack: error instanceof Error ? error.stack : undefined,
    }),
  );
  let isEnding = false;
  const end = (signal: NodeJS.Signals): void => {
    if (isEnding) process.exit(1);
    isEnding = true;
    log.info("ending, containers go on", { signal });
    daemon.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error("cannot end in order", { error: messageOf(error) });
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
  process.on("SIGHUP", () => void reload(daemon, readOptions));
  process.on("SIGUSR1", () => {
    try {
      log.info("state written", { path: writeStateDump(options.execRoot, daemon.parts) });
    } catch (error) {
      log.error("cannot write the state", { error: messageOf(error) });
    }
  });
}

/** A mistake in the file changes nothing. */
async function reload(daemon: Daemon, readOptions: () => Promise<DaemonOptions>): Promise<void> {
  try {
    daemon.reload(await readOptions());
    daemon.log.info("options of registries loaded anew; the others count from the next start");
  } catch (error) {
    daemon.log.error("the options stay as they are", { error: messageOf(error) });
  }
}
