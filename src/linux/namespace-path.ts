import { statSync } from "node:fs";

/** Of this process's network namespace; no other one has it at the same time. */
export function ownNetworkNamespace(): number {
  return statSync("/proc/self/ns/net").ino;
}

/** A process's network namespace as a path that can be joined or shown. */
export function networkNamespaceOf(pid: number): string {
  return `/proc/${pid}/ns/net`;
}

/** A process's process namespace, likewise. */
export function pidNamespaceOf(pid: number): string {
  return `/proc/${pid}/ns/pid`;
}

/** A process's IPC namespace, likewise. */
export function ipcNamespaceOf(pid: number): string {
  return `/proc/${pid}/ns/ipc`;
}

/** A process's mount namespace, likewise. */
export function mountNamespaceOf(pid: number): string {
  return `/proc/${pid}/ns/mnt`;
}

/** A process's user namespace, likewise. */
export function userNamespaceOf(pid: number): string {
  return `/proc/${pid}/ns/user`;
}
