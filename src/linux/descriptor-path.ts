/** Names for things that are reached through an open descriptor of this process. */

/**
 * A file inside an opened directory. Short whatever the directory's own path is: a unix socket's address holds 107
 * bytes (unix(7)).
 */
export function pathBelowDescriptor(fd: number, name: string): string {
  return `/proc/self/fd/${fd}/${name}`;
}

/** The open file itself, by a name that a child of this process can execute although the descriptor closes on exec. */
export function pathOfDescriptor(fd: number): string {
  return `/proc/${process.pid}/fd/${fd}`;
}
