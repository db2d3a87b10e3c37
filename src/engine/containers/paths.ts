/** Where the daemon keeps a container's own files: DATA_ROOT/containers/ID/, mode 0710. */
import { join } from "node:path";

export interface ContainerPaths {
  readonly directory: string;
  /** Of the driver json-file. */
  readonly log: string;
  /** Of all others that keep one. */
  readonly localLog: string;
  /** How far that one has been sent away. */
  readonly forwarded: string;
  readonly hosts: string;
  readonly hostname: string;
  readonly resolvConf: string;
}

export function containerPaths(containersDir: string, id: string): ContainerPaths {
  const directory = join(containersDir, id);
  return {
    directory,
    log: join(directory, `${id}-json.log`),
    localLog: join(directory, "local-logs", "container.log"),
    forwarded: join(directory, "forwarded"),
    hosts: join(directory, "hosts"),
    hostname: join(directory, "hostname"),
    resolvConf: join(directory, "resolv.conf"),
  };
}
