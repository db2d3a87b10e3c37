/** gantry-runc under test: a root of its own, bundles of static busybox, and a look at all that a container may leave behind. */
import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Finished, run, type RunOptions } from "./run.ts";
import { until } from "./until.ts";

const GANTRY_RUNC = join(import.meta.dirname, "..", "..", "build", "gantry-runc");

export interface BundleOptions {
  readonly args: readonly string[];
  readonly terminal?: boolean;
  readonly env?: readonly string[];
  /** Put over the document's top level. */
  readonly more?: object;
  /** Put over its "linux". */
  readonly linux?: object;
}

export class Runtime {
  readonly directory: string = join(
    tmpdir(),
    `gantry-runc-${process.pid}-${Math.random().toString(36).slice(2, 8)}`,
  );
  readonly root: string = join(this.directory, "state");
  readonly program: string = join(this.directory, "gantry-runc");
  readonly cgroup: string = `gantry-test-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  /** Where a resident compiler listens, once there is one; this machine's own is never used. */
  socket = "";
  #bundles = 0;
  #resident: ChildProcess | undefined;

  /** To be called first; not by the constructor, which runs for tests that are skipped, too. */
  open(): void {
    mkdirSync(this.directory, { mode: 0o700 });
    symlinkSync(GANTRY_RUNC, this.program);
  }

  /** What the resident compiler has said: a line for each request. */
  residentLog = "";

  /** From here on verbs go through a resident compiler. Resolves with its process id when it listens. */
  async serve(socket: string = join(this.directory, "serve.sock"), program = this.program): Promise<number> {
    const resident = spawn(program, ["--debug", "serve", "--socket", socket], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#resident = resident;
    this.residentLog = "";
    resident.stderr.on("data", (chunk: Buffer) => {
      this.residentLog += chunk.toString();
    });
    await until(`the resident compiler to listen: ${this.residentLog}`, () =>
      this.residentLog.includes("listening at"),
    );
    this.socket = socket;
    return resident.pid ?? 0;
  }

  async endServing(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<number | null> {
    const resident = this.#resident;
    if (resident === undefined) return null;
    this.#resident = undefined;
    if (resident.exitCode !== null || resident.signalCode !== null) return resident.exitCode;
    const { promise, resolve } = Promise.withResolvers<number | null>();
    resident.on("exit", resolve);
    resident.kill(signal);
    return promise;
  }

  get environment(): Readonly<Record<string, string>> {
    return { GANTRY_RUNC_SOCKET: this.socket };
  }

  /** Runs one verb to its end. */
  call(words: readonly string[], options: RunOptions = {}): Promise<Finished> {
    return run([this.program, "--root", this.root, ...words], {
      ...options,
      env: { ...this.environment, ...options.env },
    });
  }

  /** Its standard output; throws unless it succeeds. */
  async ok(...words: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.call(words);
    if (code !== 0) throw new Error(`exit ${code}: ${words.join(" ")}\n${stdout}\n${stderr}`);
    return stdout;
  }

  /** Like `ok`, for verbs whose container goes on and would keep a pipe open. */
  start(...words: string[]): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.spawn(words).on("exit", (code) => resolve(code ?? -1));
    return promise;
  }

  spawn(words: readonly string[]): ChildProcess {
    return spawn(this.program, ["--root", this.root, ...words], {
      stdio: "ignore",
      env: { ...process.env, ...this.environment },
    });
  }

  bundle({ args, terminal = false, env = [], more = {}, linux = {} }: BundleOptions): string {
    const path = join(this.directory, `bundle-${this.#bundles++}`);
    mkdirSync(join(path, "rootfs", "bin"), { recursive: true });
    copyFileSync("/bin/busybox", join(path, "rootfs", "bin", "busybox"));
    chmodSync(join(path, "rootfs", "bin", "busybox"), 0o755);
    for (const name of ["sh", "sleep", "echo", "cat", "true"])
      symlinkSync("busybox", join(path, "rootfs", "bin", name));
    const config = {
      ociVersion: "1.2.0",
      process: { terminal, user: { uid: 0, gid: 0 }, args, env: ["PATH=/bin", ...env], cwd: "/" },
      root: { path: "rootfs" },
      mounts: [{ destination: "/proc", type: "proc", source: "proc" }],
      ...more,
      linux: {
        cgroupsPath: `/${this.cgroup}/${this.#bundles}`,
        namespaces: ["pid", "mount", "ipc", "uts", "network"].map((type) => ({ type })),
        ...linux,
      },
    };
    writeFileSync(join(path, "config.json"), JSON.stringify(config));
    return path;
  }

  async state(id: string): Promise<Readonly<Record<string, unknown>>> {
    const value: unknown = JSON.parse(await this.ok("state", id));
    if (typeof value !== "object" || value === null) throw new Error("state is no object");
    return { ...value };
  }

  /** Everything there is of containers: names that say what was found. Empty at rest. */
  remains(): string[] {
    const found = namesIn(this.root).map((name) => `state directory ${name}`);
    for (const dir of this.#cgroups()) found.push(`cgroup ${dir}`);
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      if (textOf(`/proc/${pid}/cgroup`).includes(this.cgroup)) found.push(`process ${pid}`);
      const words = textOf(`/proc/${pid}/cmdline`);
      if (words.includes(this.root) && Number(pid) !== process.pid)
        found.push(`process ${pid} ${words.replaceAll("\0", " ")}`);
    }
    for (const line of textOf("/proc/self/mountinfo").split("\n"))
      if (line.includes(this.directory)) found.push(`mount ${line}`);
    return found;
  }

  /** One below the parent that all have in common: that one stays until `close`. */
  #cgroups(): string[] {
    return ["", ...namesIn("/sys/fs/cgroup")].flatMap((controller) => {
      const parent = join("/sys/fs/cgroup", controller, this.cgroup);
      return directoriesIn(parent).map((name) => join(parent, name));
    });
  }

  close(): void {
    for (const parent of ["", ...namesIn("/sys/fs/cgroup")].map((name) =>
      join("/sys/fs/cgroup", name, this.cgroup),
    ))
      try {
        rmdirSync(parent);
      } catch {
        // this hierarchy has none
      }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function directoriesIn(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch {
    return [];
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // it ended while we looked
  }
}
