/** The networks of a host are one engine's: another one is refused before it touches anything. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { messageOf } from "../../../src/base/errors.ts";
import { Engine, GANTRY } from "../../support/engine.ts";
import { failureOf } from "../../support/failure.ts";
import { busyboxArchive } from "../../support/images.ts";
import { describeWith } from "../../support/requires.ts";
import { type Finished, must, run } from "../../support/run.ts";

describeWith("two engines on one host", ["root", "busybox", "nft"], () => {
  test("the second one is refused, and the first one's networks and rules stay", async () => {
    const engine = await Engine.start();
    const other = mkdtempSync("/dev/shm/gt-second-");
    try {
      await engine.ok(["load", "-q", "-i", await busyboxArchive()]);
      await engine.ok(["network", "create", "front"]);
      await engine.ok(["run", "-d", "--network", "front", "-p", "18000:80", "busybox", "sleep", "1000"]);
      const look = async (): Promise<string> =>
        must(await engine.inHost(["sh", "-c", "ip -br link; nft list table inet gantry"]));
      const before = await look();
      const second = async (): Promise<Finished> =>
        run(
          await engine.inHost([
            GANTRY,
            "daemon",
            "--host",
            `unix://${other}/sock`,
            "--data-root",
            join(other, "data"),
            "--exec-root",
            join(other, "run"),
          ]),
          { timeoutMs: 5000 },
        );
      const beside = await second();
      expect([beside.code, beside.stderr]).toEqual([1, expect.stringContaining(`(process ${engine.pid})`)]);
      expect(beside.stderr).toContain(join(engine.dir, "data"));
      expect(await look()).toBe(before);

      await engine.kill9();
      const after = await second();
      expect([after.code, after.stderr]).toEqual([
        1,
        expect.stringContaining("go on in this host's networks"),
      ]);
      expect(await look()).toBe(before);

      await engine.launch();
      await engine.ok(["rm", "-f", ...(await engine.ok(["ps", "-aq"])).split("\n")]);
      await engine.shutdown();
      // Nobody's any more: it starts, and runs until the deadline.
      expect(messageOf(await failureOf(second()))).toContain("the engine is ready");
      await engine.launch();
      expect(await engine.ok(["network", "ls", "--format", "{{.Name}}"])).toContain("front");
    } finally {
      await engine.close();
      rmSync(other, { recursive: true, force: true });
    }
  }, 60_000);
});
