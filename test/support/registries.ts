/**
 * Registries to push to and pull from, in a network namespace of their own: ours, and docker-registry to compare it with.
 * Everything lies below one temporary directory.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, readlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GANTRY } from "./engine.ts";
import { must, run, type Finished, type RunOptions } from "./run.ts";
import { until } from "./until.ts";

export const OURS = "127.0.0.1:5000";
export const THEIRS = "127.0.0.1:5001";

export class Registries {
  readonly dir = mkdtempSync(join(process.env["GANTRY_TEST_DIR"] ?? tmpdir(), "registries-"));
  readonly #holder: ChildProcess;
  #ours: ChildProcess | undefined;
  #theirs: ChildProcess | undefined;

  private constructor(holder: ChildProcess) {
    this.#holder = holder;
  }

  static async start(): Promise<Registries> {
    const holder = spawn("unshare", ["--net", "sh", "-c", "ip link set lo up && exec sleep infinity"], {
      stdio: "ignore",
    });
    const registries = new Registries(holder);
    // Until it has one of its own, whoever enters its network enters this machine's.
    const networkOf = (pid: number | "self"): string => readlinkSync(`/proc/${pid}/ns/net`);
    await until("a network of its own", () => networkOf(holder.pid ?? "self") !== networkOf("self"));
    await until("the network to be up", async () =>
      (await registries.run(["ip", "-br", "link"])).stdout.includes("UNKNOWN"),
    );
    await registries.startOurs();
    return registries;
  }

  async startOurs(flags: readonly string[] = []): Promise<void> {
    const command = [
      GANTRY,
      "registry",
      "serve",
      "--listen",
      OURS,
      "--data-root",
      join(this.dir, "ours"),
      ...flags,
    ];
    this.#ours = this.#spawn(command);
    await this.#answers(OURS);
  }

  /** As a crash would. */
  async killOurs(): Promise<void> {
    await ended(this.#ours);
  }

  async startTheirs(): Promise<void> {
    const data = join(this.dir, "theirs");
    mkdirSync(data);
    const config = join(this.dir, "theirs.yml");
    writeFileSync(
      config,
      `version: 0.1\nlog: {level: error}\nhttp: {addr: "${THEIRS}"}\nstorage: {filesystem: {rootdirectory: "${data}"}, delete: {enabled: true}}\n`,
    );
    this.#theirs = this.#spawn(["docker-registry", "serve", config]);
    await this.#answers(THEIRS);
  }

  /** A program beside the registries. */
  run(command: readonly string[], options: RunOptions = {}): Promise<Finished> {
    return run([...this.#enter(), ...command], options);
  }

  /** As `run`, but a failure throws; the answer is trimmed standard output. */
  async must(command: readonly string[], options: RunOptions = {}): Promise<string> {
    return (await must([...this.#enter(), ...command], options)).trim();
  }

  async close(): Promise<void> {
    await ended(this.#ours);
    await ended(this.#theirs);
    await ended(this.#holder);
    rmSync(this.dir, { recursive: true, force: true });
  }

  #enter(): string[] {
    return ["nsenter", `--target=${this.#holder.pid}`, "--net"];
  }

  #spawn(command: readonly string[]): ChildProcess {
    const [program = "", ...words] = [...this.#enter(), ...command];
    const log = openSync(join(this.dir, "log"), "a");
    const child = spawn(program, words, { stdio: ["ignore", log, log] });
    closeSync(log);
    return child;
  }

  async #answers(address: string): Promise<void> {
    const probe = `exec 3<>/dev/tcp/${address.replace(":", "/")}`;
    await until(`${address} to answer (${join(this.dir, "log")} may say why not)`, async () => {
      const { code } = await this.run(["bash", "-c", probe]);
      return code === 0;
    });
  }
}

async function ended(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGKILL");
  await gone;
}
