/**
 * npm run bench [-- --peer "PREFIX"] [--rows TEXT]
 *
 * Measures the rows of bench/rows.ts on a throw-away engine. With `--peer` (a command prefix that runs its arguments on a
 * host where Docker, and perhaps podman, is up: `ssh bench-host`, or a chroot's enter command) the same rows run there in
 * turn, A B A B, so that a busy machine slows both. Writes bench/RESULTS.md.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { cpus, totalmem, release, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Engine, GANTRY, QUIET, ROOT } from "../test/support/engine.ts";
import { busyboxArchive, debianArchive } from "../test/support/images.ts";
import { manyFilesArchive } from "./archives.ts";
import { loadGrowthKb, memoryRow, residentKb, shimPssKb } from "./memory.ts";
import { type Near, REGISTRY, registrySeed, startRegistry, stopRegistry } from "./registry.ts";
import { ROWS, type Row } from "./rows.ts";

interface Contestant {
  readonly name: string;
  readonly cli: string;
  readonly prefix: readonly string[];
  /** As `prefix`, but where the daemon's own loopback interface is. */
  readonly nearPrefix: readonly string[];
}

const ROUNDS = 1 + Math.max(...ROWS.map(({ rounds }) => rounds));

const LINES =
  "yes 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef012 | head -c 300000000 > /tmp/gantry-bench-lines";
const MEMORY_ROWS = {
  load: "daemon's peak above its rest while it loads a 2 GiB layer (RSS)",
  shim: "memory per running container (shim, PSS)",
  daemon: "daemon after these rows (RSS)",
} as const;
/** Ours is asked as by a user who asks more than once: by commands that find a resident client. */
process.env["GANTRY_CLIENT_SOCKET"] = join(mkdtempSync(join(tmpdir(), "gantry-bench-client-")), "sock");
const TIMER = "/tmp/gantry-bench-timer";

function shell(
  who: Contestant,
  line: string,
  { input, round = 0, isAlone = false }: { input?: Uint8Array; round?: number; isAlone?: boolean } = {},
): string {
  const [program, ...rest] = [
    ...who.prefix,
    "sh",
    "-c",
    `CLI="${who.cli}"; export ROUND=${round} REG=${REGISTRY}; ${isAlone ? "export GANTRY_CLIENT_SOCKET=;" : ""} ${line}`,
  ];
  const done = spawnSync(program, rest, {
    encoding: "utf8",
    maxBuffer: 1 << 28,
    ...(input === undefined ? {} : { input }),
  });
  if (done.status !== 0)
    throw new Error(`${who.name}: ${line}: exit ${done.status}\n${done.stderr.slice(-500)}`);
  return done.stderr;
}

/** Milliseconds of each run of one round, as the timer beside the command saw them. */
function measure(who: Contestant, row: Row, round: number): number[] {
  if (row.before !== undefined) shell(who, row.before, { round });
  const quoted = row.command.replaceAll("$CLI", who.cli).replaceAll("'", `'\\''`);
  const isSimple = !/[;&|>$]/.test(quoted);
  const runs = row.batch ?? 1;
  const timed = isSimple ? `${TIMER} ${runs} ${quoted} >/dev/null` : `${TIMER} ${runs} sh -c '${quoted}'`;
  const stderr = shell(who, timed, { round, isAlone: row.isAlone === true });
  if (row.after !== undefined) shell(who, row.after, { round });
  return [...stderr.matchAll(/^@(\d+)$/gm)].map((match) => Number(match[1]) / 1000);
}

/** A peer that cannot do a row (or not on this host) has an empty cell and a line that says why. */
function attempt(who: Contestant, row: Row, round: number): number[] {
  try {
    return measure(who, row, round);
  } catch (error) {
    if (round === 0)
      console.log(error instanceof Error ? error.message.split("\n").slice(0, 2).join(" ") : String(error));
    return [];
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[half] ?? 0) : ((sorted[half - 1] ?? 0) + (sorted[half] ?? 0)) / 2;
}

function contestantOf({ host, pid }: Engine): Contestant {
  const nearPrefix = ["nsenter", `--target=${pid}`, "--net"];
  return { name: "gantry", cli: `${GANTRY} --host ${host}`, prefix: [], nearPrefix };
}

/** Registries that run, by the command line of whom they are for. */
const registries = new Map<string, Near>();
let seed: Promise<Uint8Array> | undefined;

async function withRegistry(who: Contestant): Promise<void> {
  if (registries.has(who.cli)) return;
  seed ??= registrySeed(ROUNDS);
  const near: Near = (line, input) =>
    void shell({ ...who, prefix: who.nearPrefix }, line, input === undefined ? {} : { input });
  registries.set(who.cli, near);
  startRegistry(who.cli, near, await seed);
}

const haveManyFiles = new Set<string>();

function withManyFiles(who: Contestant, rounds: number): void {
  if (haveManyFiles.has(who.cli)) return;
  haveManyFiles.add(who.cli);
  const directory = mkdtempSync(join(tmpdir(), "gantry-bench-many-"));
  for (let round = 0; round <= rounds; round++) {
    const input = readFileSync(manyFilesArchive(directory, round));
    shell(who, `cat > /tmp/gantry-bench-many-${round}.tar`, { input });
  }
  rmSync(directory, { recursive: true });
}

async function withDriver(driver: string, busybox: string, debian: readonly string[]): Promise<Contestant> {
  const known = others.get(driver);
  if (known !== undefined) return contestantOf(known);
  const other = await Engine.start([...QUIET, "--storage-driver", driver]);
  others.set(driver, other);
  const who = contestantOf(other);
  prepare(who, busybox, debian);
  return who;
}

function prepare(who: Contestant, busybox: string, debian: readonly string[]): void {
  shell(who, `cat > ${TIMER} && chmod +x ${TIMER}`, {
    input: readFileSync(join(ROOT, "build", "bench-timer")),
  });
  shell(who, `test -e /tmp/gantry-bench-lines || ${LINES}`);
  for (const [round, archive] of debian.entries())
    shell(who, `cat > /tmp/gantry-bench-debian-${round}.tar`, { input: readFileSync(archive) });
  shell(who, "$CLI load -q >/dev/null", { input: readFileSync(busybox) });
  shell(who, "$CLI rmi -f debian:0 debian:1 debian:2 debian:3 >/dev/null 2>&1; true");
}

const { values: options } = parseArgs({ options: { peer: { type: "string" }, rows: { type: "string" } } });
mkdirSync(join(ROOT, "build"), { recursive: true });
spawnSync(
  "cc",
  ["-O2", "-static", "-o", join(ROOT, "build", "bench-timer"), join(ROOT, "bench", "timer.c")],
  { stdio: "inherit" },
);
const busybox = await busyboxArchive();
const debian: string[] = [];
for (let variant = 0; variant < 4; variant++) debian.push(await debianArchive(variant));
/** Further engines, by storage driver. */
const others = new Map<string, Engine>();
const engine = await Engine.start(QUIET);
const idleKb = residentKb(engine.pid);
try {
  const contestants: Contestant[] = [contestantOf(engine)];
  const versions = [spawnSync(GANTRY, ["--version"], { encoding: "utf8" }).stdout.trim()];
  if (options.peer !== undefined) {
    const prefix = options.peer.split(" ");
    for (const name of ["docker", "podman"]) {
      const version = spawnSync(prefix[0] ?? "", [...prefix.slice(1), name, "--version"], {
        encoding: "utf8",
      });
      if (version.status !== 0) continue;
      versions.push(version.stdout.trim());
      contestants.push({ name, cli: name, prefix, nearPrefix: prefix });
    }
  }
  for (const who of contestants) prepare(who, busybox, debian);
  const lines: string[] = [memoryRow("idle daemon (RSS)", idleKb, { budgetMb: 60 })];
  for (const row of ROWS) {
    if (options.rows !== undefined && !row.name.includes(options.rows)) continue;
    const times = new Map<string, number[]>();
    const ours = row.driver === undefined ? undefined : await withDriver(row.driver, busybox, debian);
    const present = contestants
      .filter(({ name }) => name === "gantry" || row.isOursAlone !== true)
      .filter(({ name }) => name !== "podman" || row.podman)
      .map((who) => (who.name === "gantry" ? (ours ?? who) : who));
    for (const who of present) {
      if (row.needsRegistry === true) await withRegistry(who);
      if (row.needsManyFiles === true) withManyFiles(who, row.rounds);
    }
    for (let round = 0; round <= row.rounds; round++) {
      for (const who of present) {
        const ms = who.name === "gantry" ? measure(who, row, round) : attempt(who, row, round);
        if (round > 0) times.set(who.name, [...(times.get(who.name) ?? []), ...ms]); // round 0 warms up
      }
    }
    const taken = times.get("gantry") ?? [];
    const cell = (name: string): string => {
      const theirs = times.get(name);
      if (theirs === undefined || theirs.length === 0) return "";
      return `${median(theirs).toFixed(1)} ms (${(median(theirs) / median(taken)).toFixed(1)}×)`;
    };
    const spread = `${Math.min(...taken).toFixed(1)}–${Math.max(...taken).toFixed(1)}`;
    const verdict = median(taken) <= row.budgetMs ? "met" : "**missed**";
    const line = `| ${row.name} | ${median(taken).toFixed(1)} ms (${spread}) | ${cell("docker")} | ${cell("podman")} | ${row.budgetMs} ms | ${verdict} |`;
    console.log(line);
    lines.push(line);
  }
  const afterRowsKb = residentKb(engine.pid);
  if (options.rows === undefined || MEMORY_ROWS.load.includes(options.rows)) {
    const [ours, docker] = contestants;
    if (ours === undefined) throw new Error("nobody to measure");
    const kilobytes = await loadGrowthKb(ours.prefix, ours.cli, String(engine.pid));
    const theirs =
      docker?.name === "docker"
        ? await loadGrowthKb(docker.prefix, docker.cli, "$(pidof dockerd)")
        : undefined;
    lines.push(memoryRow(MEMORY_ROWS.load, kilobytes, { budgetMb: 64 }, theirs));
    console.log(lines.at(-1));
  }
  if (options.rows === undefined)
    lines.push(
      memoryRow(MEMORY_ROWS.shim, await shimPssKb(engine), { budgetMb: 0.5 }),
      memoryRow(MEMORY_ROWS.daemon, afterRowsKb, {}),
    );
  const machine = `${cpus()[0]?.model ?? "unknown processor"}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`;
  if (options.rows === undefined) {
    writeFileSync(
      join(ROOT, "bench", "RESULTS.md"),
      `# Results\n\nMedians of one interleaved run (min–max in brackets for Gantry; factor against Gantry for the others).\n\n- machine: ${machine}\n- date: ${new Date().toISOString().slice(0, 10)}\n${versions.map((v) => `- ${v}\n`).join("")}\n| work | Gantry | Docker | podman | budget | |\n|---|---|---|---|---|---|\n${lines.join("\n")}\n`,
    );
  }
} finally {
  for (const [cli, near] of registries) stopRegistry(cli, near);
  for (const one of [engine, ...others.values()]) await one.close();
  spawnSync("sh", ["-c", "rm -f /tmp/gantry-bench-*"]);
}
