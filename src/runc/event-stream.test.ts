import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FACTS_V2 } from "../linux/testing/facts.ts";
import type { Container } from "./container.ts";
import { statsLine } from "./event-stream.ts";

const directory = mkdtempSync(join(tmpdir(), "gantry-events-"));
afterAll(() => rmSync(directory, { recursive: true }));

const container = (hasRdt: boolean): Container => ({
  id: "c1",
  directory,
  record: {
    ociVersion: "1.2.0",
    bundle: "/b",
    rootfs: "/b/rootfs",
    created: "",
    owner: 0,
    creator: { pid: 1, startTicks: 1n },
    annotations: {},
    cgroupDirs: [join(directory, "cgroup")],
    hasRdt,
    needsStartPlan: false,
    hasPoststop: false,
    config: '{"ociVersion":"1.2.0","linux":{"intelRdt":{"closID":"gold"}}}',
  },
});

test("statsLine() has the class of service of a container that asked for one", async () => {
  const resctrl = join(directory, "resctrl");
  mkdirSync(join(directory, "cgroup"));
  mkdirSync(join(resctrl, "gold"), { recursive: true });
  writeFileSync(join(directory, "cgroup", "cgroup.controllers"), "pids\n");
  writeFileSync(join(directory, "cgroup", "pids.current"), "3\n");
  writeFileSync(join(resctrl, "gold", "schemata"), "    L2:0=f\n");
  const facts = () => ({ ...FACTS_V2, resctrl });
  expect(JSON.parse(await statsLine(container(true), facts))).toMatchObject({
    type: "stats",
    id: "c1",
    data: { pids: { current: 3 }, intel_rdt: { schemata: ["L2:0=f"] } },
  });
  const without = JSON.parse(await statsLine(container(false), facts));
  expect(without.data.pids.current).toBe(3);
  expect(without.data).not.toHaveProperty("intel_rdt");
});
