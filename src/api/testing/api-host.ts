/** The whole API on a socket in a temporary directory, over fake tasks, snapshots and images and a real metadata store. */
import type { ContainerConfig } from "../../specs/engine/container.ts";
import type { Process } from "../../specs/oci-runtime/spec.ts";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { type IncomingMessage, request, type Server } from "node:http";
import { connect, type Socket } from "node:net";
import { Readable } from "node:stream";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Alarms } from "../../base/alarms.ts";
import { Limiter } from "../../base/limiter.ts";
import { fakeHostPaths } from "../../engine/testing/fake-host-paths.ts";
import { FakeClock } from "../../base/testing/fake-clock.ts";
import { KeyedLock } from "../../base/keyed-lock.ts";
import type { ProgramResult } from "../../base/process.ts";
import { NO_LOG } from "../../base/log.ts";
import type { Metadata } from "../../core/metadata/metadata.ts";
import { openMetadata } from "../../core/metadata/sqlite-metadata.ts";
import { openLocalDriver } from "../../core/volumes/local-driver.ts";
import { FakeVolumeHost } from "../../core/volumes/testing/fake-volume-host.ts";
import { openVolumes } from "../../core/volumes/volume-set.ts";
import type { Volumes } from "../../core/volumes/volumes.ts";
import type { Container } from "../../engine/containers/container.ts";
import { actOnUnhealthy } from "../../engine/containers/health-action.ts";
import { HealthChecks } from "../../engine/containers/health-monitor.ts";
import { volumeUser } from "../../engine/containers/container-volumes.ts";
import type { HostDefaults } from "../../engine/containers/merge.ts";
import { NO_DEFAULTS } from "../../engine/containers/container-defaults.ts";
import { chooseRuntimes } from "../../engine/containers/runtimes.ts";
import { startAgain } from "../../engine/containers/start.ts";
import { ContainerStore } from "../../engine/containers/store.ts";
import { SharedStats } from "../../core/stats/shared-stats.ts";
import type { SubscribeOptions } from "../../core/events/events.ts";
import { MemoryEventBus } from "../../core/events/memory-bus.ts";
import { FakeRegistries } from "../../engine/testing/fake-registries.ts";
import { FakeForwarding, fakeLogging } from "../../engine/testing/fake-logging.ts";
import { FakeNetwork } from "../../engine/testing/fake-network.ts";
import { FakeImages } from "../../engine/testing/fake-images.ts";
import { FakeSnapshots } from "../../engine/testing/fake-snapshots.ts";
import { FakeTasks } from "../../engine/testing/fake-tasks.ts";
import type { LinkCounters } from "../../linux/netlink/link-counters.ts";
import type { HostFacts } from "../../linux/host-facts.ts";
import type { EventMessage } from "../../specs/engine/system.ts";
import { checkpointRoutes } from "../routes/checkpoints.ts";
import type { RequestObserver } from "../metrics/metrics.ts";
import type { ContainerRouteDeps } from "../routes/containers.ts";
import { containerRoutes } from "../routes/containers.ts";
import { execRoutes } from "../routes/exec.ts";
import { imageRoutes } from "../routes/images.ts";
import { networkRoutes } from "../routes/networks.ts";
import { registryRoutes } from "../routes/registry.ts";
import { type StatsRouteDeps, statsRoutes } from "../routes/stats.ts";
import { type SystemRouteDeps, systemRoutes } from "../routes/system.ts";
import { volumeRoutes } from "../routes/volumes.ts";
import type { AuthorizationGate } from "../authz/gate.ts";
import { openapiRoute } from "../openapi/document.ts";
import { OPERATIONS, queryOf } from "../openapi/operations.ts";
import type { Route } from "../router.ts";
import { MINIMUM_MINOR } from "../version.ts";
import { createApiServer } from "../server.ts";

export const TEST_FACTS: HostFacts = {
  cgroup: { version: 1, controllers: new Map([["memory", { mountPoint: "/m", own: "/" }]]) },
  cpuCount: 2,
  memoryNodes: [0],
  memoryBytes: 8 << 30,
  kernelRelease: "6.0.0-test",
  lastCapability: 40,
  capabilities: (1n << 41n) - 1n,
  architecture: "x86_64",
  seccomp: true,
  apparmor: false,
  selinux: false,
  thermalThrottlePaths: [],
};

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
  readonly json: unknown;
}

const HOST_DEFAULTS: HostDefaults = {
  cgroupVersion: 1,
  maskedPaths: ["/proc/kcore"],
  readonlyPaths: ["/proc/sys"],
  hostname: "testhost",
  runtime: "gantry-runc",
  network: "bridge",
};

const TEST_RUNTIMES = chooseRuntimes(new Map(), "");

export class ApiHost implements AsyncDisposable {
  readonly directory: string;
  readonly socketPath: string;
  readonly registries = new FakeRegistries();
  readonly tasks = new FakeTasks();
  readonly snapshots = new FakeSnapshots();
  readonly stats = new SharedStats({ intervalMs: 10, spanMs: 1, keptMs: 5000 });
  readonly images = new FakeImages();
  readonly published: EventMessage[] = [];
  readonly events = {
    publish: (event: EventMessage): void => {
      this.published.push(event);
      this.hub.publish(event);
    },
    subscribe: (options: SubscribeOptions): AsyncIterable<EventMessage> => this.hub.subscribe(options),
  };
  readonly hub = new MemoryEventBus();
  readonly metadata: Metadata;
  readonly store: ContainerStore;
  readonly network: FakeNetwork;
  readonly deps: ContainerRouteDeps & StatsRouteDeps;
  /** Of the health checks. */
  readonly clock = new FakeClock();
  readonly healthChecks: HealthChecks;
  readonly volumeHost = new FakeVolumeHost();
  readonly volumes: Volumes;
  readonly forwarding = new FakeForwarding();
  readonly logging = fakeLogging({ forwarding: this.forwarding });
  readonly systemDeps: SystemRouteDeps;
  readonly routes: readonly Route[];
  readonly shownTrees: { name: string; directory: string; layers: readonly string[] }[] = [];
  readonly unmountedTrees: string[] = [];
  defaultStopSeconds = 10;
  observer: RequestObserver | undefined;
  /** What handlers asked for that no document tells of. */
  readonly undocumented = new Set<string>();
  readonly logText: string[] = [];
  /** Links of every container's network namespace. */
  links: ReadonlyMap<string, LinkCounters> | undefined = new Map();
  /** What `ps` answers. */
  runPs: (args: readonly string[]) => ProgramResult = () => ({ exitCode: 1, stdout: "", stderr: "no ps" });
  readonly #server: Server;
  readonly #connections: RawConnection[] = [];

  private constructor(more: { readonly gate?: AuthorizationGate }) {
    this.directory = mkdtempSync(join(tmpdir(), "gantry-api-"));
    this.socketPath = join(this.directory, "api.sock");
    const containersDir = join(this.directory, "containers");
    mkdirSync(containersDir);
    this.metadata = openMetadata({ path: join(this.directory, "meta.db"), onDamaged: () => {} });
    this.store = new ContainerStore(this.metadata, HOST_DEFAULTS);
    this.network = new FakeNetwork(this.metadata);
    this.volumes = openVolumes({
      metadata: this.metadata,
      driver: openLocalDriver({
        root: join(this.directory, "volumes"),
        host: this.volumeHost,
        owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
        log: NO_LOG,
      }),
      recorded: () => [...this.store.all()].map(volumeUser),
      log: NO_LOG,
      nowNs: () => 1_795_906_856_000_000_000n,
    });
    const deps: ContainerRouteDeps & StatsRouteDeps = {
      volumes: this.volumes,
      hostPaths: fakeHostPaths,
      store: this.store,
      locks: new KeyedLock(),
      tasks: this.tasks,
      snapshots: this.snapshots,
      images: this.images,
      imageUses: { used: () => {} },
      events: this.events,
      facts: TEST_FACTS,
      runtimes: TEST_RUNTIMES,
      defaults: NO_DEFAULTS,
      cdiSpecDirs: [],
      remap: undefined,
      treesDir: join(this.directory, "trees"),
      showTree: (name, directory, layers) => {
        this.shownTrees.push({ name, directory, layers });
        return Promise.resolve();
      },
      unmountTree: (directory) => {
        this.unmountedTrees.push(directory);
        return Promise.resolve();
      },
      containersDir,
      logging: this.logging,
      network: this.network.parts,
      log: NO_LOG,
      buildSpec: (input) => ({
        ociVersion: "1.2.0",
        hostname: input.hostname,
        process: fakeProcess(input.config),
      }),
      readLog: (_sink, options) => this.#readLog(options.framed),
      processesOf: (pid) => Promise.resolve([pid]),
      runPs: (args) => Promise.resolve(this.runPs(args)),
      stats: this.stats,
      readSystemCpu: () => ({ totalNs: BigInt(Date.now()) * 2_000_000n, online: 2 }),
      readLinks: () => Promise.resolve(this.links),
      restartDue: (container: Container) => startAgain(deps, container),
      mayRestart: () => true,
      defaultStopSeconds: () => this.defaultStopSeconds,
      health: { watch: (container, task) => this.healthChecks.watch(container, task) },
      filtersBridges: () => false,
    };
    this.deps = deps;
    this.healthChecks = new HealthChecks({
      ...deps,
      buildExecProcess: fakeProcess,
      alarms: new Alarms(this.clock),
      starts: new Limiter(16),
      onUnhealthy: (container) => actOnUnhealthy(deps, container),
    });
    this.systemDeps = {
      logging: this.logging,
      minimumApiMinor: MINIMUM_MINOR,
      registries: this.registries,
      store: this.store,
      images: this.images,
      snapshots: this.snapshots,
      volumes: this.volumes,
      network: deps.network,
      containers: () => this.store.all(),
      facts: TEST_FACTS,
      runtimes: TEST_RUNTIMES,
      cdiSpecDirs: [],
      remap: undefined,
      build: { version: "1.2.3", commit: "abc", builtAt: "", runtime: "bun" },
      daemon: {
        cgroupDriver: "cgroupfs",
        id: "test",
        dataRoot: this.directory,
        debug: false,
        labels: [],
        authorization: [],
        seccompProfile: "builtin",
        noNewPrivileges: false,
        liveRestore: true,
        warnings: [],
      },
      readHostNames: () => ({
        hostname: "testhost",
        operatingSystem: "Test Linux",
        osVersion: "1",
        ipv4Forwarding: true,
      }),
      countDescriptors: () => 10,
      events: this.hub,
    };
    this.routes = [
      openapiRoute("1.2.3", () => this.routes),
      ...systemRoutes(this.systemDeps),
      ...containerRoutes(deps),
      ...statsRoutes(deps),
      ...checkpointRoutes(),
      ...execRoutes({ ...deps, buildExecProcess: fakeProcess }),
      ...imageRoutes({
        images: this.images,
        snapshots: this.snapshots,
        content: { list: () => [] },
        events: this.events,
        containers: () => this.store.all(),
        registries: this.registries,
        architecture: "amd64",
        helloWorld: () => Promise.resolve(Readable.from(["name:hello-world"])),
      }),
      ...registryRoutes({ registries: this.registries }),
      ...networkRoutes(deps),
      ...volumeRoutes(deps),
    ];
    this.#server = createApiServer({
      observer: { answered: (...told) => this.observer?.answered(...told) },
      version: "1.2.3",
      ready: Promise.resolve(),
      log: NO_LOG,
      routes: this.routes,
      gate: more.gate,
      onQuery: (route, name) => this.#checkQuery(route, name),
    });
  }

  #checkQuery(route: string, name: string): void {
    const operation = OPERATIONS.get(route);
    if (operation !== undefined && !queryOf(operation).some((known) => known.name === name))
      this.undocumented.add(`${route}: ${name}`);
  }

  static async start(more: { readonly gate?: AuthorizationGate } = {}): Promise<ApiHost> {
    const host = new ApiHost(more);
    const { promise, resolve } = Promise.withResolvers<void>();
    await host.network.predefine();
    host.#server.listen(host.socketPath, resolve);
    await promise;
    host.images.add("busybox", { Cmd: ["sh"], Env: ["PATH=/bin"] });
    return host;
  }

  async *#readLog(framed: boolean): AsyncIterable<Uint8Array> {
    for (const text of this.logText) {
      const head = Buffer.from([1, 0, 0, 0, 0, 0, 0, text.length]);
      yield framed ? Buffer.concat([head, Buffer.from(text)]) : Buffer.from(text);
    }
    await Promise.resolve();
  }

  /** One request; a body that is not a string is sent as JSON. */
  async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const outgoing = request(
      {
        socketPath: this.socketPath,
        method,
        path,
        headers: {
          ...(text === undefined
            ? {}
            : { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) }),
          ...headers,
        },
        agent: false,
      },
      resolve,
    );
    outgoing.on("error", reject);
    outgoing.end(text);
    const response = await promise;
    let received = "";
    for await (const chunk of response) received += String(chunk);
    let json: unknown;
    try {
      json = JSON.parse(received);
    } catch {
      json = undefined;
    }
    return { status: response.statusCode ?? 0, headers: response.headers, text: received, json };
  }

  /** A raw connection that has sent an upgrade request; `head` resolves with the answer's head. */
  upgrade(method: string, path: string, body = ""): RawConnection {
    const connection = new RawConnection(this.socketPath);
    this.#connections.push(connection);
    connection.socket.write(
      `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n` +
        (body === ""
          ? ""
          : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`) +
        `\r\n${body}`,
    );
    return connection;
  }

  /** Creates a container of busybox and returns its id. */
  async create(name: string, body: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const answer = await this.call("POST", `/v1.51/containers/create?name=${name}`, {
      Image: "busybox",
      HostConfig: { NetworkMode: "none" },
      ...body,
    });
    if (answer.status !== 201) throw new Error(`create: ${answer.status} ${answer.text}`);
    return this.store.find(name).id;
  }

  /** The same, which runs then. */
  async started(name: string, body: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const id = await this.create(name, { HostConfig: {}, ...body });
    const answer = await this.call("POST", `/containers/${name}/start`);
    if (answer.status !== 204) throw new Error(`start: ${answer.status} ${answer.text}`);
    return id;
  }

  /** What an engine that starts now would read of a container. */
  stored(name: string): Container {
    const store = new ContainerStore(this.metadata, HOST_DEFAULTS);
    store.load(NO_LOG);
    return store.find(name);
  }

  actions(): readonly string[] {
    return this.published.filter(({ Type }) => Type !== "network").map((event) => event.Action);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections) connection.socket.destroy();
    this.#server.closeAllConnections();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    await promise;
    this.metadata.close();
    rmSync(this.directory, { recursive: true, force: true });
    if (this.undocumented.size > 0)
      throw new Error(`openapi/operations.ts does not tell of ${[...this.undocumented].join(", ")}`);
  }
}

/** Bytes as they come, for hijacked connections. */
export class RawConnection {
  readonly socket: Socket;
  text = "";
  isEnded = false;
  #listeners: (() => void)[] = [];

  constructor(path: string) {
    this.socket = connect({ path, allowHalfOpen: true });
    this.socket.on("data", (chunk) => {
      this.text += chunk.toString("latin1");
      this.#tell();
    });
    const onEnd = (): void => {
      this.isEnded = true;
      this.#tell();
    };
    this.socket.on("end", onEnd);
    this.socket.on("close", onEnd);
    this.socket.on("error", onEnd);
  }

  /** Resolves once `part` has been received. */
  async saw(part: string): Promise<void> {
    await this.#until(() => this.text.includes(part), part);
  }

  async ended(): Promise<void> {
    await this.#until(() => this.isEnded, "the end");
  }

  async #until(isTrue: () => boolean, what: string): Promise<void> {
    while (!isTrue()) {
      if (this.isEnded) throw new Error(`ended before ${JSON.stringify(what)}: ${JSON.stringify(this.text)}`);
      await new Promise<void>((resolve) => this.#listeners.push(resolve));
    }
  }

  #tell(): void {
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener();
  }
}

function fakeProcess(config: ContainerConfig): Process {
  return {
    terminal: config.Tty,
    user: { uid: 0, gid: 0 },
    args: [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])],
    env: config.Env ?? [],
    cwd: "/",
  };
}
