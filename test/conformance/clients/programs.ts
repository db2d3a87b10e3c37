/**
 * Programs as users of a client library write them, run unchanged against an engine. They lie in `programs/`, a package
 * of its own that tools/test.sh installs in build/clients; here they are laid beside its libraries and started.
 */
import { cpSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, test } from "bun:test";
import { type Engine, ROOT } from "../../support/engine.ts";
import { busyboxArchive } from "../../support/images.ts";
import { run } from "../../support/run.ts";
import { SLOWNESS } from "../../support/until.ts";

const SOURCE = join(import.meta.dirname, "programs");
export const INSTALLED = join(ROOT, "build", "clients");
export const NODE = join(INSTALLED, "node_modules", ".bin", "node");

const TIMEOUT_MS = 100_000 * SLOWNESS;

export function layOut(): void {
  cpSync(SOURCE, INSTALLED, { recursive: true });
}

/** One test for each program of the folder; `shared` are its files that are none. */
export function testPrograms(
  engine: () => Engine,
  folder: string,
  shared: readonly string[],
  interpreter: string,
  env: Readonly<Record<string, string>> = {},
): void {
  beforeAll(async () => {
    // What the daemon's runtime opens once, for the first network that has names.
    await engine().ok(["network", "create", "warm-up"]);
    await engine().ok(["run", "--rm", "--network", "warm-up", "busybox", "true"]);
    await engine().ok(["network", "rm", "warm-up"]);
  });
  for (const name of readdirSync(join(SOURCE, folder)).toSorted())
    if (!shared.includes(name))
      test(
        name.replace(/\.\w+$/, "").replaceAll(/[-_]/g, " "),
        () => runProgram(engine(), [interpreter, join(INSTALLED, folder, name)], env),
        TIMEOUT_MS + 20_000,
      );
}

/** In the engine's network, where published ports answer; all it said is the message if it fails. */
async function runProgram(
  engine: Engine,
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<void> {
  layOut();
  const shared = join(engine.dir, "shared");
  mkdirSync(shared);
  try {
    const { code, stdout, stderr } = await run(await engine.inHost(command), {
      timeoutMs: TIMEOUT_MS,
      env: {
        DOCKER_HOST: engine.host,
        DOCKER_CONFIG: join(engine.dir, "docker-config"),
        /** An image to load, by the name busybox:latest, and a folder that the engine sees too. */
        BUSYBOX_ARCHIVE: await busyboxArchive(),
        SHARED_DIR: shared,
        ...env,
      },
    });
    if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}:\n${stdout}\n${stderr}`);
  } finally {
    rmSync(shared, { recursive: true, force: true });
  }
}
