/** Debian's docker-registry on the loopback interface that an engine sees, and nobody else. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Engine } from "./engine.ts";
import { run } from "./run.ts";
import { until } from "./until.ts";

export interface RegistryOptions {
  /** One account that is asked for; none = everybody may do everything. */
  readonly account?: { readonly name: string; readonly password: string };
}

export class TestRegistry implements AsyncDisposable {
  /** "127.0.0.1:5000": in front of a repository it makes a reference. */
  readonly host: string;
  readonly #child: ChildProcess;
  readonly #directory: string;

  private constructor(host: string, child: ChildProcess, directory: string) {
    this.host = host;
    this.#child = child;
    this.#directory = directory;
  }

  static async start(engine: Engine, port: number, options: RegistryOptions = {}): Promise<TestRegistry> {
    const directory = mkdtempSync(join(process.env["GANTRY_TEST_DIR"] ?? tmpdir(), "gt-registry-"));
    const host = `127.0.0.1:${port}`;
    const file = (name: string): string => join(directory, name);
    const { account } = options;
    if (account !== undefined)
      writeFileSync(
        file("htpasswd"),
        `${account.name}:${await Bun.password.hash(account.password, { algorithm: "bcrypt", cost: 4 })}\n`,
      );
    const auth = account === undefined ? "" : `auth: {htpasswd: {realm: test, path: ${file("htpasswd")}}}\n`;
    writeFileSync(
      file("config.yml"),
      `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: ${file("data")}}, delete: {enabled: true}}
http: {addr: "${host}"}
${auth}`,
    );
    const log = openSync(file("log"), "w");
    const child = spawn(
      "nsenter",
      [`--net=/proc/${engine.pid}/ns/net`, "docker-registry", "serve", file("config.yml")],
      { stdio: ["ignore", log, log] },
    );
    closeSync(log);
    const registry = new TestRegistry(host, child, directory);
    await until("the registry to listen", async () => {
      if (child.exitCode !== null)
        throw new Error(`the registry ended:\n${readFileSync(file("log"), "utf8")}`);
      const listening = await run(["nsenter", `--net=/proc/${engine.pid}/ns/net`, "ss", "-ltn"]);
      return listening.stdout.includes(`${host} `);
    });
    return registry;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = new Promise<void>((resolve) => this.#child.once("exit", () => resolve()));
    this.#child.kill("SIGKILL");
    await gone;
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Bytes that have passed the engine's loopback interface. */
export function loopbackBytes(engine: Engine): number {
  const line = readFileSync(`/proc/${engine.pid}/net/dev`, "utf8")
    .split("\n")
    .find((each) => each.trim().startsWith("lo:"));
  return Number(line?.trim().split(/\s+/)[1] ?? "0");
}
