import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readyCgroupParents } from "./cgroup-parents.ts";
import { cgroupDirs } from "./cgroup-paths.ts";
import { readHostFacts } from "./host-facts.ts";

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.log("skipped: readyCgroupParents() on the real kernel: needs root");

describe.skipIf(!isRoot)("readyCgroupParents()", () => {
  const { cgroup } = isRoot ? readHostFacts() : { cgroup: undefined };
  const top = `/gantry-test-${process.pid}`;
  const path = `${top}/inner/task`;

  test("makes parents in which a child can be used at once, again and again", () => {
    if (cgroup === undefined) return;
    const probe =
      cgroup.version === 2
        ? cgroupDirs(cgroup, path)[0]?.dir
        : cgroupDirs(cgroup, path).find(({ controllers }) => controllers.includes("cpuset"))?.dir;
    if (probe === undefined) return console.log("skipped: this host has no cpuset controller");
    try {
      readyCgroupParents(cgroup, path);
      readyCgroupParents(cgroup, path);
      mkdirSync(probe);
      if (cgroup.version === 1) {
        for (const file of ["cpuset.cpus", "cpuset.mems"])
          expect(readFileSync(join(probe, file), "utf8").trim()).toMatch(/^[\d,-]+$/);
      } else expect(readFileSync(join(probe, "cgroup.controllers"), "utf8")).toContain("memory");
    } finally {
      for (const dir of [probe, join(probe, ".."), join(probe, "../..")]) if (existsSync(dir)) rmdirSync(dir);
    }
  });

  test("refuses a path that leaves the hierarchy", () => {
    if (cgroup === undefined) return;
    expect(() => readyCgroupParents(cgroup, "/../x/task")).toThrow("invalid cgroup path");
  });
});

/** Where version 2 is mounted: alone, or beside version 1. */
const UNIFIED = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find((dir) =>
  existsSync(join(dir, "cgroup.threads")),
);
if (!isRoot || UNIFIED === undefined)
  console.log("skipped: readyCgroupParents() of threaded cgroups: needs root and cgroup v2");

test.skipIf(!isRoot || UNIFIED === undefined)("readyCgroupParents() passes a threaded cgroup by", () => {
  const mountPoint = UNIFIED ?? "";
  const top = `/gantry-threaded-${process.pid}`;
  const controllers = new Set(
    readFileSync(join(mountPoint, "cgroup.controllers"), "utf8").split(/\s+/).filter(Boolean),
  );
  const inner = join(mountPoint, top, "inner");
  const ofRoot = join(mountPoint, "cgroup.subtree_control");
  const before = readFileSync(ofRoot, "utf8").split(/\s+/);
  mkdirSync(inner, { recursive: true });
  try {
    // Only controllers of threads may be passed down here.
    writeFileSync(join(inner, "cgroup.type"), "threaded");
    readyCgroupParents({ version: 2, mountPoint, own: "/", controllers }, `${top}/inner/task`);
    expect(readFileSync(join(inner, "cgroup.subtree_control"), "utf8")).not.toContain("hugetlb");
  } finally {
    rmdirSync(inner);
    rmdirSync(join(mountPoint, top));
    // The host's own root is left as it was.
    for (const controller of readFileSync(ofRoot, "utf8").split(/\s+/).filter(Boolean))
      if (!before.includes(controller)) writeFileSync(ofRoot, `-${controller}`);
  }
});
