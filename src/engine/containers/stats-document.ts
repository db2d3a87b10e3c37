/** A reading as Docker writes it. Pure. */
import type { Earlier, Reading, Sample } from "../../core/stats/stats.ts";
import type { BlkioEntry } from "../../linux/cgroup-usage.ts";
import type { CgroupSample } from "../../linux/cgroup-use.ts";
import type { LinkCounters } from "../../linux/netlink/link-counters.ts";
import { emptyMap } from "../../specs/engine/fields.decode.ts";
import type {
  BlkioDocument,
  BlkioEntries,
  ContainerStats,
  CpuDocument,
  MemoryDocument,
  NetworkDocument,
} from "../../specs/engine/stats.ts";
import { formatTime } from "./timestamp.ts";

export interface Whose {
  readonly id: string;
  readonly name: string;
  /** What a container without a limit can have. */
  readonly hostMemoryBytes: number;
}

/** Of one that does not run it is all zeros. */
export function statsDocument(whose: Whose, { now, before }: Reading): ContainerStats {
  return {
    name: `/${whose.name}`,
    id: whose.id,
    read: formatTime(now?.takenNs ?? 0n),
    preread: formatTime(before?.takenNs ?? 0n),
    pids_stats: now === undefined ? {} : pids(now.use),
    blkio_stats: now === undefined ? NO_BLKIO : blkio(now.use),
    num_procs: 0,
    storage_stats: {},
    cpu_stats: cpu(now),
    precpu_stats: cpu(before),
    memory_stats: now === undefined ? {} : memory(now.use, BigInt(whose.hostMemoryBytes)),
    networks: now === undefined || now.links.size === 0 ? undefined : networks(now.links),
  };
}

/** Counters with all their digits. */
export function encodeContainerStats(document: ContainerStats): string {
  return JSON.stringify(document, (_, value: unknown) =>
    typeof value === "bigint" ? JSON.rawJSON(value.toString()) : value,
  );
}

const NO_LIMIT = (1n << 64n) - 1n;

function pids({ version, pids: { current, limit } }: CgroupSample): ContainerStats["pids_stats"] {
  const shown = limit === 0n && version === 2 ? NO_LIMIT : limit;
  return { current: unlessZero(current), limit: unlessZero(shown) };
}

function unlessZero(value: bigint): bigint | undefined {
  return value === 0n ? undefined : value;
}

const NO_BLKIO: BlkioDocument = {
  io_service_bytes_recursive: null,
  io_serviced_recursive: null,
  io_queue_recursive: null,
  io_service_time_recursive: null,
  io_wait_time_recursive: null,
  io_merged_recursive: null,
  io_time_recursive: null,
  sectors_recursive: null,
};

/** Of cgroup v2 Docker shows bytes alone, with operations in small letters. */
function blkio({ version, blkio: of }: CgroupSample): BlkioDocument {
  if (version === 2) {
    const bytes = entries(of.ioServiceBytesRecursive, (op) => op.toLowerCase());
    return { ...NO_BLKIO, io_service_bytes_recursive: bytes.length === 0 ? null : bytes };
  }
  return {
    io_service_bytes_recursive: entries(of.ioServiceBytesRecursive),
    io_serviced_recursive: entries(of.ioServicedRecursive),
    io_queue_recursive: entries(of.ioQueueRecursive),
    io_service_time_recursive: entries(of.ioServiceTimeRecursive),
    io_wait_time_recursive: entries(of.ioWaitTimeRecursive),
    io_merged_recursive: entries(of.ioMergedRecursive),
    io_time_recursive: entries(of.ioTimeRecursive),
    sectors_recursive: entries(of.sectorsRecursive),
  };
}

function entries(
  list: readonly BlkioEntry[],
  spell: (op: string) => string = (op) => op,
): NonNullable<BlkioEntries> {
  return list.map(({ major, minor, op = "", value }) => ({ major, minor, op: spell(op), value }));
}

function cpu(sample: Earlier | undefined): CpuDocument {
  if (sample === undefined) return NO_CPU;
  const { usage, throttling } = sample.use.cpu;
  return {
    cpu_usage: {
      total_usage: usage.total,
      percpu_usage: usage.percpu,
      usage_in_kernelmode: usage.kernel,
      usage_in_usermode: usage.user,
    },
    system_cpu_usage: sample.system.totalNs,
    online_cpus: sample.system.online,
    throttling_data: {
      periods: throttling.periods,
      throttled_periods: throttling.throttledPeriods,
      throttled_time: throttling.throttledTime,
    },
  };
}

const NO_CPU: CpuDocument = {
  cpu_usage: { total_usage: 0n, usage_in_kernelmode: 0n, usage_in_usermode: 0n },
  throttling_data: { periods: 0n, throttled_periods: 0n, throttled_time: 0n },
};

function memory(use: CgroupSample, hostBytes: bigint): MemoryDocument {
  const { usage, raw } = use.memory;
  const isV1 = use.version === 1;
  const stats = emptyMap<bigint>();
  for (const key of isV1 ? V1_KEYS : V2_KEYS) stats[key] = raw[key] ?? 0n;
  return {
    usage: unlessZero(usage.usage),
    max_usage: isV1 ? unlessZero(usage.max) : undefined,
    stats,
    failcnt: unlessZero(isV1 ? usage.failcnt : use.outOfMemory),
    limit: unlessZero(usage.limit < hostBytes ? usage.limit : hostBytes),
  };
}

/** Those of memory.stat that Docker shows, also where a kernel has them no more. */
const V1_OWN =
  "active_anon active_file cache dirty inactive_anon inactive_file mapped_file pgfault pgmajfault pgpgin pgpgout rss rss_huge unevictable writeback".split(
    " ",
  );
const V1_KEYS: readonly string[] = [
  ...V1_OWN,
  "hierarchical_memory_limit",
  "hierarchical_memsw_limit",
  ...V1_OWN.map((key) => `total_${key}`),
].toSorted();

const V2_KEYS: readonly string[] =
  "active_anon active_file anon anon_thp file file_dirty file_mapped file_writeback inactive_anon inactive_file kernel_stack pgactivate pgdeactivate pgfault pglazyfree pglazyfreed pgmajfault pgrefill pgscan pgsteal shmem slab slab_reclaimable slab_unreclaimable sock thp_collapse_alloc thp_fault_alloc unevictable workingset_activate workingset_nodereclaim workingset_refault".split(
    " ",
  );

function networks(links: Sample["links"]): Readonly<Record<string, NetworkDocument>> {
  const documents = emptyMap<NetworkDocument>();
  for (const [name, counters] of links) documents[name] = network(counters);
  return documents;
}

function network({ received, sent }: LinkCounters): NetworkDocument {
  return {
    rx_bytes: received.bytes,
    rx_packets: received.packets,
    rx_errors: received.errors,
    rx_dropped: received.dropped,
    tx_bytes: sent.bytes,
    tx_packets: sent.packets,
    tx_errors: sent.errors,
    tx_dropped: sent.dropped,
  };
}
