/**
 * npm run bench:runtime [-- --peer "PREFIX"]
 *
 * The runtime alone: gantry-runc by itself and with a resident compiler, crun and runc on one bundle (static busybox, the
 * default config.json of `spec`), A B C D A B C D, so that a busy machine slows all. crun and runc are this host's, or with `--peer` (a command prefix, as in
 * run.ts) those of another. Writes bench/RUNTIME.md.
 *
 * Everything runs in a mount namespace without the unified hierarchy beside version 1's: crun refuses such hosts. On this
 * host it is one for all, made at the start: a resident compiler works for its own alone.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "../test/support/engine.ts";

interface Contestant {
  readonly name: string;
  readonly program: string;
  readonly prefix: readonly string[];
  /** Of a resident compiler; "" = none. */
  readonly socket: string;
}

interface Row {
  readonly name: string;
  readonly budgetMs: number | undefined;
  /** Shell lines; $RT is the runtime with its --root, $B the bundle, $ID the container. */
  readonly before?: string;
  readonly command: string;
  readonly after?: string;
  readonly batch: number;
}

const WORK = "/tmp/gantry-bench-runtime";
const TIMER = `${WORK}/timer`;
const ROUNDS = 8;
/** Until its just-in-time compiler has seen enough. */
const RESIDENT_WARM_UP = 200;
const ALONE = "umount /sys/fs/cgroup/unified 2>/dev/null; exec";

const CREATE = "$RT create --bundle $B/sleep $ID </dev/null >/dev/null 2>&1";
const REMOVE = "$RT delete --force $ID";
const ROWS: readonly Row[] = [
  { name: "run (busybox true)", budgetMs: undefined, command: "$RT run --bundle $B/true $ID", batch: 5 },
  {
    name: "create",
    budgetMs: undefined,
    command: "$RT create --bundle $B/sleep $ID",
    after: REMOVE,
    batch: 1,
  },
  { name: "start", budgetMs: undefined, before: CREATE, command: "$RT start $ID", after: REMOVE, batch: 1 },
  {
    name: "state",
    budgetMs: 6,
    before: `${CREATE}; $RT start $ID`,
    command: "$RT state $ID",
    after: REMOVE,
    batch: 5,
  },
  {
    name: "exec true",
    budgetMs: undefined,
    before: `${CREATE}; $RT start $ID`,
    command: "$RT exec $ID /bin/true",
    after: REMOVE,
    batch: 5,
  },
  {
    name: "pause",
    budgetMs: 6,
    before: `${CREATE}; $RT start $ID`,
    command: "$RT pause $ID",
    after: `$RT resume $ID; ${REMOVE}`,
    batch: 1,
  },
  {
    name: "kill",
    budgetMs: 6,
    before: `${CREATE}; $RT start $ID`,
    command: "$RT kill $ID KILL",
    after: REMOVE,
    batch: 1,
  },
  {
    name: "delete (stopped)",
    budgetMs: 6,
    before: `${CREATE}; $RT start $ID; $RT kill $ID KILL; while $RT state $ID | grep -q '"running"'; do :; done`,
    command: "$RT delete $ID",
    batch: 1,
  },
];

function shell(who: Contestant, line: string, input?: Uint8Array): string {
  const variables = `export GANTRY_RUNC_SOCKET=${who.socket}; RT="${who.program} --root ${WORK}/${who.name}"; B=${WORK}; ID=bench-${process.pid}`;
  const elsewhere = [...who.prefix, "unshare", "-m", "sh", "-c", `${ALONE} sh -c "$1"`, "sh"];
  const [program, ...rest] = who.prefix.length === 0 ? ["sh", "-c"] : elsewhere;
  const done = spawnSync(program ?? "sh", [...rest, `${variables}; ${line}`], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
    ...(input === undefined ? {} : { input }),
  });
  if (done.status !== 0)
    throw new Error(
      `${who.name}: ${line}: exit ${done.status}\n${done.stdout.slice(-300)}${done.stderr.slice(-300)}`,
    );
  return done.stderr;
}

function measure(who: Contestant, row: Row): number[] {
  // By a file: a container that goes on would hold a pipe open.
  const timed = `${TIMER} ${row.batch} ${row.command} </dev/null >/dev/null 2>$B/times; grep '^@' $B/times >&2`;
  const steps = [row.before, timed, row.after].filter((step) => step !== undefined);
  return [...shell(who, steps.join("; ")).matchAll(/^@(\d+)$/gm)].map((match) => Number(match[1]) / 1000);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[half] ?? 0) : ((sorted[half - 1] ?? 0) + (sorted[half] ?? 0)) / 2;
}

/** The bundles, where the contestant sees them. */
function prepare(who: Contestant, timer: Uint8Array): void {
  shell(who, `mkdir -p ${WORK} && cat > ${TIMER} && chmod +x ${TIMER}`, timer);
  for (const [name, args] of [
    ["true", '["/bin/true"]'],
    ["sleep", '["/bin/sleep", "1000"]'],
  ] as const)
    shell(
      who,
      `mkdir -p $B/${name}/rootfs/bin && cd $B/${name} && cp /bin/busybox rootfs/bin/ && ln -sf busybox rootfs/bin/${name} &&
       for d in proc dev sys tmp etc; do mkdir -p rootfs/$d; done && rm -f config.json && runc spec &&
       sed -i -e 's/"terminal": true/"terminal": false/' -e '/"args"/,/]/c "args": ${args},' config.json`,
    );
}

function enterNamespace(): void {
  const words = [...process.execArgv, ...process.argv.slice(1)];
  const inside = spawnSync("unshare", ["-m", "sh", "-c", `${ALONE} "$@"`, "sh", process.execPath, ...words], {
    stdio: "inherit",
    env: { ...process.env, GANTRY_BENCH_INSIDE: "1" },
  });
  process.exit(inside.status ?? 1);
}

/** Ends with this process's own end at the latest: it is told so then. */
async function startResident(program: string, socket: string): Promise<void> {
  const child = spawn(program, ["serve", "--socket", socket], { stdio: ["ignore", "inherit", "inherit"] });
  process.on("exit", () => child.kill());
  child.unref();
  for (let tries = 0; !existsSync(socket); tries++) {
    if (tries > 500) throw new Error("the resident compiler does not listen");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

if (process.env["GANTRY_BENCH_INSIDE"] !== "1") enterNamespace();
const { values: options } = parseArgs({ options: { peer: { type: "string" } } });
mkdirSync(join(ROOT, "build"), { recursive: true });
const timerFile = join(ROOT, "build", "bench-timer");
spawnSync("cc", ["-O2", "-static", "-o", timerFile, join(ROOT, "bench", "timer.c")], { stdio: "inherit" });
const peer = options.peer?.split(" ") ?? [];
const program = join(ROOT, "build", "gantry-runc");
const resident = { name: "resident", program, prefix: [], socket: `${WORK}/serve.sock` };
const contestants: readonly Contestant[] = [
  { name: "gantry-runc", program, prefix: [], socket: "" },
  resident,
  { name: "crun", program: "crun", prefix: peer, socket: "" },
  { name: "runc", program: "runc", prefix: peer, socket: "" },
];
const versions = contestants.map(({ program, prefix }) => {
  const [file, ...rest] = [...prefix, program, "--version"];
  return spawnSync(file ?? program, rest, { encoding: "utf8" }).stdout.split("\n")[0] ?? "";
});
for (const who of contestants) prepare(who, readFileSync(timerFile));
await startResident(program, resident.socket);
shell(resident, `${TIMER} ${RESIDENT_WARM_UP} $RT run --bundle $B/true $ID </dev/null >/dev/null 2>&1`);
const lines: string[] = [];
try {
  for (const row of ROWS) {
    const times = new Map<string, number[]>(contestants.map(({ name }) => [name, []]));
    for (let round = 0; round <= ROUNDS; round++)
      for (const who of contestants) {
        const ms = measure(who, row);
        if (round > 0) times.get(who.name)?.push(...ms); // round 0 warms up
      }
    const [ours = [], warm = [], crun = [], runc = []] = contestants.map(({ name }) => times.get(name) ?? []);
    const cell = (theirs: readonly number[]): string =>
      `${median(theirs).toFixed(1)} ms (${Math.min(...theirs).toFixed(1)}–${Math.max(...theirs).toFixed(1)})`;
    const budget = row.budgetMs ?? median(crun);
    const verdict = (of: readonly number[]): string => (median(of) <= budget ? "met" : "**missed**");
    const line = `| ${row.name} | ${cell(ours)} | ${cell(warm)} | ${cell(crun)} | ${cell(runc)} | ${row.budgetMs === undefined ? "crun" : `${row.budgetMs} ms`} | ${verdict(ours)} | ${verdict(warm)} |`;
    console.log(line);
    lines.push(line);
  }
  writeFileSync(
    join(ROOT, "bench", "RUNTIME.md"),
    `# The runtime alone\n\nMedians of one interleaved run (min–max in brackets).\n\n- machine: ${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores, Linux ${release()}\n- date: ${new Date().toISOString().slice(0, 10)}\n${versions.map((version) => `- ${version}\n`).join("")}\n| work | gantry-runc | with a resident compiler | crun | runc | budget | | resident |\n|---|---|---|---|---|---|---|---|\n${lines.join("\n")}\n`,
  );
} finally {
  for (const who of contestants)
    spawnSync(who.prefix[0] ?? "sh", [
      ...who.prefix.slice(1),
      ...(who.prefix.length === 0 ? ["-c"] : ["sh", "-c"]),
      `rm -rf ${WORK}`,
    ]);
}
