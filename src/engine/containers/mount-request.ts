/** A mount that a container has, as it was asked for: what inspect shows, and what is to be done at a start. */
import type { MountPoint } from "../../specs/engine/container.ts";

export interface MountRequest {
  /** As inspect and list show it; tmpfs mounts of `--tmpfs` are not shown there. */
  readonly point: MountPoint | undefined;
  readonly mount: BindRequest | ImageRequest | TmpfsRequest | VolumeRequest;
}

export interface BindRequest {
  readonly kind: "bind";
  readonly source: string;
  readonly destination: string;
  readonly readOnly: boolean;
  readonly recursiveReadOnly: boolean;
  readonly recursive: boolean;
  readonly propagation: string;
  /** `-v` makes a missing source directory; `--mount` refuses. */
  readonly createSource: boolean;
}

/** Always read-only. */
export interface ImageRequest {
  readonly kind: "image";
  /** As it was asked for. */
  readonly name: string;
  readonly destination: string;
  /** What of it is mounted, a relative path; "" = all. */
  readonly subpath: string;
  /** "sha256:…"; "" until its container is created. */
  readonly image: string;
  /** chainID of its topmost layer; "" = it has none. */
  readonly layer: string;
  /** The container's own, on these layers; "" until it is created. */
  readonly snapshot: string;
}

export interface TmpfsRequest {
  readonly kind: "tmpfs";
  readonly destination: string;
  readonly options: readonly string[];
}

export interface VolumeRequest {
  readonly kind: "volume";
  /** "" = it gets one when the container is created. */
  readonly name: string;
  /** It is the container's own: it can go with it. */
  readonly isAnonymous: boolean;
  readonly destination: string;
  readonly readOnly: boolean;
  /** What the image has at the destination is not copied into it. */
  readonly noCopy: boolean;
  /** What of it is mounted, a relative path; "" = all. */
  readonly subpath: string;
  /** For a volume that is made: */
  readonly driver: string;
  readonly labels: Readonly<Record<string, string>> | null;
  readonly options: Readonly<Record<string, string>> | null;
}
