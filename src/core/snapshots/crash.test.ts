import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { builtNative } from "../../../test/support/native.ts";
import { seeded } from "../../../test/support/random.ts";
import { describeWith, type Requirement } from "../../../test/support/requires.ts";
import type { Snapshotter } from "./snapshotter.ts";
import { directoriesOf } from "./testing/directory-files.ts";
import { mountedFiles } from "./testing/mounted-files.ts";
import { openDriver } from "./testing/open-driver.ts";

const ROUNDS = 8;
const WORKER = join(import.meta.dirname, "testing", "churn-until-killed.ts");

const DRIVERS: readonly { readonly name: string; readonly needs: readonly Requirement[] }[] = [
  { name: "overlay2", needs: [] },
  { name: "vfs", needs: [] },
  { name: "erofs", needs: ["erofs"] },
];

async function killAfter(driver: string, root: string, delayMs: number): Promise<void> {
  const worker = spawn(process.execPath, [WORKER, driver, root], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(worker, "exit");
  await once(worker.stdout, "data");
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  worker.kill("SIGKILL");
  await ended;
}

/** Every layer that is there is whole, and so is what stands on it. */
async function expectWhole(snapshots: Snapshotter): Promise<void> {
  for (const { chainId, usage } of snapshots.layers())
    expect([chainId, usage.sizeBytes]).toEqual([chainId, 200_000]);
  const ids = snapshots.layers().map(({ chainId }) => chainId);
  for (const { parent } of snapshots.layers())
    expect(parent === undefined || ids.includes(parent)).toBe(true);
  const top = snapshots.layers().length;
  for (const { id } of snapshots.active()) {
    const mount = snapshots.mount(id);
    expect(directoriesOf(mount).length).toBeGreaterThan(0);
    for (let i = 0; i < Math.min(top, 3); i++)
      expect(mountedFiles.read(mount, `file${i}`)).toBe(`${i}`.repeat(200_000));
  }
}

for (const { name, needs } of DRIVERS)
  describeWith(`kill -9 in the middle of it, with ${name}`, ["root", "native", ...needs], () => {
    test("leaves layers and roots that are whole or gone, and nothing else", async () => {
      const root = mkdtempSync(join(tmpdir(), "crash-"));
      const random = seeded(`crash of ${name}`);
      try {
        for (let round = 0; round < ROUNDS; round++) {
          await killAfter(name, root, random() * 250);
          const snapshots = await openDriver(name, root, builtNative());
          await expectWhole(snapshots);
          for (const { id } of snapshots.active()) await snapshots.remove(id);
          await snapshots.settled();
          for (const folder of ["staging", "trash", "active"])
            expect([folder, ...readdirSync(join(root, folder))]).toEqual([folder]);
        }
      } finally {
        rmSync(root, { recursive: true, force: true });
      }
    }, 120_000);
  });
