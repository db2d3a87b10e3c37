/** What a cgroup may have used, for tests: numbers that all differ. */
import { NO_BLKIO, NO_MEMORY } from "../cgroup-usage.ts";
import type { CgroupSample } from "../cgroup-use.ts";

export function exampleUse(cpuNs: bigint, version: 1 | 2 = 1): CgroupSample {
  return {
    version,
    outOfMemory: version === 2 ? 3n : 0n,
    cpu: {
      usage: {
        total: cpuNs,
        kernel: 11n,
        user: 12n,
        ...(version === 1 ? { percpu: [cpuNs, 0n] } : {}),
      },
      throttling: { periods: 13n, throttledPeriods: 14n, throttledTime: 15n },
    },
    memory: {
      cache: 16n,
      usage: { limit: (1n << 63n) - 4096n, usage: 1_000_000n, max: 1_100_000n, failcnt: 17n },
      swap: NO_MEMORY,
      kernel: NO_MEMORY,
      kernelTCP: NO_MEMORY,
      raw: { inactive_file: 18n, total_inactive_file: 19n, hierarchical_memory_limit: (1n << 63n) - 4096n },
    },
    pids: { current: 2n, limit: 0n },
    blkio: {
      ...NO_BLKIO,
      ioServiceBytesRecursive: [
        { major: 8, minor: 0, op: "Read", value: 4096n },
        { major: 8, minor: 0, op: "Write", value: 8192n },
      ],
    },
  };
}
