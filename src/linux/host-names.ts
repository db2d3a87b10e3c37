/** How this host calls itself: for `info`. Read anew each time, as all of it can change. */
import { readdirSync, readFileSync } from "node:fs";
import { hostname } from "node:os";

export interface HostNames {
  readonly hostname: string;
  /** PRETTY_NAME and VERSION_ID of os-release. */
  readonly operatingSystem: string;
  readonly osVersion: string;
  readonly ipv4Forwarding: boolean;
}

export function readHostNames(): HostNames {
  const release = readOr("/etc/os-release") || readOr("/usr/lib/os-release");
  const field = (name: string): string =>
    new RegExp(`^${name}=(?:"([^"]*)"|'([^']*)'|(\\S*))$`, "m").exec(release)?.slice(1).find(Boolean) ?? "";
  return {
    hostname: hostname(),
    operatingSystem: field("PRETTY_NAME") || "Linux",
    osVersion: field("VERSION_ID"),
    ipv4Forwarding: readOr("/proc/sys/net/ipv4/ip_forward").trim() === "1",
  };
}

/** Open descriptors of this process. */
export function countDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

/** At most 64 KiB; "" when there is no such file. */
function readOr(path: string): string {
  try {
    return readFileSync(path, "utf8").slice(0, 65_536);
  } catch {
    return "";
  }
}
