/** What must hold of an engine's images at any moment after a start, however its last daemon ended. Throws what does not. */
import { createHash } from "node:crypto";
import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../support/engine.ts";
import { expectNoLeaks, type Inventory, ownInventory } from "../support/leak-check.ts";
import { IDLE_CONNECTIONS } from "../support/suite.ts";
import { VERIFY } from "./chaos-image.ts";
import type { ImageWorld, RemoteImage } from "./image-world.ts";

/** `before` is what was there at rest. */
export async function expectWholeImages(world: ImageWorld, before: Inventory): Promise<void> {
  const { engine } = world;
  await expectNoLeaks(engine, before, IDLE_CONNECTIONS, ownInventory);
  await expectNoProblems(engine);
  await expectSoundBlobs(join(engine.dir, "data"));
  await expectContinuable(world);
  for (const { name, id } of await listed(engine)) {
    const answer = await engine.api("GET", `/images/${id}/json`);
    if (answer.status !== 200) throw new Error(`image ${name} cannot be inspected: ${answer.body}`);
    const expected = world.ids.get(name);
    if (expected !== undefined && expected !== id) throw new Error(`${name} is ${id} instead of ${expected}`);
  }
  const state = await engine.ok(["inspect", "-f", "{{.State.Status}}", "keeper"]);
  if (state !== "running") throw new Error(`the container that nobody touched is ${state}`);
}

/** As listed, with a name; the base image is nobody's concern. */
export async function listed(
  engine: Engine,
): Promise<readonly { readonly name: string; readonly id: string }[]> {
  const lines = await engine.ok([
    "images",
    "-a",
    "--no-trunc",
    "--format",
    "{{.Repository}}:{{.Tag}} {{.ID}}",
  ]);
  return lines
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("busybox:"))
    .map((line) => {
      const [name = "", id = ""] = line.split(" ");
      return { name, id };
    });
}

/** A container of the image finds every file as it was packed. */
export async function expectItRuns(engine: Engine, image: string): Promise<void> {
  const done = await engine.gantry(["run", "--rm", "--network", "none", image, ...VERIFY]);
  if (done.code !== 0) throw new Error(`a container of ${image} ended with ${done.code}: ${done.stderr}`);
}

export async function expectNoProblems(engine: Engine): Promise<void> {
  const { status, body } = await engine.api("POST", "/v1.51/system/check?deep=1");
  const last = body.trim().split("\n").at(-1) ?? "";
  if (status !== 200 || JSON.parse(last).summary?.problems !== 0)
    throw new Error(`system check found problems:\n${body}`);
}

/** Not by the engine's own means. */
export async function expectSoundBlobs(dataRoot: string): Promise<void> {
  const folder = join(dataRoot, "content", "blobs", "sha256");
  for (const name of readdirSync(folder)) {
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(join(folder, name))) hash.update(chunk);
    const found = hash.digest("hex");
    if (found !== name) throw new Error(`blob ${name} has the digest ${found}`);
  }
}

/** Every partial blob is the beginning of a layer that the registry has. */
async function expectContinuable({ engine, remote }: ImageWorld): Promise<void> {
  const layers = new Map(
    remote.flatMap(({ image }) => image.layers.map(({ digest, blob }) => [digest, blob] as const)),
  );
  const folder = join(engine.dir, "data", "content", "partial");
  for (const name of readdirSync(folder)) {
    const bytes = readFileSync(join(folder, name));
    const whole = layers.get(name);
    if (whole === undefined) throw new Error(`partial blob "${name}" can be continued from nowhere`);
    if (!whole.subarray(0, bytes.length).equals(bytes))
      throw new Error(`partial blob "${name}" has ${bytes.length} bytes, not those of the layer`);
  }
}

/** Bytes that a pull would have to get from the registry, judged by what lies on the disk. */
export function missingBytes(engine: Engine, { image }: RemoteImage): number {
  const content = join(engine.dir, "data", "content");
  let missing = 0;
  for (const { digest, blob } of image.layers) {
    if (existsSync(join(content, "blobs", "sha256", digest.slice("sha256:".length)))) continue;
    const partial = join(content, "partial", digest);
    missing += blob.length - (existsSync(partial) ? statSync(partial).size : 0);
  }
  return missing;
}
