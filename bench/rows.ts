/** The rows of the budget table: what is done, by whom, and what it may cost. A command is a shell line; `$CLI` is the client, `$ROUND` the round, `$REG` a registry. */
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
  /** A second row tells what it takes ours without a resident client, each command in a process of its own. */
  readonly isAlsoAlone?: boolean;
  /** Of such a second row. */
  readonly isAlone?: boolean;
  /** Ours has this storage driver; without it the usual one. */
  readonly driver?: string;
  /** Peers that have this row; Docker has all of them but those that are ours alone. */
  readonly podman: boolean;
  /** Another storage driver's turn at something that the peers have done already, and would find done. */
  readonly isOursAlone?: boolean;
  /** Round 0, which warms up, and the others need a registry with `$REG/debian:ROUND` and `$REG/deep:ROUND`. */
  readonly needsRegistry?: boolean;
  /** Loads /tmp/gantry-bench-many-ROUND.tar. */
  readonly needsManyFiles?: boolean;
}

const forty =
  "i=0; while [ $i -lt 40 ]; do $CLI run -d --network none --name b$i busybox sleep 1000 >/dev/null & i=$((i+1)); done; wait";
const removeForty = "$CLI rm -f $(seq -f b%g 0 39) >/dev/null";

const haveDebian =
  "$CLI image inspect debian:$ROUND >/dev/null 2>&1 || $CLI load -q -i /tmp/gantry-bench-debian-$ROUND.tar >/dev/null";

const haveCopied =
  "[ -e /tmp/gantry-bench-copied ] || head -c 100000000 /dev/urandom > /tmp/gantry-bench-copied";

const haveThousand =
  "$CLI container inspect m999 >/dev/null 2>&1 || seq 0 999 | xargs -P 4 -I N $CLI create --name mN busybox true >/dev/null";

const rows: readonly Row[] = [
  {
    name: "run --rm busybox true, network none",
    budgetMs: 15,
    command: "$CLI run --rm --network none busybox true",
    isAlsoAlone: true,
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
    name: "run --rm busybox true, on the bridge",
    budgetMs: 23,
    command: "$CLI run --rm busybox true",
    rounds: 5,
    batch: 10,
    podman: false,
  },
  {
    name: "run --rm busybox true, with a published port",
    budgetMs: 25,
    command: "$CLI run --rm -p 18080:80 busybox true",
    rounds: 5,
    batch: 10,
    podman: false,
  },
  {
    // Two commands: what the engine itself takes is less than half of it.
    name: "network create and rm",
    budgetMs: 10,
    command: "$CLI network create n0 >/dev/null && $CLI network rm n0 >/dev/null",
    rounds: 5,
    batch: 5,
    podman: false,
  },
  {
    name: "network connect of a running container",
    budgetMs: 5,
    before:
      "$CLI network inspect n1 >/dev/null 2>&1 || { $CLI network create n1 && $CLI run -d --name n1c busybox sleep 100000; } >/dev/null",
    command: "$CLI network connect n1 n1c",
    after: "$CLI network disconnect n1 n1c",
    rounds: 7,
    podman: false,
  },
  {
    name: "exec c true",
    budgetMs: 8,
    before:
      "$CLI container inspect c0 >/dev/null 2>&1 || $CLI run -d --name c0 --network none busybox sleep 100000 >/dev/null",
    command: "$CLI exec c0 true",
    isAlsoAlone: true,
    rounds: 5,
    batch: 10,
    podman: true,
  },
  {
    name: "stats --no-stream",
    budgetMs: 150,
    before:
      "$CLI container inspect c0 >/dev/null 2>&1 || $CLI run -d --name c0 --network none busybox sleep 100000 >/dev/null",
    // Whoever has looked a moment ago is answered at once: this is the first look.
    after: "$CLI rm -f c0 >/dev/null",
    command: "$CLI stats --no-stream >/dev/null",
    rounds: 5,
    podman: false,
  },
  {
    name: "ps, empty",
    budgetMs: 8,
    before: "$CLI rm -f c0 n1c >/dev/null 2>&1; $CLI network rm n1 >/dev/null 2>&1; true",
    command: "$CLI ps",
    isAlsoAlone: true,
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
      "$CLI container inspect big >/dev/null 2>&1 || { $CLI run -d --name big --network none -v /tmp/gantry-bench-lines:/lines:ro busybox cat /lines >/dev/null && $CLI wait big >/dev/null; }",
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
    isOursAlone: true,
    budgetMs: 800,
    command: "$CLI load -q -i /tmp/gantry-bench-debian-$ROUND.tar >/dev/null",
    rounds: 3,
    podman: false,
  },
  {
    name: "run --rm busybox true, network none, storage driver erofs",
    driver: "erofs",
    isOursAlone: true,
    budgetMs: 15,
    command: "$CLI run --rm --network none busybox true",
    rounds: 5,
    batch: 10,
    podman: true,
  },
  {
    name: "save of a Debian root (124 MB, one layer)",
    budgetMs: 300,
    before: haveDebian,
    command: "$CLI save -o /tmp/gantry-bench-saved.tar debian:$ROUND",
    after: "rm /tmp/gantry-bench-saved.tar",
    rounds: 3,
    podman: false,
  },
  {
    name: "cp of 100 MB into a container",
    budgetMs: 250,
    before: `${haveCopied}; $CLI rm -f copied >/dev/null 2>&1; $CLI run -d --network none --name copied busybox sleep 1000 >/dev/null`,
    command: "$CLI cp -q /tmp/gantry-bench-copied copied:/tmp/copied",
    after: "$CLI rm -f copied >/dev/null",
    rounds: 3,
    podman: false,
  },
  {
    name: "cp of 100 MB out of a container",
    budgetMs: 250,
    before: `${haveCopied}; $CLI rm -f copied >/dev/null 2>&1; $CLI run -d --network none --name copied busybox sleep 1000 >/dev/null; $CLI cp -q /tmp/gantry-bench-copied copied:/tmp/copied`,
    command: "$CLI cp -q copied:/tmp/copied /tmp/gantry-bench-copied-out",
    after: "$CLI rm -f copied >/dev/null; rm /tmp/gantry-bench-copied-out",
    rounds: 3,
    podman: false,
  },
  {
    name: "push of a Debian root, compressed on the way, local registry",
    budgetMs: 3000,
    needsRegistry: true,
    before: `${haveDebian}; $CLI tag debian:$ROUND $REG/pushed:$ROUND`,
    command: "$CLI push -q $REG/pushed:$ROUND >/dev/null",
    rounds: 3,
    podman: false,
  },
  {
    // As with load, nothing is deleted first.
    name: "pull of a Debian root (124 MB, one layer), local registry",
    budgetMs: 800,
    needsRegistry: true,
    command: "$CLI pull -q $REG/debian:$ROUND >/dev/null",
    rounds: 3,
    podman: false,
  },
  {
    name: "pull of a Debian root, local registry, storage driver erofs",
    driver: "erofs",
    isOursAlone: true,
    budgetMs: 400,
    needsRegistry: true,
    command: "$CLI pull -q $REG/debian:$ROUND >/dev/null",
    rounds: 3,
    podman: false,
  },
  {
    // By another name of the registry, or it would be asked to link what it has.
    name: "push of a Debian root, the gzip layer as it is stored, local registry",
    budgetMs: 800,
    needsRegistry: true,
    before:
      "$CLI pull -q $REG/debian:$ROUND >/dev/null; $CLI tag $REG/debian:$ROUND localhost:${REG##*:}/stored:$ROUND",
    command: "$CLI push -q localhost:${REG##*:}/stored:$ROUND >/dev/null",
    rounds: 3,
    podman: false,
  },
  {
    name: "pull, up to date",
    budgetMs: 20,
    needsRegistry: true,
    before: "$CLI pull -q $REG/debian:0 >/dev/null",
    command: "$CLI pull -q $REG/debian:0 >/dev/null",
    rounds: 3,
    batch: 10,
    podman: false,
  },
  {
    name: "pull of an image of 64 layers, local registry",
    budgetMs: 600,
    needsRegistry: true,
    command: "$CLI pull -q $REG/deep:$ROUND >/dev/null",
    rounds: 3,
    podman: false,
  },
  {
    name: "load of a layer of 100,000 files",
    budgetMs: 4000,
    needsManyFiles: true,
    command: "$CLI load -q -i /tmp/gantry-bench-many-$ROUND.tar >/dev/null",
    rounds: 2,
    podman: false,
  },
  {
    name: "ps -a of 1,000 containers",
    budgetMs: 40,
    before: haveThousand,
    command: "$CLI ps -a >/dev/null",
    rounds: 5,
    batch: 5,
    podman: false,
  },
  {
    name: "inspect of one of 1,000 containers",
    budgetMs: 40,
    before: haveThousand,
    command: "$CLI container inspect m500 >/dev/null",
    rounds: 5,
    batch: 5,
    podman: false,
  },
];

export const ROWS: readonly Row[] = rows.flatMap((row) =>
  row.isAlsoAlone === true
    ? [row, { ...row, name: `${row.name}, no resident client`, isAlone: true, isOursAlone: true }]
    : [row],
);
