/**
 * A registry for every contestant, each beside its daemon on the loopback interface, all the same program with the same
 * content: what is pulled is the same bytes for all, and what is pushed meets the same registry.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Engine, QUIET, ROOT } from "../test/support/engine.ts";
import { debianArchive } from "../test/support/images.ts";
import { TestRegistry } from "../test/support/registry.ts";
import { deepArchive } from "./archives.ts";

const PORT = 5100;
/** In front of a repository: `$REG` in a row's commands. */
export const REGISTRY = `127.0.0.1:${PORT}`;
/** Not those of the rows that load: nobody may know a layer before it is pulled. */
const FIRST_VARIANT = 10;

/** How to run a shell line where a contestant's daemon sees the loopback interface, with input or without. */
export type Near = (line: string, input?: Uint8Array) => void;

/** `$REG/debian:N` and `$REG/deep:N` for each round, as a data root in a tar; made with an engine that nobody measures. */
export async function registrySeed(rounds: number): Promise<Uint8Array> {
  const directory = mkdtempSync(join(tmpdir(), "gantry-bench-seed-"));
  const engine = await Engine.start(QUIET);
  try {
    const dataRoot = join(directory, "data");
    const registry = await TestRegistry.start(engine, { kind: "gantry", port: PORT, dataRoot });
    for (let round = 0; round < rounds; round++) {
      const variant = FIRST_VARIANT + round;
      await engine.ok(["load", "-q", "-i", await debianArchive(variant)]);
      await engine.ok(["load", "-q", "-i", deepArchive(directory, round)]);
      await engine.ok(["tag", `debian:${variant}`, `${REGISTRY}/debian:${round}`]);
      await engine.ok(["tag", `deep:${round}`, `${REGISTRY}/deep:${round}`]);
      for (const name of ["debian", "deep"])
        await engine.ok(["push", "-q", `${REGISTRY}/${name}:${round}`], { timeoutMs: 300_000 });
    }
    await registry[Symbol.asyncDispose]();
    return tarOf(directory, "data");
  } finally {
    await engine.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The program, as it was built, and what it is to serve; it runs until `stopRegistry`. */
export function startRegistry(name: string, near: Near, seed: Uint8Array): void {
  const place = placeOf(name);
  near(`mkdir -p ${place} && tar -C ${place} -xf -`, tarOf(join(ROOT, "build"), "gantry", "gantry.node"));
  near(`tar -C ${place} -xf -`, seed);
  const serve = `./gantry registry serve --listen ${REGISTRY} --data-root ${place}/data --log-level warn`;
  near(`cd ${place}; setsid ${serve} >log 2>&1 </dev/null & echo $! >${place}/pid`);
  const probe = `exec 3<>/dev/tcp/${REGISTRY.replace(":", "/")}`;
  near(
    `for i in $(seq 200); do bash -c '${probe}' 2>/dev/null && exit 0; sleep 0.05; done; cat ${place}/log >&2; exit 1`,
  );
}

export function stopRegistry(name: string, near: Near): void {
  const place = placeOf(name);
  near(`kill $(cat ${place}/pid); rm -rf ${place}`);
}

function placeOf(name: string): string {
  return `/tmp/gantry-bench-registry-${name.replaceAll(/\W/g, "-")}`;
}

function tarOf(directory: string, ...names: readonly string[]): Uint8Array {
  const target = join(mkdtempSync(join(tmpdir(), "gantry-bench-tar-")), "x.tar");
  const { status, stderr } = spawnSync("tar", ["-C", directory, "-cf", target, ...names], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`tar: ${stderr}`);
  const bytes = readFileSync(target);
  rmSync(join(target, ".."), { recursive: true });
  return bytes;
}
