/** What this host's kernel offers, read once at start (`readHostFacts`). Pure decisions take it as an argument. */
export interface HostFacts {
  readonly cgroup: CgroupFacts;
  readonly cpuCount: number;
  readonly memoryBytes: number;
  readonly kernelRelease: string;
  /** Highest capability number the kernel knows (/proc/sys/kernel/cap_last_cap). */
  readonly lastCapability: number;
  readonly architecture: "x86_64" | "aarch64" | "riscv64";
  readonly seccomp: boolean;
  readonly apparmor: boolean;
  /** /sys/devices/system/cpu/cpuN/thermal_throttle directories that exist, to be masked. */
  readonly thermalThrottlePaths: readonly string[];
}

export type CgroupFacts =
  | {
      readonly version: 1;
      /** Controller → its hierarchy's mount point, and this process's own cgroup there. */
      readonly controllers: ReadonlyMap<string, { readonly mountPoint: string; readonly own: string }>;
    }
  | {
      readonly version: 2;
      readonly mountPoint: string;
      readonly own: string;
      readonly controllers: ReadonlySet<string>;
    };
