/**
 * A throw-away engine: its own network and mount namespace, root directory and socket. Everything it makes lies below
 * one temporary directory or carries a container id that the leak check knows.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, openSync, closeSync, readFileSync, rmSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { request } from "node:http";
import { run, must, type Finished, type RunOptions } from "./run.ts";
import { until } from "./until.ts";

export const ROOT = join(import.meta.dirname, "..", "..");
export const GANTRY = join(ROOT, "build", "gantry");

// What a test sees is its own process's doing; tests of the resident client name a socket.
process.env["GANTRY_CLIENT_SOCKET"] ??= "";

/** Flags of an engine that is measured: it logs what it does by default, and no more. */
export const QUIET = ["--log-level", "info"] as const;

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: string;
}

export class Engine {
  readonly dir: string;
  /** Volatile, as /run is on a real host. */
  readonly runDir: string;
  readonly socket: string;
  readonly host: string;
  readonly #flags: readonly string[];
  readonly #hostSetup: string;
  #daemon: ChildProcess | undefined;

  private constructor(flags: readonly string[], hostSetup: string) {
    this.dir = mkdtempSync(join(process.env["GANTRY_TEST_DIR"] ?? tmpdir(), "gt-"));
    mkdirSync(join(this.dir, "log"));
    this.runDir = mkdtempSync("/dev/shm/gt-");
    this.socket = join(this.dir, "sock");
    this.host = `unix://${this.socket}`;
    this.#flags = flags;
    this.#hostSetup = hostSetup;
  }

  static async start(flags: readonly string[] = [], hostSetup = ":"): Promise<Engine> {
    const engine = new Engine(flags, hostSetup);
    await engine.launch();
    return engine;
  }

  /** The daemon's pid (unshare execs it). */
  get pid(): number {
    const pid = this.#daemon?.pid;
    if (pid === undefined) throw new Error("the engine is not running");
    return pid;
  }

  /** Of a process in the network namespace of its host, which is there when no daemon is. */
  get hostPid(): number {
    const pid = this.#holder?.pid;
    if (pid === undefined) throw new Error("the engine has no host");
    return pid;
  }

  get logFile(): string {
    return join(this.dir, "log", "gantryd.log");
  }

  async launch(): Promise<void> {
    const log = openSync(this.logFile, "a");
    // The network namespace outlives daemon restarts, as a host's does: made once, kept by a bind-free holder file.
    const enter = await this.#testHost();
    const child = spawn(
      enter[0] ?? "",
      [
        ...enter.slice(1),
        GANTRY,
        "daemon",
        "--host",
        this.host,
        "--data-root",
        join(this.dir, "data"),
        "--exec-root",
        this.runDir,
        "--debug",
        ...this.#flags,
      ],
      { stdio: ["ignore", log, log], detached: true },
    );
    closeSync(log);
    this.#daemon = child;
    let gone = false;
    child.once("exit", () => {
      gone = true;
    });
    await until("the engine to answer", async () => {
      if (gone)
        throw new Error(`the engine ended at once:\n${readFileSync(this.logFile, "utf8").slice(-2000)}`);
      return existsSync(this.socket) && (await this.ping());
    });
  }

  #holder: ChildProcess | undefined;

  async #testHost(): Promise<string[]> {
    if (this.#holder === undefined) {
      const ready = join(this.dir, "host-ready");
      this.#holder = spawn(
        "unshare",
        [
          "--mount",
          "--net",
          "--propagation",
          "private",
          "sh",
          "-c",
          // What is volatile on a host goes with its namespaces here.
          `set -e; mkdir -p -m 700 /run/gantry-networks; mount -t tmpfs tmpfs /run/gantry-networks; ip link set lo up; ${this.#hostSetup}; : > "${ready}"; exec sleep infinity`,
        ],
        { stdio: "ignore" },
      );
      await until("the test host", () => existsSync(ready));
    }
    return ["nsenter", `--target=${this.#holder.pid}`, "--mount", "--net"];
  }

  /** A command that runs where the engine does: in the mount and network namespaces of the test host. */
  async inHost(command: readonly string[]): Promise<string[]> {
    return [...(await this.#testHost()), ...command];
  }

  async ping(): Promise<boolean> {
    try {
      return (await this.api("GET", "/_ping")).status === 200;
    } catch {
      return false;
    }
  }

  /** One raw API call. `onHead`: the engine has taken it and begins to answer. */
  api(method: string, path: string, body?: unknown, onHead?: () => void): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const text = body === undefined ? undefined : JSON.stringify(body);
    const call = request(
      {
        socketPath: this.socket,
        method,
        path,
        agent: false,
        headers:
          text === undefined
            ? {}
            : { "content-type": "application/json", "content-length": Buffer.byteLength(text) },
      },
      (response) => {
        onHead?.();
        let received = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          received += chunk;
        });
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: received }),
        );
        response.on("error", reject);
      },
    );
    call.on("error", reject);
    call.end(text);
    return promise;
  }

  async json(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await this.api(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`);
    return answer.body === "" ? undefined : JSON.parse(answer.body);
  }

  /**
   * Waits for the end or the removal of a container that what follows brings about: resolves when the engine waits, with
   * what it will answer.
   */
  async waits(
    id: string,
    condition: "not-running" | "next-exit" | "removed",
  ): Promise<{ readonly code: Promise<number> }> {
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const answer = this.api("POST", `/containers/${id}/wait?condition=${condition}`, undefined, begin);
    const code = answer.then(({ status, body }) => {
      if (status !== 200) throw new Error(`waiting for ${id}: ${status} ${body}`);
      return Number(/"StatusCode":(\d+)/.exec(body)?.[1]);
    });
    code.catch(() => {}); // told to whoever awaits it
    await Promise.race([begun, code]);
    return { code };
  }

  /** Our own CLI against this engine. */
  gantry(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    return run([GANTRY, "--host", this.host, ...args], options);
  }

  /** As `gantry`, but a failure throws; the answer is trimmed standard output. */
  async ok(args: readonly string[], options: RunOptions = {}): Promise<string> {
    return (await must([GANTRY, "--host", this.host, ...args], options)).trim();
  }

  /** The stock docker CLI against this engine. */
  docker(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    return run(["docker", "--host", this.host, ...args], {
      ...options,
      env: { DOCKER_CONFIG: join(this.dir, "docker-config"), ...options.env },
    });
  }

  /** Kills the daemon as a crash would and waits until it is gone. */
  async kill9(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Asks the daemon to end; its containers go on. */
  async shutdown(): Promise<void> {
    await this.#end("SIGTERM");
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const daemon = this.#daemon;
    if (daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => daemon.once("exit", () => resolve()));
    daemon.kill(signal);
    await gone;
    this.#daemon = undefined;
  }

  async restart(): Promise<void> {
    await this.shutdown();
    await this.launch();
  }

  /** Removes every container, ends the daemon and deletes the directory. */
  async close(): Promise<void> {
    if (this.#daemon !== undefined && (await this.ping())) {
      const ids = (await this.ok(["ps", "-aq", "--no-trunc"])).split("\n").filter((id) => id !== "");
      if (ids.length > 0) await this.ok(["rm", "-f", ...ids]);
    }
    await this.shutdown();
    this.#holder?.kill("SIGKILL");
    for (const dir of [this.dir, this.runDir]) rmSync(dir, { recursive: true, force: true });
  }
}
