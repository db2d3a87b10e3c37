/** What can be done with an engine's images after a kill: to list them, to run them, to go on with pulls. Throws what cannot. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../support/engine.ts";
import { VERIFY } from "./chaos-image.ts";
import type { ImageWorld, RemoteImage } from "./image-world.ts";

/** Manifests and configurations are asked for again, layers are not. */
const DOCUMENT_BYTES = 64 << 10;

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

export interface Missing {
  readonly image: RemoteImage;
  readonly bytes: number;
}

/** Pulls again; answers how many bytes were not fetched a second time. */
export async function expectResumed(world: ImageWorld, missing: readonly Missing[]): Promise<number> {
  const { engine, registry } = world;
  let spared = 0;
  for (const { image, bytes } of missing) {
    const { name, digest } = image;
    // Layers that an earlier one has brought are there now.
    const needed = Math.min(bytes, missingBytes(engine, image));
    const start = await registry.sentBytes();
    await engine.ok(["pull", "-q", name]);
    const sent = (await registry.sentBytes()) - start;
    if (sent > bytes + DOCUMENT_BYTES)
      throw new Error(`${name}: ${bytes} bytes were missing, and ${sent} were fetched`);
    if (sent < needed)
      throw new Error(`${name}: ${needed} bytes were missing, and only ${sent} were fetched`);
    const digests = await engine.ok(["inspect", "-f", "{{json .RepoDigests}}", name]);
    if (!digests.includes(digest)) throw new Error(`${name}: the digest is ${digests} instead of ${digest}`);
    await expectItRuns(engine, name);
    const whole = image.image.layers.reduce((sum, { blob }) => sum + blob.length, 0);
    if (bytes > 0) spared += whole - bytes;
  }
  return spared;
}
