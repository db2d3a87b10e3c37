import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NO_LOG } from "../../base/log.ts";
import { openMetadata } from "../metadata/sqlite-metadata.ts";
import { openLocalDriver } from "./local-driver.ts";
import { FakeVolumeHost } from "./testing/fake-volume-host.ts";
import { openVolumes } from "./volume-set.ts";
import { type VolumesLab, volumesSuite } from "./volumes.suite.ts";
import type { VolumeUser, Volumes } from "./volumes.ts";

async function openLab(): Promise<VolumesLab> {
  const directory = mkdtempSync(join(tmpdir(), "gantry-volumes-"));
  const root = join(directory, "volumes");
  const metadata = openMetadata({ path: join(directory, "meta.db"), onDamaged: () => {} });
  const host = new FakeVolumeHost();
  const open = async (recorded: () => readonly VolumeUser[]): Promise<Volumes> => {
    const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
    const driver = openLocalDriver({ root, host, owner, log: NO_LOG });
    const volumes = openVolumes({ metadata, driver, recorded, log: NO_LOG, nowNs: () => 7n });
    await volumes.reconcile();
    return volumes;
  };
  const lab: VolumesLab = {
    host,
    root,
    users: [],
    volumes: await open(() => lab.users),
    transaction: (work) => metadata.transaction("durable", work),
    reopen: async () => {
      lab.volumes = await open(() => lab.users);
    },
    [Symbol.asyncDispose]: async () => {
      await lab.volumes.settled();
      metadata.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  return lab;
}

volumesSuite("volumes in directories", openLab);
