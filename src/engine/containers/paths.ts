/** Where the daemon keeps a container's own files: DATA_ROOT/containers/ID/, mode 0710. */
import { join } from "node:path";

export interface ContainerPaths {
  readonly directory: string;
  readonly log: string;
  readonly hosts: string;
  readonly hostname: string;
  readonly resolvConf: string;
}

export function containerPaths(containersDir: string, id: string): ContainerPaths {
  const directory = join(containersDir, id);
  return {
    directory,
    log: join(directory, `${id}-json.log`),
    hosts: join(directory, "hosts"),
    hostname: join(directory, "hostname"),
    resolvConf: join(directory, "resolv.conf"),
  };
}
