/** Statistics of resctrl groups, with the field names of runc's events. Documentation/filesystems/resctrl.rst */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../base/errors.ts";
import { parseCounter, readControlFile } from "./cgroup-file.ts";
import type { RdtGroup } from "./intel-rdt.ts";

export interface RdtStats {
  readonly l3_cache_info?: {
    readonly cbm_mask: string;
    readonly min_cbm_bits: bigint;
    readonly num_closids: bigint;
  };
  readonly l3_cache_schema_root?: string;
  readonly l3_cache_schema?: string;
  readonly mem_bw_info?: {
    readonly bandwidth_gran: bigint;
    readonly delay_linear: bigint;
    readonly min_bandwidth: bigint;
    readonly num_closids: bigint;
  };
  readonly mem_bw_schema_root?: string;
  readonly mem_bw_schema?: string;
  readonly schemata: readonly string[];
  readonly mbm_stats?: readonly { readonly mbm_total_bytes: bigint; readonly mbm_local_bytes: bigint }[];
  readonly cmt_stats?: readonly { readonly llc_occupancy: bigint }[];
}

/** `root`: where resctrl is mounted. Without a group for monitoring, the counters are those of all that share its class. */
export async function readRdtStats(root: string, { dir, monitorDir }: RdtGroup): Promise<RdtStats> {
  const [ofRoot, own, features] = await Promise.all([
    linesIn(root, "schemata"),
    linesIn(dir, "schemata"),
    linesIn(join(root, "info/L3_MON"), "mon_features"),
  ]);
  const domains = await monitoredDomains(join(monitorDir ?? dir, "mon_data"));
  return {
    schemata: own,
    ...(await cache(root, ofRoot, own)),
    ...(await bandwidth(root, ofRoot, own)),
    ...(features.some((feature) => feature.startsWith("mbm_"))
      ? {
          mbm_stats: await Promise.all(
            domains.map(async (domain) => ({
              mbm_total_bytes: await counter(domain, "mbm_total_bytes"),
              mbm_local_bytes: await counter(domain, "mbm_local_bytes"),
            })),
          ),
        }
      : {}),
    ...(features.includes("llc_occupancy")
      ? {
          cmt_stats: await Promise.all(
            domains.map(async (domain) => ({ llc_occupancy: await counter(domain, "llc_occupancy") })),
          ),
        }
      : {}),
  };
}

async function cache(
  root: string,
  ofRoot: readonly string[],
  own: readonly string[],
): Promise<Partial<RdtStats>> {
  const info = join(root, "info/L3");
  const [mask] = await linesIn(info, "cbm_mask");
  if (mask === undefined) return {};
  return {
    l3_cache_info: {
      cbm_mask: mask,
      min_cbm_bits: await counter(info, "min_cbm_bits"),
      num_closids: await counter(info, "num_closids"),
    },
    l3_cache_schema_root: schemaOf(ofRoot, "L3"),
    l3_cache_schema: schemaOf(own, "L3"),
  };
}

async function bandwidth(
  root: string,
  ofRoot: readonly string[],
  own: readonly string[],
): Promise<Partial<RdtStats>> {
  const info = join(root, "info/MB");
  if ((await readControlFile([info], "min_bandwidth")) === undefined) return {};
  return {
    mem_bw_info: {
      bandwidth_gran: await counter(info, "bandwidth_gran"),
      delay_linear: await counter(info, "delay_linear"),
      min_bandwidth: await counter(info, "min_bandwidth"),
      num_closids: await counter(info, "num_closids"),
    },
    mem_bw_schema_root: schemaOf(ofRoot, "MB"),
    mem_bw_schema: schemaOf(own, "MB"),
  };
}

function schemaOf(lines: readonly string[], resource: string): string {
  return lines.find((line) => line.startsWith(`${resource}:`)) ?? "";
}

async function linesIn(dir: string, file: string): Promise<string[]> {
  const text = (await readControlFile([dir], file)) ?? "";
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
}

/** "Unavailable" while the hardware counts nothing counts as nothing. */
async function counter(dir: string, file: string): Promise<bigint> {
  return parseCounter(await readControlFile([dir], file)) ?? 0n;
}

async function monitoredDomains(dir: string): Promise<string[]> {
  try {
    const names = await readdir(dir);
    return names
      .filter((name) => name.startsWith("mon_L3_"))
      .sort()
      .map((name) => join(dir, name));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}
