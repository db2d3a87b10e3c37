/** The rows of the budget table: what is done, by whom, and what it may cost. A command is a shell line; `$CLI` is the client, `$ROUND` the round. */
export interface Row {
  readonly name: string;
  readonly budgetMs: number;
  /** Run before each measured run, not measured. */
  readonly before?: string;
  readonly command: string;
  /** Run after each measured run, not measured. */
  readonly after?: string;
  /** Contestants take turns round by round. */
  readonly rounds: number;
  /** Runs of the command in one round, one right after the other; without it one. */
  readonly batch?: number;
  /** Ours has this storage driver; without it the usual one. */
  readonly driver?: string;
  /** Peers that have this row; Docker has all of them. */
  readonly podman: boolean;
}

const forty =
  "i=0; while [ $i -lt 40 ]; do $CLI run -d --network none --name b$i busybox sleep 1000 >/dev/null & i=$((i+1)); done; wait";
const removeForty = "$CLI rm -f $(seq -f b%g 0 39) >/dev/null";

export const ROWS: readonly Row[] = [
  {
    name: "run --rm busybox true, network none",
    budgetMs: 15,
    command: "$CLI run --rm --network none busybox true",
    rounds: 5,
    batch: 10,
    podman: true,
  },
  {
    name: "run --rm busybox true, network host",
    budgetMs: 13,
    command: "$CLI run --rm --network host busybox true",
    rounds: 5,
    batch: 10,
    podman: true,
  },
  {
    name: "exec c true",
    budgetMs: 8,
    before:
      "$CLI inspect c0 >/dev/null 2>&1 || $CLI run -d --name c0 --network none busybox sleep 100000 >/dev/null",
    command: "$CLI exec c0 true",
    rounds: 5,
    batch: 10,
    podman: true,
  },
  {
    name: "ps, empty",
    budgetMs: 8,
    before: "$CLI rm -f c0 >/dev/null 2>&1; true",
    command: "$CLI ps",
    rounds: 5,
    batch: 10,
    podman: true,
  },
  {
    name: "40 × run -d at once",
    budgetMs: 600,
    command: forty,
    after: removeForty,
    rounds: 3,
    podman: false,
  },
  {
    name: "rm -f of 40 running",
    budgetMs: 300,
    before: forty,
    command: removeForty,
    rounds: 3,
    podman: false,
  },
  {
    name: "300 MB to stdout, json-file, detached",
    budgetMs: 600,
    command:
      "$CLI run -d --name big --network none -v /tmp/gantry-bench-lines:/lines:ro busybox cat /lines >/dev/null && $CLI wait big >/dev/null",
    after: "$CLI rm -f big >/dev/null",
    rounds: 3,
    podman: false,
  },
  {
    name: "logs of those 300 MB",
    budgetMs: 1000,
    before:
      "$CLI inspect big >/dev/null 2>&1 || { $CLI run -d --name big --network none -v /tmp/gantry-bench-lines:/lines:ro busybox cat /lines >/dev/null && $CLI wait big >/dev/null; }",
    command: "$CLI logs big >/dev/null",
    rounds: 3,
    podman: false,
  },
  {
    // Each run loads an image that was not there before. Deleting the last one first would measure something else: ext4 is
    // slow to reuse inodes that were freed a moment ago.
    name: "load of a Debian root (124 MB, one layer)",
    budgetMs: 800,
    before: "$CLI rm -f big >/dev/null 2>&1; true",
    command: "$CLI load -q -i /tmp/gantry-bench-debian-$ROUND.tar >/dev/null",
    rounds: 3,
    podman: false,
  },
  {
    name: "load of a Debian root (124 MB, one layer), storage driver erofs",
    driver: "erofs",
    budgetMs: 400,
    command: "$CLI load -q -i /tmp/gantry-bench-debian-$ROUND.tar >/dev/null",
    rounds: 3,
    podman: false,
  },
  {
    name: "run --rm busybox true, network none, storage driver erofs",
    driver: "erofs",
    budgetMs: 15,
    command: "$CLI run --rm --network none busybox true",
    rounds: 5,
    batch: 10,
    podman: true,
  },
];
