/** The resolv.conf that containers' are made from. */
import { existsSync, readFileSync } from "node:fs";
import { errnoOf } from "../base/errors.ts";
import type { HostResolver } from "../core/network/resolv-conf.ts";

const RESOLV_CONF = "/etc/resolv.conf";
/** Where systemd-resolved writes the servers that it asks itself; its own is on the loopback of the host. */
const RESOLVED_CONF = "/run/systemd/resolve/resolv.conf";
const RESOLVED_STUB = /^\s*nameserver\s+127\.0\.0\.53\s*$/m;
const MAX_RESOLV_BYTES = 65_536;

/** `path`: the file that counts instead; "" = none. One that is not there says nothing. */
export function hostResolver(path: string): HostResolver {
  if (path !== "") return readResolver(path);
  const own = readResolver(RESOLV_CONF);
  return RESOLVED_STUB.test(own.text) && existsSync(RESOLVED_CONF) ? readResolver(RESOLVED_CONF) : own;
}

function readResolver(path: string): HostResolver {
  try {
    return { path, text: readFileSync(path, "utf8").slice(0, MAX_RESOLV_BYTES) };
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return { path, text: "" };
    throw error;
  }
}
