/** gantry-runc and classes of service, where the hardware has none: what asks for one is refused before anything is made. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { describeWith } from "../../support/requires.ts";
import { Runtime } from "../../support/runtime.ts";

const hasResctrl = readFileSync("/proc/self/mountinfo", "utf8").includes(" - resctrl ");

describeWith("gantry-runc and intelRdt", ["root", "busybox", "native"], () => {
  const runtime = new Runtime();
  beforeAll(() => runtime.open());
  // Also after a failure.
  afterEach(() => runtime.ok("delete", "--force", "b"));
  afterAll(() => runtime.close());

  test.skipIf(hasResctrl)("a class of service without resctrl is refused, nothing is left", async () => {
    const bundle = runtime.bundle({ args: ["true"], linux: { intelRdt: { l3CacheSchema: "L3:0=f" } } });
    const { code, stderr } = await runtime.call(["run", "-b", bundle, "a"]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("linux.intelRdt needs a mounted resctrl")]);
    expect(runtime.remains()).toEqual([]);
  });

  test("update gives no class of service to a container without one, and changes nothing else then", async () => {
    const bundle = runtime.bundle({ args: ["sleep", "1000"], linux: { resources: { pids: { limit: 20 } } } });
    expect(await runtime.start("run", "-d", "-b", bundle, "b")).toBe(0);
    const { code, stderr } = await runtime.call([
      "update",
      "--pids-limit",
      "30",
      "--l3-cache-schema",
      "L3:0=f",
      "b",
    ]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("has no linux.intelRdt")]);
    expect(JSON.parse(await runtime.ok("events", "--stats", "b"))).toMatchObject({
      data: { pids: { limit: 20 } },
    });
    await runtime.ok("delete", "-f", "b");
    expect(runtime.remains()).toEqual([]);
  });
});
