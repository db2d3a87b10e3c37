/** A tenth of what `npm run chaos -- soak` does. */
import { test } from "bun:test";
import { soak } from "../../chaos/soak.ts";
import { describeWith } from "../../support/requires.ts";

describeWith("a thousand containers and two thousand processes", ["root", "busybox"], () => {
  test("leave nothing behind, in the kernel or in the daemon", async () => {
    await soak({ runs: 1_000, execs: 2_000, tell: (line) => console.log(line) });
  }, 300_000);
});
