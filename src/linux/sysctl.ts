/** Which sysctls belong to a namespace: only those may be set for a container, all others are the host's. */
import { fail } from "../base/errors.ts";
import type { NamespaceType } from "../specs/oci-runtime/spec.ts";

/** ipc_namespaces(7) */
const OF_IPC: ReadonlySet<string> = new Set(
  ["msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced"].map(
    (name) => `kernel/${name}`,
  ),
);

type Owner = "ipc" | "network" | "uts" | "user";

const NOT_ALLOWED = {
  ipc: "is not allowed in the hosts ipc namespace",
  network: "not allowed in host network namespace",
  uts: "is not allowed in the hosts uts namespace",
  user: "is not allowed in the hosts user namespace",
} as const;

/**
 * The key as a path below /proc/sys. Throws `invalid_argument` when it is not the setting of a namespace that the
 * container does not share with the host, worded as runc does.
 */
export function checkSysctl(key: string, value: string, notHost: ReadonlySet<NamespaceType>): string {
  const path = sysctlPath(key);
  const namespace = sysctlNamespace(path);
  if (path === "kernel/hostname" && notHost.has("uts"))
    throw fail(
      "invalid_argument",
      `sysctl "${key}" is not allowed as it conflicts with the OCI "hostname" field`,
    );
  if (namespace === undefined)
    throw fail("invalid_argument", `sysctl "${key}" is not in a separate kernel namespace`);
  if (!notHost.has(namespace)) throw fail("invalid_argument", `sysctl "${key}" ${NOT_ALLOWED[namespace]}`);
  if (/[\0\n]/.test(value))
    throw fail("invalid_argument", `sysctl "${key}" has a value of more than one line`);
  return path;
}

/** The namespace that a setting belongs to; `path` separated by slashes. */
export function sysctlNamespace(path: string): Owner | undefined {
  if (OF_IPC.has(path) || path.startsWith("fs/mqueue/")) return "ipc";
  if (path.startsWith("net/")) return "network";
  if (path === "kernel/domainname") return "uts";
  if (path.startsWith("user/")) return "user";
  return undefined;
}

/**
 * Both separators are accepted. Whichever comes first separates; then the other one is part of a name, as in
 * "net/ipv4/conf/eth0.1/forwarding" = "net.ipv4.conf.eth0/1.forwarding" (sysctl.d(5)).
 */
export function sysctlPath(key: string): string {
  const first = /[./]/.exec(key)?.[0];
  const path = first === "." ? key.replace(/[./]/g, (sign) => (sign === "." ? "/" : ".")) : key;
  const parts = path.split("/");
  const isClean =
    parts.every((part) => part !== "" && part !== "." && part !== "..") && /^[!-~]+$/.test(path);
  if (!isClean || parts.length < 2 || path.length > 512)
    throw fail("invalid_argument", `invalid sysctl ${JSON.stringify(key.slice(0, 300))}`);
  return path;
}
