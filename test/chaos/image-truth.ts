/** What must hold of an engine's images at any moment after a start, however its last daemon ended. Throws what does not. */
import { createHash } from "node:crypto";
import { createReadStream, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { DEFAULT_GARBAGE_POLICY } from "../../src/core/gc/image-policy.ts";
import type { Engine } from "../support/engine.ts";
import { expectNoLeaks, type Inventory } from "../support/leak-check.ts";
import { ownInventory } from "../support/own-inventory.ts";
import { IDLE_CONNECTIONS } from "../support/suite.ts";
import type { ImageWorld } from "./image-world.ts";
import { listed } from "./image-use.ts";

/** `before` is what was there at rest. */
export async function expectWholeImages(world: ImageWorld, before: Inventory): Promise<void> {
  const { engine } = world;
  await expectNothingLeft(engine, before);
  await expectNoProblems(engine);
  await expectSoundBlobs(engine);
  expectContinuable(world);
  await expectTheirNames(world);
  await expectKeeperRuns(engine);
}

export async function expectKeeperRuns(engine: Engine): Promise<void> {
  const state = await engine.ok(["inspect", "-f", "{{.State.Status}}", "keeper"]);
  if (state !== "running") throw new Error(`the container that nobody touched is ${state}`);
}

/** Of what is not an image. */
export async function expectNothingLeft(
  engine: Engine,
  before: Inventory,
  patienceMs?: number,
): Promise<void> {
  await expectNoLeaks(engine, before, IDLE_CONNECTIONS, ownInventory, patienceMs);
}

/** What has a name is what the name stands for. */
export async function expectTheirNames({ engine, ids }: ImageWorld): Promise<void> {
  for (const { name, id } of await listed(engine)) {
    const answer = await engine.api("GET", `/images/${id}/json`);
    if (answer.status !== 200) throw new Error(`image ${name} cannot be inspected: ${answer.body}`);
    const expected = ids.get(name);
    if (expected !== undefined && expected !== id) throw new Error(`${name} is ${id} instead of ${expected}`);
  }
}

export async function expectNoProblems(engine: Engine): Promise<void> {
  const { status, body } = await engine.api("POST", "/v1.51/system/check?deep=1");
  const last = body.trim().split("\n").at(-1) ?? "";
  if (status !== 200 || JSON.parse(last).summary?.problems !== 0)
    throw new Error(`system check found problems:\n${body}`);
}

/** Not by the engine's own means. */
export async function expectSoundBlobs(engine: Engine): Promise<void> {
  const folder = join(engine.dir, "data", "content", "blobs", "sha256");
  for (const name of readdirSync(folder)) {
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(join(folder, name))) hash.update(chunk);
    const found = hash.digest("hex");
    if (found !== name) throw new Error(`blob ${name} has the digest ${found}`);
  }
}

/** Every partial blob is the beginning of a layer that the registry has, and was written not long ago. */
export function expectContinuable({ engine, remote }: ImageWorld): void {
  const layers = new Map(
    remote.flatMap(({ image }) => image.layers.map(({ digest, blob }) => [digest, blob] as const)),
  );
  const folder = join(engine.dir, "data", "content", "partial");
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const ageMs = Date.now() - statSync(path).mtimeMs;
    if (ageMs > DEFAULT_GARBAGE_POLICY.partialMaxAgeMs)
      throw new Error(`partial blob "${name}" was last written ${ageMs} ms ago`);
    const bytes = readFileSync(path);
    const whole = layers.get(name);
    if (whole === undefined) throw new Error(`partial blob "${name}" can be continued from nowhere`);
    if (!whole.subarray(0, bytes.length).equals(bytes))
      throw new Error(`partial blob "${name}" has ${bytes.length} bytes, not those of the layer`);
  }
}
