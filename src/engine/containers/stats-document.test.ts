import { expect, test } from "bun:test";
import type { Sample } from "../../core/stats/stats.ts";
import { exampleUse } from "../../linux/testing/example-use.ts";
import { encodeContainerStats, statsDocument } from "./stats-document.ts";

const WHOSE = { id: "ab12", name: "web", hostMemoryBytes: 8 * 1024 ** 3 };
const TRAFFIC = { bytes: 1n, packets: 2n, errors: 3n, dropped: 4n };

function sample(version: 1 | 2, cpuNs: bigint, more: Partial<Sample> = {}): Sample {
  return {
    takenNs: 1_700_000_000_123_000_000n,
    use: exampleUse(cpuNs, version),
    system: { totalNs: 5_000_000_000n, online: 2 },
    links: new Map(),
    ...more,
  };
}

test("a container that does not run has used nothing, in Docker's own words", () => {
  const document = statsDocument(WHOSE, { now: undefined, before: undefined });
  expect(encodeContainerStats(document)).toBe(
    '{"name":"/web","id":"ab12","read":"0001-01-01T00:00:00Z","preread":"0001-01-01T00:00:00Z","pids_stats":{},' +
      '"blkio_stats":{"io_service_bytes_recursive":null,"io_serviced_recursive":null,"io_queue_recursive":null,' +
      '"io_service_time_recursive":null,"io_wait_time_recursive":null,"io_merged_recursive":null,"io_time_recursive":null,' +
      '"sectors_recursive":null},"num_procs":0,"storage_stats":{},"cpu_stats":{"cpu_usage":{"total_usage":0,' +
      '"usage_in_kernelmode":0,"usage_in_usermode":0},"throttling_data":{"periods":0,"throttled_periods":0,' +
      '"throttled_time":0}},"precpu_stats":{"cpu_usage":{"total_usage":0,"usage_in_kernelmode":0,"usage_in_usermode":0},' +
      '"throttling_data":{"periods":0,"throttled_periods":0,"throttled_time":0}},"memory_stats":{}}',
  );
});

test("of cgroup v1: what processors, memory and devices count, without a limit that is none", () => {
  const links = new Map([["eth0", { received: TRAFFIC, sent: { ...TRAFFIC, bytes: 9n } }]]);
  const before = sample(1, 100n, { takenNs: 1_700_000_000_000_000_000n });
  const document = statsDocument(WHOSE, { now: sample(1, 2n ** 60n, { links }), before });
  expect(document).toMatchObject({
    read: "2023-11-14T22:13:20.123Z",
    preread: "2023-11-14T22:13:20Z",
    pids_stats: { current: 2n, limit: undefined },
    cpu_stats: {
      cpu_usage: { total_usage: 2n ** 60n, percpu_usage: [2n ** 60n, 0n], usage_in_kernelmode: 11n },
      system_cpu_usage: 5_000_000_000n,
      online_cpus: 2,
      throttling_data: { periods: 13n, throttled_periods: 14n, throttled_time: 15n },
    },
    precpu_stats: { cpu_usage: { total_usage: 100n } },
    memory_stats: { usage: 1_000_000n, max_usage: 1_100_000n, failcnt: 17n, limit: 8n << 30n },
    blkio_stats: {
      io_service_bytes_recursive: [
        { major: 8, minor: 0, op: "Read", value: 4096n },
        { major: 8, minor: 0, op: "Write", value: 8192n },
      ],
      io_queue_recursive: [],
    },
    networks: { eth0: { rx_bytes: 1n, rx_dropped: 4n, tx_bytes: 9n, tx_packets: 2n } },
  });
  const { stats = {} } = document.memory_stats;
  expect(Object.keys(stats)).toHaveLength(32);
  expect(stats).toMatchObject({ total_inactive_file: 19n, hierarchical_memsw_limit: 0n, total_rss: 0n });
  expect(encodeContainerStats(document)).toContain('"hierarchical_memory_limit":9223372036854771712,');
});

test("of cgroup v2: its own keys, operations in small letters, and no limit of processes", () => {
  const document = statsDocument(WHOSE, { now: sample(2, 5n), before: undefined });
  expect(document).toMatchObject({
    preread: "0001-01-01T00:00:00Z",
    pids_stats: { current: 2n, limit: 2n ** 64n - 1n },
    memory_stats: { max_usage: undefined, failcnt: 3n },
    precpu_stats: { cpu_usage: { total_usage: 0n } },
    networks: undefined,
  });
  expect(document.blkio_stats.io_service_bytes_recursive?.map(({ op }) => op)).toEqual(["read", "write"]);
  expect(document.blkio_stats.io_serviced_recursive).toBeNull();
  expect(Object.keys(document.memory_stats.stats ?? {})).toHaveLength(31);
  expect(document.cpu_stats.cpu_usage.percpu_usage).toBeUndefined();
});

test("a limit of its own is shown, one beyond the host's memory is not", () => {
  const limited = (limit: bigint): unknown => {
    const use = exampleUse(0n);
    const memory = { ...use.memory, usage: { ...use.memory.usage, limit } };
    const now = sample(1, 0n, { use: { ...use, memory } });
    return statsDocument(WHOSE, { now, before: undefined }).memory_stats.limit;
  };
  expect([limited(64n << 20n), limited(64n << 40n)]).toEqual([64n << 20n, 8n << 30n]);
});
