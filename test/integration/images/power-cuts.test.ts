/** A little of `npm run chaos -- powercut`, which is the whole campaign. */
import { test } from "bun:test";
import { cutPowerWhileImagesChange } from "../../chaos/power-cut/campaign.ts";
import { seeded } from "../../support/random.ts";
import { describeWith } from "../../support/requires.ts";

const PLACES = [
  { driver: "overlay2", fileSystem: "ext4", needs: [] },
  { driver: "overlay2", fileSystem: "btrfs", needs: ["btrfs"] },
] as const;

for (const { driver, fileSystem, needs } of PLACES)
  describeWith(
    `power cuts while images change, ${driver} on ${fileSystem}`,
    ["root", "busybox", "recorded disk", ...needs],
    () => {
      test("leave all that a client was told, and nothing damaged", async () => {
        const random = seeded(`power cuts, ${driver} on ${fileSystem}`);
        const tell = (line: string): void => console.log(line);
        await cutPowerWhileImagesChange({ driver, fileSystem, points: 10, random, tell });
      }, 300_000);
    },
  );
