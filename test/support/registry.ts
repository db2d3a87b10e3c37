/** A registry on the loopback interface that an engine sees, and nobody else: Debian's docker-registry, or ours. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Engine, GANTRY } from "./engine.ts";
import { must, run } from "./run.ts";
import { until } from "./until.ts";

export type RegistryKind = "docker-registry" | "gantry";

export interface RegistryOptions {
  readonly kind: RegistryKind;
  readonly port: number;
  /** One account that is asked for; none = everybody may do everything. */
  readonly account?: { readonly name: string; readonly password: string };
  /** Of `kind` "gantry": where it counts what it does, for `sentBytes`. */
  readonly adminPort?: number;
  /** Of `kind` "gantry": where it keeps everything, on a file system that only the engine sees. */
  readonly dataRoot?: string;
}

export class TestRegistry implements AsyncDisposable {
  /** "127.0.0.1:5000": in front of a repository it makes a reference. */
  readonly host: string;
  /** Everything it keeps. */
  readonly directory: string;
  readonly #child: ChildProcess;
  readonly #adminPort: number | undefined;

  private constructor(host: string, child: ChildProcess, directory: string, adminPort: number | undefined) {
    this.host = host;
    this.#child = child;
    this.directory = directory;
    this.#adminPort = adminPort;
  }

  static async start(engine: Engine, options: RegistryOptions): Promise<TestRegistry> {
    const directory = mkdtempSync(join(process.env["GANTRY_TEST_DIR"] ?? tmpdir(), "gt-registry-"));
    const { kind, port, account, adminPort, dataRoot = join(directory, "data") } = options;
    const host = `127.0.0.1:${port}`;
    const file = (name: string): string => join(directory, name);
    if (account !== undefined)
      writeFileSync(
        file("htpasswd"),
        `${account.name}:${await Bun.password.hash(account.password, { algorithm: "bcrypt", cost: 4 })}\n`,
        { mode: 0o600 },
      );
    const passwords = account === undefined ? undefined : file("htpasswd");
    const command =
      kind === "gantry"
        ? [...ours(host, dataRoot, passwords), ...admin(adminPort)]
        : debians(host, directory, passwords);
    const log = openSync(file("log"), "w");
    const child = spawn("nsenter", [`--target=${engine.pid}`, "--mount", "--net", ...command], {
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    const registry = new TestRegistry(host, child, directory, adminPort);
    await until("the registry to listen", async () => {
      if (child.exitCode !== null)
        throw new Error(`the registry ended:\n${readFileSync(file("log"), "utf8")}`);
      const listening = await run(["nsenter", `--net=/proc/${engine.pid}/ns/net`, "ss", "-ltn"]);
      return listening.stdout.includes(`${host} `);
    });
    return registry;
  }

  /** Bytes of all bodies that it has sent so far; waits until it answers nobody. */
  async sentBytes(): Promise<number> {
    const { pid } = this.#child;
    const url = `http://127.0.0.1:${this.#adminPort}/metrics`;
    let text = "";
    await until("the registry to be idle", async () => {
      text = await must(["nsenter", `--net=/proc/${pid}/ns/net`, "curl", "-sS", url]);
      return /^gantry_registry_requests 0$/m.test(text);
    });
    return Number(/^gantry_registry_sent_bytes_total (\d+)$/m.exec(text)?.[1]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = new Promise<void>((resolve) => this.#child.once("exit", () => resolve()));
    this.#child.kill("SIGKILL");
    await gone;
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function ours(host: string, dataRoot: string, passwords: string | undefined): readonly string[] {
  const access = passwords === undefined ? [] : ["--htpasswd", passwords, "--token"];
  return [GANTRY, "registry", "serve", "--listen", host, "--data-root", dataRoot, ...access];
}

function admin(port: number | undefined): readonly string[] {
  return port === undefined ? [] : ["--admin-listen", `127.0.0.1:${port}`];
}

function debians(host: string, directory: string, passwords: string | undefined): readonly string[] {
  const access = passwords === undefined ? "" : `auth: {htpasswd: {realm: test, path: ${passwords}}}\n`;
  const path = join(directory, "config.yml");
  writeFileSync(
    path,
    `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: ${join(directory, "data")}}, delete: {enabled: true}}
http: {addr: "${host}"}
${access}`,
  );
  return ["docker-registry", "serve", path];
}

/** Bytes that have passed the engine's loopback interface. */
export function loopbackBytes(engine: Engine): number {
  const line = readFileSync(`/proc/${engine.pid}/net/dev`, "utf8")
    .split("\n")
    .find((each) => each.trim().startsWith("lo:"));
  return Number(line?.trim().split(/\s+/)[1] ?? "0");
}
