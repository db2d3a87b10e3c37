/**
 * Where a section's commands run: a shell with `docker` in front of its PATH, an engine that has the image, and an empty directory
 * for files. What commands make is called cf-… or comes from the image, and is gone when the section is over.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { must, run } from "../../support/run.ts";
import { SLOWNESS } from "../../support/until.ts";
import { IMAGE } from "./image.ts";
import { normalise, type Places } from "./normalise.ts";
import { SECTIONS } from "./sections.ts";
import type { Step } from "./transcript.ts";

/** What the recorded daemon speaks; a newer one is asked for the same, so that both have the same fields. */
export const API_VERSION = "1.45";

export interface Compared {
  /** The program that commands call `docker`. */
  readonly client: string;
  /** For `DOCKER_HOST`. */
  readonly host: string;
}

export class World implements Disposable {
  readonly #dir: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #places: Places;

  private constructor(dir: string, env: Readonly<Record<string, string>>, places: Places) {
    this.#dir = dir;
    this.#env = env;
    this.#places = places;
  }

  static async make({ client, host }: Compared): Promise<World> {
    const dir = mkdtempSync(join(tmpdir(), "gt-"));
    for (const name of ["bin", "config", "files"]) mkdirSync(join(dir, name));
    symlinkSync(client, join(dir, "bin", "docker"));
    const env = {
      PATH: `${join(dir, "bin")}:${process.env["PATH"] ?? ""}`,
      DOCKER_HOST: host,
      DOCKER_CONFIG: join(dir, "config"),
      DOCKER_API_VERSION: API_VERSION,
      DOCKER_CLI_HINTS: "false",
      LC_ALL: "C",
      TZ: "UTC",
      IMAGE,
    };
    const root = (await must(["docker", "info", "-f", "{{.DockerRootDir}}"], { env })).trim();
    return new World(dir, env, { root, files: join(dir, "files") });
  }

  /** One section from its first command to its last; nothing stays. */
  async observe(section: string): Promise<readonly Step[]> {
    const commands = SECTIONS[section];
    if (commands === undefined) throw new Error(`there is no section ${section}`);
    rmSync(join(this.#dir, "files"), { recursive: true });
    mkdirSync(join(this.#dir, "files"));
    const steps: Step[] = [];
    try {
      for (const command of commands) steps.push({ command, said: await this.say(command) });
    } finally {
      await this.#cleanUp();
    }
    return steps;
  }

  async say(command: string): Promise<readonly string[]> {
    const done = await run(["sh", "-c", command], {
      env: this.#env,
      cwd: join(this.#dir, "files"),
      timeoutMs: 60_000 * SLOWNESS,
    });
    return normalise(done, this.#places);
  }

  async #cleanUp(): Promise<void> {
    const script = `
      remove() { [ $# -lt 3 ] || docker "$@"; }
      remove rm -fv $(docker ps -aq --filter name=^/cf- ; docker ps -aq --filter ancestor=$IMAGE)
      remove volume rm $(docker volume ls -q --filter name=cf-)
      remove network rm $(docker network ls -q --filter name=cf-)
      remove rmi -f $(docker images --format '{{.Repository}}:{{.Tag}}' 'cf-*')`;
    await must(["sh", "-c", script], { env: this.#env, timeoutMs: 60_000 * SLOWNESS });
  }

  [Symbol.dispose](): void {
    rmSync(this.#dir, { recursive: true });
  }
}
