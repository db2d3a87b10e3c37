import { describe, expect, test } from "bun:test";
import { FACTS_V1 } from "../linux/testing/facts.ts";
import type { Spec } from "../specs/oci-runtime/spec.ts";
import { placeCgroup, rdtGroupOf, recordedSpec } from "./cgroup-driver.ts";
import type { ContainerRecord } from "./record.ts";

const spec = (cgroupsPath: string): Spec => ({ ociVersion: "1.2.0", linux: { cgroupsPath } });

describe("placeCgroup()", () => {
  test("says where systemd puts a unit, and which it is", () => {
    expect(placeCgroup(spec("a-b.slice:p:n"), "c1", true)).toEqual({
      spec: spec("/a.slice/a-b.slice/p-n.scope"),
      scope: { unit: "p-n.scope", slice: "a-b.slice" },
    });
  });

  test("leaves everything to cgroupfs where systemd is not asked", () => {
    expect(placeCgroup(spec("/x"), "c1", false)).toStrictEqual({ spec: spec("/x") });
  });
});

test("recordedSpec() is placed by who made the cgroup, whatever a later call says", () => {
  const record: ContainerRecord = {
    ociVersion: "1.2.0",
    bundle: "/b",
    rootfs: "/b/rootfs",
    created: "",
    owner: 0,
    creator: { pid: 1, startTicks: 1n },
    annotations: {},
    cgroupDirs: [],
    scope: "gantry-c1.scope",
    hasRdt: false,
    needsStartPlan: false,
    hasPoststop: false,
    config: '{"ociVersion":"1.2.0","linux":{}}',
  };
  const { scope: _scope, ...own } = record;
  const of = (each: ContainerRecord) => recordedSpec({ id: "c1", directory: "/r/c1", record: each }).linux;
  expect(of(record)).toMatchObject({ cgroupsPath: "/system.slice/gantry-c1.scope" });
  expect(of(own)?.cgroupsPath).toBeUndefined();
});

test("rdtGroupOf() is there for who asked for one", () => {
  const facts = { ...FACTS_V1, resctrl: "/r" };
  expect(rdtGroupOf(spec("/x"), "c1", facts)).toBeUndefined();
  expect(rdtGroupOf({ ociVersion: "1.2.0", linux: { intelRdt: {} } }, "c1", facts)).toEqual({
    dir: "/r/c1",
    isOwn: true,
  });
});
