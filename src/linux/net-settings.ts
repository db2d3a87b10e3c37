/** The kernel's settings of this process's network namespace, below /proc/sys/net; written by `Native.writeNetSettings`. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { errnoOf } from "../base/errors.ts";

const ROOT = "/proc/sys/net";

/** "ipv4/ip_forward"; "" where this kernel has no such setting. */
export function readNetSetting(name: string): string {
  try {
    return readFileSync(`${ROOT}/${name}`, "utf8").trim();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return "";
    throw error;
  }
}

/** Links that have settings of IPv6 of their own: none on a host without it. */
export function ipv6Links(): readonly string[] {
  try {
    return readdirSync(`${ROOT}/ipv6/conf`).filter((link) => link !== "all" && link !== "default");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}

export function hasIpv6(): boolean {
  return existsSync("/proc/net/if_inet6");
}

/** Whether packets from one port of a bridge to another pass the firewall: the module br_netfilter. */
export function filtersBridges(): boolean {
  return existsSync(`${ROOT}/bridge`);
}
