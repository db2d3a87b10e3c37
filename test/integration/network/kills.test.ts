/** A little of `npm run chaos -- networks`, which is the whole campaign. */
import { test } from "bun:test";
import { killWhileNetworksChange } from "../../chaos/networks.ts";
import { seeded } from "../../support/random.ts";
import { describeWith } from "../../support/requires.ts";

describeWith("kill -9 while networks change", ["root", "busybox", "native"], () => {
  test("leaves networks as the store says, and nothing of what was not finished", async () => {
    const tell = (line: string): void => console.log(line);
    await killWhileNetworksChange({ kills: 15, random: seeded("kills, networks"), tell });
  }, 300_000);
});
