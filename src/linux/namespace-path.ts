/** A process's network namespace as a path that can be joined or shown. */
export function networkNamespaceOf(pid: number): string {
  return `/proc/${pid}/ns/net`;
}

/** A process's process namespace, likewise. */
export function pidNamespaceOf(pid: number): string {
  return `/proc/${pid}/ns/pid`;
}

/** A process's user namespace, likewise. */
export function userNamespaceOf(pid: number): string {
  return `/proc/${pid}/ns/user`;
}
