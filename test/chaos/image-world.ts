/** An engine, a registry beside it, images in that registry and images in an archive: what the verbs of images.ts act on. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { dockerArchive } from "../../src/core/images/testing/archives.ts";
import { Engine } from "../support/engine.ts";
import { busyboxArchive } from "../support/images.ts";
import { TestRegistry } from "../support/registry.ts";
import { baseLayer, type ChaosImage, chaosImage, randomLayer } from "./chaos-image.ts";

export interface RemoteImage {
  readonly name: string;
  readonly image: ChaosImage;
  /** Of its manifest, as the push told it. */
  readonly digest: string;
}

export class ImageWorld implements AsyncDisposable {
  readonly engine: Engine;
  readonly registry: TestRegistry;
  readonly remote: readonly RemoteImage[];
  /** Two images that share a layer. */
  readonly archive: string;
  /** What each name means, wherever it comes from. */
  readonly ids: ReadonlyMap<string, string>;

  private constructor(
    engine: Engine,
    registry: TestRegistry,
    made: Pick<ImageWorld, "remote" | "archive" | "ids">,
  ) {
    this.engine = engine;
    this.registry = registry;
    this.remote = made.remote;
    this.archive = made.archive;
    this.ids = made.ids;
  }

  /** A container named "keeper" runs, and its image is the only one that is there. */
  static async start(driver: string): Promise<ImageWorld> {
    const engine = await Engine.start(["--storage-driver", driver]);
    try {
      const registry = await TestRegistry.start(engine, { kind: "gantry", port: 5000, adminPort: 5001 });
      const base = await baseLayer();
      const shared = randomLayer("shared", 8, 96 << 10);
      const many = [base, shared, randomLayer("many", 60, 8 << 10), randomLayer("large", 2, 1 << 20)];
      const images = {
        pulled: chaosImage([...many, randomLayer("last", 4, 64 << 10)], "pulled"),
        beside: chaosImage([base, shared, randomLayer("beside", 6, 200 << 10)], "beside"),
        loaded: chaosImage(
          [base, randomLayer("loaded", 10, 128 << 10), randomLayer("more", 30, 4 << 10)],
          "loaded",
        ),
        second: chaosImage([base, shared, randomLayer("second", 3, 256 << 10)], "second"),
      };
      const archive = join(engine.dir, "images.tar");
      const remote = await pushed(engine, registry.host, archive, [images.pulled, images.beside]);
      writeFileSync(
        archive,
        dockerArchive([
          { names: ["loaded:latest"], ...images.loaded },
          { names: ["second:latest"], ...images.second },
        ]),
      );
      await engine.ok(["load", "-q", "-i", await busyboxArchive()]);
      await engine.ok(["run", "-d", "--name", "keeper", "--network", "none", "busybox", "sleep", "100000"]);
      const ids = new Map([
        ["loaded:latest", images.loaded.id],
        ["second:latest", images.second.id],
        ...remote.map(({ name, image }) => [name, image.id] as const),
      ]);
      return new ImageWorld(engine, registry, { remote, archive, ids });
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.registry[Symbol.asyncDispose]();
    await this.engine.close();
  }
}

/** Pushes the images and removes them again. */
async function pushed(
  engine: Engine,
  host: string,
  scratch: string,
  images: readonly ChaosImage[],
): Promise<RemoteImage[]> {
  const remote: RemoteImage[] = [];
  for (const [i, image] of images.entries()) {
    const name = `${host}/chaos/image${i}:1`;
    writeFileSync(scratch, dockerArchive([{ names: [name], ...image }]));
    await engine.ok(["load", "-q", "-i", scratch]);
    const said = await engine.ok(["push", name]);
    const digest = /digest: (sha256:[0-9a-f]{64})/.exec(said)?.[1];
    if (digest === undefined) throw new Error(`push of ${name} told no digest:\n${said}`);
    remote.push({ name, image, digest });
    await engine.ok(["rmi", "-f", name]);
  }
  return remote;
}
