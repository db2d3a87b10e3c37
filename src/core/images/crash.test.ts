import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { seeded } from "../../../test/support/random.ts";
import { hexOf, sha256Of } from "../../specs/oci-image/digest.ts";
import { configOf } from "./testing/archives.ts";
import { crashImages } from "./testing/crash-images.ts";
import { newRoot, openStore, type TestStore } from "./testing/store.ts";

const KILLS = 15;
/** From "ready" on; a round of the child takes about this long. */
const LATEST_KILL_MS = 120;

/** Starts the loader, kills it after `delayMs` and waits until it is gone. */
async function killLoader(root: string, delayMs: number): Promise<void> {
  const script = join(import.meta.dirname, "testing/load-until-killed.ts");
  const child = spawn(process.execPath, [script, root], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  await once(child.stdout, "data");
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  child.kill("SIGKILL");
  expect(await exited).toEqual([null, "SIGKILL"]);
}

/** Images are whole, and beside them there is nothing. */
async function checkWhole(store: TestStore): Promise<number> {
  expect(store.images.damaged()).toEqual([]);
  const images = store.images.list();
  const known = new Map(crashImages().map((image) => [sha256Of(configOf(image.layers)), image]));
  const expected = new Set<string>();
  for (const image of images) {
    const original = known.get(image.id);
    if (original === undefined) throw new Error(`image ${image.id} was never loaded`);
    expected.add(`content/blobs/sha256/${hexOf(image.id)}`);
    for (const { blob, chainId } of image.layers) {
      expected.add(`content/blobs/sha256/${hexOf(blob)}`).add(`snapshots/layers/${hexOf(chainId)}`);
      for await (const _ of store.content.open(blob, { verify: true })) continue;
      const { UpperDir } = store.snapshots.describe(chainId);
      expect(existsSync(UpperDir ?? "")).toBe(true);
    }
    const sizes = image.layers.map(
      ({ chainId }) => store.snapshots.layers().find((l) => l.chainId === chainId)?.usage,
    );
    expect(sizes.map((usage) => usage?.inodes)).toEqual(original.layers.map(() => 2));
  }
  await store.snapshots.settled();
  expect(store.files()).toEqual([...expected].toSorted());
  return images.length;
}

test("a load that is killed at any moment leaves whole images or none, and no garbage", async () => {
  const random = seeded("kills while loading");
  const root = newRoot();
  const found: number[] = [];
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      await killLoader(root, random() * LATEST_KILL_MS);
      const store = await openStore(root);
      found.push(await checkWhole(store));
      await store.close();
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
  console.log(`images found after each kill: ${found.join(" ")}`);
  expect(found.length).toBe(KILLS);
}, 60_000);
