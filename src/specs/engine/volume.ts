/** Documents of volumes. */

export interface VolumeCreateRequest {
  readonly Name: string;
  readonly Driver: string;
  readonly DriverOpts: Readonly<Record<string, string>> | null;
  readonly Labels: Readonly<Record<string, string>> | null;
  /** A volume of a cluster is asked for. */
  readonly isOfCluster: boolean;
}

export interface VolumeDocument {
  readonly CreatedAt: string;
  readonly Driver: string;
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly Mountpoint: string;
  readonly Name: string;
  readonly Options: Readonly<Record<string, string>> | null;
  readonly Scope: "local";
  readonly UsageData?: { readonly RefCount: number; readonly Size: number };
}

export interface VolumePruneReport {
  readonly VolumesDeleted: readonly string[];
  readonly SpaceReclaimed: number;
}
