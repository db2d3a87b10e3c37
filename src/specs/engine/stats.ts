/** GET /containers/{id}/stats of the Engine API 1.51. Counters have 64 bits, so they are bigint; `undefined` is left out, as Docker does. */

export interface ContainerStats {
  readonly name: string;
  readonly id: string;
  readonly read: string;
  /** Go's zero time when there is nothing to compare with; then `precpu_stats` is zero, too. */
  readonly preread: string;
  readonly pids_stats: { readonly current?: bigint | undefined; readonly limit?: bigint | undefined };
  readonly blkio_stats: BlkioDocument;
  /** Of Windows. */
  readonly num_procs: 0;
  readonly storage_stats: Record<string, never>;
  readonly cpu_stats: CpuDocument;
  readonly precpu_stats: CpuDocument;
  readonly memory_stats: MemoryDocument;
  /** By the names of its links; absent for one that has none of its own. */
  readonly networks?: Readonly<Record<string, NetworkDocument>> | undefined;
}

/** null where the kernel does not keep that account (cgroup v2). */
export interface BlkioDocument {
  readonly io_service_bytes_recursive: BlkioEntries;
  readonly io_serviced_recursive: BlkioEntries;
  readonly io_queue_recursive: BlkioEntries;
  readonly io_service_time_recursive: BlkioEntries;
  readonly io_wait_time_recursive: BlkioEntries;
  readonly io_merged_recursive: BlkioEntries;
  readonly io_time_recursive: BlkioEntries;
  readonly sectors_recursive: BlkioEntries;
}

export type BlkioEntries =
  | readonly {
      readonly major: number;
      readonly minor: number;
      readonly op: string;
      readonly value: bigint;
    }[]
  | null;

/** Nanoseconds. */
export interface CpuDocument {
  readonly cpu_usage: {
    readonly total_usage: bigint;
    /** cgroup v1 */
    readonly percpu_usage?: readonly bigint[] | undefined;
    readonly usage_in_kernelmode: bigint;
    readonly usage_in_usermode: bigint;
  };
  readonly system_cpu_usage?: bigint | undefined;
  readonly online_cpus?: number | undefined;
  readonly throttling_data: {
    readonly periods: bigint;
    readonly throttled_periods: bigint;
    readonly throttled_time: bigint;
  };
}

/** Bytes. */
export interface MemoryDocument {
  readonly usage?: bigint | undefined;
  /** cgroup v1 */
  readonly max_usage?: bigint | undefined;
  /** Keys of memory.stat, which the two versions of cgroups name differently. */
  readonly stats?: Readonly<Record<string, bigint>> | undefined;
  readonly failcnt?: bigint | undefined;
  readonly limit?: bigint | undefined;
}

export interface NetworkDocument {
  readonly rx_bytes: bigint;
  readonly rx_packets: bigint;
  readonly rx_errors: bigint;
  readonly rx_dropped: bigint;
  readonly tx_bytes: bigint;
  readonly tx_packets: bigint;
  readonly tx_errors: bigint;
  readonly tx_dropped: bigint;
}
