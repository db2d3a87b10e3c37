import { statSync } from "node:fs";
import { errnoOf } from "../base/errors.ts";
import type { Namespace, NamespaceType, Spec } from "../specs/oci-runtime/spec.ts";

const PROC_NAMES: Readonly<Record<NamespaceType, string>> = {
  pid: "pid",
  network: "net",
  mount: "mnt",
  ipc: "ipc",
  uts: "uts",
  user: "user",
  cgroup: "cgroup",
  time: "time",
};

/**
 * Notes for each namespace with a path whether it is the one that this process is in: "/proc/1/ns/net" is the host's
 * network by another name, and its settings are not the container's. A missing path is left for init to complain about.
 */
export function markHostNamespaces(spec: Spec): Spec {
  const { linux } = spec;
  if (linux?.namespaces === undefined) return spec;
  return { ...spec, linux: { ...linux, namespaces: linux.namespaces.map(mark) } };
}

function mark({ type, path }: Namespace): Namespace {
  if (path === undefined || path === "") return { type };
  return { type, path, gantryHost: isSameFile(path, `/proc/self/ns/${PROC_NAMES[type]}`) };
}

function isSameFile(a: string, b: string): boolean {
  try {
    const [first, second] = [statSync(a, { bigint: true }), statSync(b, { bigint: true })];
    return first.dev === second.dev && first.ino === second.ino;
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return false;
    throw error;
  }
}
