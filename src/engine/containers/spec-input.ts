/** What `buildSpec` (spec.ts) turns into an OCI config.json: the user's wishes, merged with the image, plus host facts. */
import type { CgroupDriver } from "../../linux/cgroup-place.ts";
import type { ContainerConfig, HostConfig } from "../../specs/engine/container.ts";
import type { HostFacts } from "../../linux/host-facts.ts";
import type { ResolvedDevices } from "../../linux/device-nodes.ts";
import type { IdMaps } from "./user-namespace.ts";

/** One mount the user asked for, already checked; destinations are absolute and clean. */
export type ResolvedMount =
  | ResolvedBind
  | {
      readonly kind: "tmpfs";
      readonly destination: string;
      /** e.g. ["noexec", "nosuid", "nodev", "size=65536k"]. */
      readonly options: readonly string[];
    };

export interface ResolvedBind {
  readonly kind: "bind";
  /** Absolute host path that exists. */
  readonly source: string;
  readonly destination: string;
  readonly readOnly: boolean;
  /** Read-only also for submounts: Docker's default for read-only binds. */
  readonly recursiveReadOnly: boolean;
  readonly recursive: boolean;
  /** "rprivate" unless asked otherwise. */
  readonly propagation: string;
  readonly isDirectory: boolean;
  /** What of the directory `source` is mounted, file or directory: a path that is not to lead out of it. */
  readonly beneath?: string;
  /** As the container's root does, whatever the source's own mount has it. */
  readonly runsPrograms?: boolean;
}

export interface SpecInput {
  readonly id: string;
  /** "" = leave the host's (host UTS namespace). */
  readonly hostname: string;
  /** Already merged with the image's configuration: entrypoint, command, environment, user, working directory. */
  readonly config: ContainerConfig;
  readonly host: HostConfig;
  readonly mounts: readonly ResolvedMount[];
  /** Host paths bound to /etc/…; undefined = not bound (network none without a file, or the user mounts his own). */
  readonly files: {
    readonly resolvConf: string | undefined;
    readonly hosts: string | undefined;
    readonly hostname: string | undefined;
  };
  /** "path": join a network namespace made elsewhere. */
  readonly network:
    | { readonly kind: "none" }
    | { readonly kind: "host" }
    | { readonly kind: "path"; readonly path: string };
  /** The container's users as the host's; absent = they are the host's. */
  readonly idMaps?: IdMaps | undefined;
  /** Namespaces of other containers, for PidMode, IpcMode and NetworkMode "container:ID". */
  readonly join?: {
    readonly pid?: string;
    /** `mount`: that of the container whose /dev/shm is shared. */
    readonly ipc?: { readonly path: string; readonly mount: string };
    readonly user?: string;
  };
  /** What `resolveDevices` (linux/device-nodes.ts) found for the host configuration; absent = nothing was looked for. */
  readonly devices?: ResolvedDevices;
  /** What the container writes is limited by the project of its files, which it is not to change. */
  readonly isSized?: boolean;
  /** Absent = cgroupfs. */
  readonly cgroupDriver?: CgroupDriver;
  readonly facts: HostFacts;
}
