/** One section of the comparison as a test: a throw-away engine is observed, and must be as it was recorded. */
import { beforeAll, expect, test } from "bun:test";
import { GANTRY } from "../../support/engine.ts";
import { engineSuite } from "../../support/suite.ts";
import type { Requirement } from "../../support/requires.ts";
import { golden } from "./golden.ts";
import { probeArchive } from "./image.ts";
import { observe } from "./observe.ts";
import { HOST_SETUP, IMAGE } from "./world.ts";

export function compareSection(section: string, needs: readonly Requirement[] = []): void {
  engineSuite(`networks, compared with Docker's: ${section}`, { host: HOST_SETUP, needs }, (engine) => {
    beforeAll(async () => {
      const ok = (...args: readonly string[]) => engine().ok(args);
      await ok("load", "-q", "-i", await probeArchive());
      // Forwarding and the resolver's loop begin with the first who need them, and stay.
      await ok("network", "create", "--ipv6", "lan-first");
      await ok("run", "--rm", "--network", "lan-first", IMAGE, "true");
      await ok("network", "rm", "lan-first");
    }, 60_000);

    test("everything is as it was recorded; what Docker does otherwise is in differences.ts", async () => {
      const compared = { cli: [GANTRY, "--host", engine().host], hostPid: engine().hostPid };
      expect(await observe(compared, section)).toEqual([...golden("gantry", section)]);
    }, 120_000);
  });
}
