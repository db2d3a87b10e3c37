import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { IntelRdt } from "../specs/oci-runtime/resources.ts";
import { changeRdtGroup, parseSchemata, type RdtGroup, rdtGroup, readyRdtGroup } from "./intel-rdt.ts";
import { readRdtStats } from "./intel-rdt-stats.ts";

const ROOT = "/sys/fs/resctrl";

describe("rdtGroup()", () => {
  test.each<[IntelRdt, RdtGroup]>([
    [{}, { dir: `${ROOT}/c1`, isOwn: true }],
    [{ closID: "gold" }, { dir: `${ROOT}/gold`, isOwn: false }],
    [{ closID: "/" }, { dir: ROOT, isOwn: false }],
    [{ l3CacheSchema: "L3:0=f" }, { dir: `${ROOT}/c1`, isOwn: true, schemata: "L3:0=f\n" }],
    [
      { l3CacheSchema: "L3:0=f\nMB:0=10", memBwSchema: "MB:0=20", schemata: ["L2:0=1"] },
      { dir: `${ROOT}/c1`, isOwn: true, schemata: "L3:0=f\nMB:0=20\nL2:0=1\n" },
    ],
    [
      { closID: "gold", enableMonitoring: true },
      { dir: `${ROOT}/gold`, isOwn: false, monitorDir: `${ROOT}/gold/mon_groups/c1` },
    ],
  ])("of %j", (rdt, group) => {
    expect(rdtGroup(rdt, "c1", ROOT)).toEqual(group);
  });

  test.each<[IntelRdt, string]>([
    [{ closID: ".." }, "is not a name"],
    [{ closID: "a/b" }, "is not a name"],
    [{ closID: "a\nb" }, "is not a name"],
    [{ closID: "info" }, "is not a name"],
    [{ closID: "/", l3CacheSchema: "L3:0=f" }, "default class"],
    [{ memBwSchema: "L3:0=f" }, 'begins with "MB:"'],
    [{ memBwSchema: "MB:0=1\nL3:0=f" }, 'begins with "MB:"'],
  ])("refuses %j", (rdt, message) => {
    expect(() => rdtGroup(rdt, "c1", ROOT)).toThrow(message);
  });

  test("says that there is no resctrl", () => {
    expect(() => rdtGroup({}, "c1", undefined)).toThrow("there is none");
  });
});

test("parseSchemata() reads what the kernel prints for what was written", () => {
  expect(parseSchemata("    L3:0=007f0;1=1f\n MB:0= 20;1=70\n")).toEqual(
    parseSchemata("L3:1=1F;00=7f0\nMB:1=70;0=20"),
  );
  expect(parseSchemata("L3:0=0").get("L3:0")).toBe("0");
});

describe("in a directory like resctrl", () => {
  let root = "";
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "resctrl-"));
  });
  afterEach(() => {
    rmSync(root, { recursive: true });
  });
  const put = (file: string, text: string): void => {
    mkdirSync(join(root, file, ".."), { recursive: true });
    writeFileSync(join(root, file), text);
  };

  test("readyRdtGroup() wants a shared class as it was asked for", () => {
    put("gold/schemata", "    L3:0=7f0;1=1f\n");
    expect(() =>
      readyRdtGroup(rdtGroup({ closID: "gold", l3CacheSchema: "L3:1=1f" }, "c1", root)),
    ).not.toThrow();
    expect(() => readyRdtGroup(rdtGroup({ closID: "gold", l3CacheSchema: "L3:1=3f" }, "c1", root))).toThrow(
      "has 1f and not 3f for L3:1",
    );
    expect(() => readyRdtGroup(rdtGroup({ closID: "gold" }, "c1", root))).not.toThrow();
    expect(() => readyRdtGroup(rdtGroup({ closID: "silver" }, "c1", root))).toThrow("does not exist");
    expect(() => readyRdtGroup(rdtGroup({}, "c1", root))).not.toThrow();
  });

  test("readyRdtGroup() leaves no class behind that did not take its schemata", () => {
    // No file "schemata" appears in a plain directory.
    put("info/last_cmd_status", "Need to specify cache id\n");
    const group = rdtGroup({ closID: "gold", l3CacheSchema: "L3:1=1f" }, "c1", root);
    expect(() => readyRdtGroup(group)).toThrow("Need to specify cache id");
    expect(existsSync(join(root, "gold"))).toBe(false);
  });

  test("changeRdtGroup() writes both lines, of a class that is there and not everybody's", () => {
    put("c1/schemata", "");
    const own = rdtGroup({}, "c1", root);
    changeRdtGroup(own, { l3CacheSchema: "L3:0=f\nMB:0=9", memBwSchema: "MB:0=20" });
    expect(readFileSync(join(root, "c1/schemata"), "utf8")).toBe("L3:0=f\nMB:0=20\n");
    const change = { l3CacheSchema: "L3:0=f" };
    put("info/last_cmd_status", "Need to specify cache id\n");
    expect(() => changeRdtGroup(rdtGroup({}, "c2", root), change)).toThrow("Need to specify cache id");
    expect(() => changeRdtGroup(rdtGroup({ closID: "/" }, "c1", root), change)).toThrow("default class");
    expect(() => changeRdtGroup(own, { memBwSchema: "L3:0=f" })).toThrow('begins with "MB:"');
    expect(readFileSync(join(root, "c1/schemata"), "utf8")).toBe("L3:0=f\nMB:0=20\n");
  });

  test("readRdtStats() reads both resources and each domain", async () => {
    put("schemata", "    L3:0=fffff\n    MB:0=100\n");
    put("gold/schemata", "    L3:0=f\n    MB:0=20\n");
    put("info/L3/cbm_mask", "fffff\n");
    put("info/L3/min_cbm_bits", "1\n");
    put("info/L3/num_closids", "16\n");
    put("info/MB/min_bandwidth", "10\n");
    put("info/MB/bandwidth_gran", "10\n");
    put("info/L3_MON/mon_features", "llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n");
    put("gold/mon_data/mon_L3_00/llc_occupancy", "4096\n");
    put("gold/mon_data/mon_L3_00/mbm_total_bytes", "7\n");
    put("gold/mon_data/mon_L3_00/mbm_local_bytes", "Unavailable\n");
    expect(readFileSync(join(root, "schemata"), "utf8")).toContain("MB");
    expect(await readRdtStats(root, rdtGroup({ closID: "gold" }, "c1", root))).toEqual({
      schemata: ["L3:0=f", "MB:0=20"],
      l3_cache_info: { cbm_mask: "fffff", min_cbm_bits: 1n, num_closids: 16n },
      l3_cache_schema_root: "L3:0=fffff",
      l3_cache_schema: "L3:0=f",
      mem_bw_info: { bandwidth_gran: 10n, delay_linear: 0n, min_bandwidth: 10n, num_closids: 0n },
      mem_bw_schema_root: "MB:0=100",
      mem_bw_schema: "MB:0=20",
      mbm_stats: [{ mbm_total_bytes: 7n, mbm_local_bytes: 0n }],
      cmt_stats: [{ llc_occupancy: 4096n }],
    });
  });

  test("readRdtStats() leaves out what the hardware lacks", async () => {
    put("gold/schemata", "L2:0=f\n");
    expect(await readRdtStats(root, rdtGroup({ closID: "gold" }, "c1", root))).toEqual({
      schemata: ["L2:0=f"],
    });
  });
});
