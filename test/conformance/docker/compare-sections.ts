/** Every section as a test: its commands are run by one client on a throw-away engine, and must be answered as is recorded. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Requirement } from "../../support/requires.ts";
import { engineSuite } from "../../support/suite.ts";
import { SLOWNESS } from "../../support/until.ts";
import { expected, type Ours } from "./golden.ts";
import { imageArchive } from "./image.ts";
import { SECTIONS } from "./sections.ts";
import { World } from "./world.ts";

/** Limits and namespaces were recorded on cgroup v1. */
const RECORDED_ON: Requirement = "cgroup1";

export function compareSections(
  title: string,
  {
    ours,
    client,
    needs,
  }: { readonly ours: Ours; readonly client: () => string; readonly needs: readonly Requirement[] },
): void {
  engineSuite(title, { needs: [RECORDED_ON, ...needs] }, (engine) => {
    let world: World | undefined;

    beforeAll(async () => {
      await engine().ok(["load", "-q", "-i", await imageArchive()]);
      // What the first network of users makes stays.
      await engine().ok(["network", "create", "cf-first"]);
      await engine().ok(["run", "--rm", "--network", "cf-first", "busybox", "true"]);
      await engine().ok(["network", "rm", "cf-first"]);
      world = await World.make({ client: client(), host: engine().host });
    }, 60_000 * SLOWNESS);

    afterAll(() => world?.[Symbol.dispose]());

    test.each(Object.keys(SECTIONS))(
      "%s",
      async (section) => {
        expect(await world?.observe(section)).toEqual([...expected(ours, section)]);
      },
      120_000 * SLOWNESS,
    );
  });
}
