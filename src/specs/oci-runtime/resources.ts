/**
 * `linux.resources` and `linux.intelRdt` of config.json: what the container's processes may use. Zero means "not asked for"
 * wherever it would not make sense as a limit, as in runc. runtime-spec config-linux.md, "Control groups" and below.
 */
export interface LinuxResources {
  readonly devices?: readonly LinuxDeviceRule[];
  readonly memory?: MemoryResources;
  readonly cpu?: CpuResources;
  readonly pids?: { readonly limit: bigint };
  readonly blockIO?: BlockIoResources;
  readonly hugepageLimits?: readonly HugepageLimit[];
  readonly network?: NetworkResources;
  /** By the device's name. */
  readonly rdma?: Readonly<Record<string, RdmaLimit>>;
  /** File of the unified hierarchy → its value; several lines are several writes. */
  readonly unified?: Readonly<Record<string, string>>;
}

export interface LinuxDeviceRule {
  readonly allow: boolean;
  readonly type?: "a" | "c" | "b";
  /** Absent = any. */
  readonly major?: number;
  readonly minor?: number;
  readonly access?: string;
}

/** Bytes; -1 = unlimited. */
export interface MemoryResources {
  readonly limit?: bigint;
  readonly reservation?: bigint;
  /** Of memory and swap together. */
  readonly swap?: bigint;
  /** These three set nothing: kernels since 5.11 have neither the limits nor the choice. runc ignores them, too. */
  readonly kernel?: bigint;
  readonly kernelTCP?: bigint;
  readonly useHierarchy?: boolean;
  /** 0 to 100 */
  readonly swappiness?: number;
  readonly disableOOMKiller?: boolean;
  /** Refuse a limit below what is in use now, where the kernel would rather kill (v2). */
  readonly checkBeforeUpdate?: boolean;
}

/** Times in microseconds. */
export interface CpuResources {
  readonly shares?: number;
  readonly quota?: bigint;
  readonly burst?: number;
  readonly period?: number;
  readonly realtimeRuntime?: bigint;
  readonly realtimePeriod?: number;
  readonly cpus?: string;
  readonly mems?: string;
  /** 1: the scheduler's idle class. */
  readonly idle?: number;
}

export interface BlockIoResources {
  /** 10 to 1000 */
  readonly weight?: number;
  readonly leafWeight?: number;
  readonly weightDevice?: readonly BlockIoWeight[];
  readonly throttleReadBpsDevice?: readonly BlockIoThrottle[];
  readonly throttleWriteBpsDevice?: readonly BlockIoThrottle[];
  readonly throttleReadIOPSDevice?: readonly BlockIoThrottle[];
  readonly throttleWriteIOPSDevice?: readonly BlockIoThrottle[];
}

export interface BlockIoWeight {
  readonly major: number;
  readonly minor: number;
  readonly weight?: number;
  readonly leafWeight?: number;
}

export interface BlockIoThrottle {
  readonly major: number;
  readonly minor: number;
  /** Bytes or operations a second; 0 takes the limit away. */
  readonly rate: bigint;
}

export interface HugepageLimit {
  /** "2MB", as in the control file's name. */
  readonly pageSize: string;
  readonly limit: bigint;
}

export interface NetworkResources {
  readonly classID?: number;
  readonly priorities?: readonly { readonly name: string; readonly priority: number }[];
}

export interface RdmaLimit {
  readonly hcaHandles?: number;
  readonly hcaObjects?: number;
}

/** Cache and memory bandwidth, by the resctrl file system (Documentation/filesystems/resctrl.rst). */
export interface IntelRdt {
  /** A class of service that may be shared; absent = one of the container's own. */
  readonly closID?: string;
  readonly l3CacheSchema?: string;
  readonly memBwSchema?: string;
  readonly schemata?: readonly string[];
  readonly enableMonitoring?: boolean;
}
