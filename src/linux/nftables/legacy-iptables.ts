/** iptables-legacy, the older kernel interface with the same name: nftables sees nothing of it. */
import { readFile } from "node:fs/promises";
import { errnoOf } from "../../base/errors.ts";

/** Tables that have been used since boot; the kernel makes the file with the first of them. */
async function tablesIn(path: string): Promise<readonly string[]> {
  try {
    return (await readFile(path, "utf8")).split("\n");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}

/** Whether it has filters in this process's network namespace. */
export async function hasLegacyFilters(): Promise<boolean> {
  const tables = await Promise.all(["/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"].map(tablesIn));
  return tables.flat().includes("filter");
}
