/** What a container's process sees is the same under gantry-runc, runc and crun, but for what `accepted.ts` explains. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeWith } from "../../support/requires.ts";
import { ACCEPTED, type Accepted } from "./accepted.ts";
import { type Configuration, configurations } from "./configurations.ts";
import { compare, type Difference, type Runtime, runtimesHere, type View, Workshop } from "./views.ts";

describeWith("the view from inside", ["root", "busybox", "native", "cgroup1"], () => {
  const [ours, ...others] = runtimesHere();
  const dir = mkdtempSync(join(tmpdir(), "gantry-views-"));
  const used = new Set<Accepted>();
  let workshop: Workshop;

  beforeAll(async () => {
    workshop = await Workshop.open(dir);
  });
  afterAll(() => workshop.close());

  function explanation(from: Runtime, configuration: string, { key }: Difference): Accepted | undefined {
    return ACCEPTED.find(
      (row) =>
        (row.from === "both" || row.from === from.name) &&
        (row.configuration === undefined || row.configuration.test(configuration)) &&
        row.key.test(key),
    );
  }

  /** The others' terminals lose output now and then: a difference counts when it is there three times. */
  async function unexplainedIn(
    view: View,
    other: Runtime,
    configuration: Configuration,
  ): Promise<readonly string[]> {
    let left: readonly string[] = [];
    for (let attempt = 1; attempt <= 3; attempt++) {
      const theirs = await workshop.view(other, configuration).catch((error: unknown) => String(error));
      left = typeof theirs === "string" ? [`${other.name}: ${theirs}`] : [];
      for (const difference of typeof theirs === "string" ? [] : compare(view, theirs)) {
        const row = explanation(other, configuration.name, difference);
        if (row !== undefined) used.add(row);
        else
          left = [
            ...left,
            `${difference.key}: ours "${difference.ours}", ${other.name} "${difference.theirs}"`,
          ];
      }
      if (left.length === 0) break;
    }
    return left;
  }

  const all = configurations(join(dir, "share"), process.pid);

  test("is compared in at least 60 configurations, each with a name of its own", () => {
    expect(all.length).toBeGreaterThanOrEqual(60);
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
  });

  test.each(all.map((configuration) => [configuration.name, configuration] as const))(
    "%s",
    async (_, configuration) => {
      if (ours === undefined) throw new Error("gantry-runc is not built");
      const view: View = await workshop.view(ours, configuration);
      const unexplained: string[] = [];
      for (const other of others) unexplained.push(...(await unexplainedIn(view, other, configuration)));
      expect(unexplained).toEqual([]);
    },
    60_000,
  );

  test("every accepted difference is one", () => {
    const present = new Set(others.map((other) => other.name));
    const idle = ACCEPTED.filter(
      (row) =>
        !used.has(row) &&
        row.isNotAlways !== true &&
        (row.from === "both" ? present.size === 2 : present.has(row.from)),
    );
    expect(idle.map(({ key, reason }) => `${key.source}: ${reason}`)).toEqual([]);
  });
});
