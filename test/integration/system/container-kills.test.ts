/** A little of `npm run chaos -- containers`, which is the whole campaign. */
import { test } from "bun:test";
import { killWhileContainersChange } from "../../chaos/containers.ts";
import { seeded } from "../../support/random.ts";
import { describeWith } from "../../support/requires.ts";

describeWith("kill -9 while containers change", ["root", "busybox", "native"], () => {
  test("leaves each of them whole or not there, and nobody else notices", async () => {
    await killWhileContainersChange({
      verbs: [],
      kills: 150,
      writers: 4,
      measures: 1,
      countEvery: 25,
      longStops: 0,
      random: seeded("kills, containers"),
      tell: (line) => console.log(line),
    });
  }, 600_000);
});
