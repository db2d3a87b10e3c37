/** What must hold of an engine that starts on a disk after a power cut. Throws what does not. */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../../support/engine.ts";
import { must } from "../../support/run.ts";
import { until } from "../../support/until.ts";
import { expectNoProblems } from "../image-truth.ts";
import { expectItRuns, listed } from "../image-use.ts";
import type { ImageWorld } from "../image-world.ts";
import { contradiction } from "./timeline.ts";

export type Allowed = ReadonlyMap<string, ReadonlySet<string | undefined>>;

/** The engine's data root is the disk; it does not run. */
export async function expectSurvived(world: ImageWorld, allowed: Allowed): Promise<void> {
  const { engine } = world;
  // As after a boot.
  for (const name of readdirSync(engine.runDir)) rmSync(join(engine.runDir, name), { recursive: true });
  await engine.launch();
  await expectPromisesKept(engine, allowed);
  await expectSoundBlobs(engine);
  await expectNoProblems(engine);
  await Promise.all((await listed(engine)).map(({ id }) => expectItRuns(engine, id)));
  await expectKeeperStarts(engine);
  await expectItGoesOn(world);
  await expectNothingIsLeft(engine);
}

async function expectPromisesKept(engine: Engine, allowed: Allowed): Promise<void> {
  const found = new Map<string, string>();
  for (const { name, id } of await listed(engine)) {
    const answer = await engine.api("GET", `/images/${id}/json`);
    if (answer.status !== 200) throw new Error(`image ${name} cannot be inspected: ${answer.body}`);
    if (!name.startsWith("<none>")) found.set(`image ${name}`, id);
  }
  const lines = await engine.ok(["ps", "-a", "--no-trunc", "--format", "{{.Names}} {{.ID}}"]);
  for (const line of lines.split("\n").filter((text) => text !== "")) {
    const [name = "", id = ""] = line.split(" ");
    // Containers of `run --rm` have names of their own, and go when they are found ended.
    if (name === "keeper" || name === "beside") found.set(`container ${name}`, id);
  }
  const problem = contradiction(allowed, found);
  if (problem !== undefined) throw new Error(problem);
}

/** Not by the engine's own means. */
async function expectSoundBlobs(engine: Engine): Promise<void> {
  const folder = join(engine.dir, "data", "content", "blobs", "sha256");
  const sums = await must(
    await engine.inHost(["sh", "-c", 'cd "$1" && find . -type f -exec sha256sum {} +', "sh", folder]),
  );
  for (const line of sums.split("\n").filter((text) => text !== "")) {
    const [found, name] = line.split("  ./");
    if (found !== name) throw new Error(`blob ${name} has the digest ${found}`);
  }
}

/** The disk says that it runs, and it does not. */
async function expectKeeperStarts(engine: Engine): Promise<void> {
  const names = await engine.ok(["ps", "-a", "--format", "{{.Names}}"]);
  if (!names.split("\n").includes("keeper")) return;
  const state = ["inspect", "-f", "{{.State.Status}}", "keeper"];
  const before = await engine.ok(state);
  if (before !== "exited" && before !== "created") throw new Error(`after the cut keeper is ${before}`);
  await engine.ok(["start", "keeper"]);
  const after = await engine.ok(state);
  if (after !== "running") throw new Error(`keeper was started and is ${after}`);
}

/** What was cut off is done once more, and all of it is sound. */
async function expectItGoesOn({ engine, remote, archive, ids }: ImageWorld): Promise<void> {
  const again = [["load", "-q", "-i", archive], ...remote.map(({ name }) => ["pull", "-q", name])];
  await Promise.all(again.map((command) => engine.ok(command)));
  const found = await engine.ok(["inspect", "-f", "{{.Id}}", ...ids.keys()]);
  if (found !== [...ids.values()].join("\n")) throw new Error(`${[...ids.keys()].join(", ")}: ${found}`);
  await Promise.all([...ids.keys()].map((name) => expectItRuns(engine, name)));
  await expectSoundBlobs(engine);
}

async function expectNothingIsLeft(engine: Engine): Promise<void> {
  const ids = (await engine.ok(["ps", "-aq", "--no-trunc"])).split("\n").filter((id) => id !== "");
  if (ids.length > 0) await engine.ok(["rm", "-f", ...ids]);
  await engine.ok(["system", "prune", "-af"]);
  const find = `cd "$1" && find content/blobs/sha256 content/ingest content/partial snapshots/*/layers snapshots/*/active \
snapshots/*/staging snapshots/*/trash -mindepth 1 -maxdepth 1`;
  const command = await engine.inHost(["sh", "-c", find, "sh", join(engine.dir, "data")]);
  let left = "";
  await until("the disk to be empty", async () => {
    left = await must(command);
    return left === "";
  }).catch((error: unknown) => {
    throw new Error(`left behind:\n${left}`, { cause: error });
  });
}
