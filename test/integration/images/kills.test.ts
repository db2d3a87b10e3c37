/** A little of `npm run chaos -- images`, which is the whole campaign. */
import { test } from "bun:test";
import { killWhileImagesChange } from "../../chaos/images.ts";
import { seeded } from "../../support/random.ts";
import { describeWith, type Requirement } from "../../support/requires.ts";

const DRIVERS: readonly { readonly driver: string; readonly needs: readonly Requirement[] }[] = [
  { driver: "overlay2", needs: [] },
  { driver: "erofs", needs: ["erofs"] },
];

for (const { driver, needs } of DRIVERS)
  describeWith(`kill -9 while images change, ${driver}`, ["root", "busybox", ...needs], () => {
    test("leaves whole images, nothing half-made, and pulls that go on where they were", async () => {
      const tell = (line: string): void => console.log(line);
      await killWhileImagesChange({ driver, kills: 14, random: seeded(`kills, ${driver}`), tell });
    }, 300_000);
  });
