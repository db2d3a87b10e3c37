/**
 * What is known of one container, in three parts that never mix: what the user asked for, what the image gave at the
 * time, and how it runs now. The first is written again by a rename and by an update, the second never, the third at every
 * transition.
 */
import type { ContainerConfig, ContainerStatus, HostConfig } from "../../specs/engine/container.ts";
import type { Health } from "./health.ts";
import type { MountRequest } from "./mount-request.ts";

export interface ContainerRecord {
  readonly id: string;
  /** Without Docker's leading slash. */
  readonly name: string;
  /** Unix nanoseconds. */
  readonly createdNs: bigint;
  /** "sha256:…". */
  readonly imageId: string;
  /** Chain id of the image's topmost layer; undefined = an image without layers. */
  readonly layer: string | undefined;
  readonly config: ContainerConfig;
  readonly host: HostConfig;
  readonly imageConfig: ContainerConfig | null;
  /** All mounts, with the names of volumes; undefined = what the request alone asks for. */
  readonly mounts?: readonly MountRequest[];
  /** What its own files may take (`Snapshotter.sizeOf`); undefined = as much as there is room for. */
  readonly sizeBytes?: number;
  /** Until it has taken the place of another (`recreate.ts`). */
  readonly replaces?: Replaced | undefined;
}

export interface Replaced {
  readonly id: string;
  /** What the new one is called once it has taken its place. */
  readonly name: string;
  readonly wasRunning: boolean;
}

export interface RuntimeState {
  readonly status: ContainerStatus;
  /** 0 = no process. */
  readonly pid: number;
  readonly exitCode: number;
  /** Why the last start failed, or "". */
  readonly error: string;
  readonly oomKilled: boolean;
  /** Unix nanoseconds, 0 = never. */
  readonly startedNs: bigint;
  readonly finishedNs: bigint;
  /** Starts by the restart policy since the last start by a user. */
  readonly restartCount: number;
  /** The user stopped it: `unless-stopped` leaves it alone until a user starts it again. */
  readonly stoppedByUser: boolean;
  /** No user paused it: a commit did, or is about to, and will let it go on — or the next start of the daemon will. */
  readonly pausedToCommit: boolean;
  /** Null without a health check, and before the first start. */
  readonly health: Health | null;
  /** While it is being removed: its anonymous volumes go with it. */
  readonly removesVolumes: boolean;
  /** Its cgroup may have other limits than it was asked for with. */
  readonly limitsChanging: boolean;
}

export const CREATED: RuntimeState = {
  status: "created",
  pid: 0,
  exitCode: 0,
  error: "",
  oomKilled: false,
  startedNs: 0n,
  finishedNs: 0n,
  restartCount: 0,
  stoppedByUser: false,
  pausedToCommit: false,
  health: null,
  removesVolumes: false,
  limitsChanging: false,
};
