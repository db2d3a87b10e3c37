/**
 * bun bench/networks.ts [--peer "PREFIX"] [--rounds N] [--seconds S] [--containers N]
 *
 * What containers get out of their networks, with `--peer` (as for bench/run.ts) in turns with Docker:
 *
 *     streams     megabits per second of one TCP connection: container to container, container to host, host to container
 *                 by a published port
 *     names       answers a second and their times, asked in a container of a user's network
 *     many        containers started one after the other on one bridge: how long the last ones take against the first
 *
 * Root; the engine must be built.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Engine, GANTRY, QUIET } from "../test/support/engine.ts";
import { busyboxRoot } from "../test/support/images.ts";

const STREAM = "/tmp/gantry-bench-stream";
const LOAD = "/tmp/gantry-bench-dns-load";
const PORT = 5201;
const PUBLISHED = 5202;

const { values } = parseArgs({
  options: {
    peer: { type: "string" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    containers: { type: "string", default: "300" },
  },
});

interface Contestant {
  readonly name: string;
  readonly cli: string;
  /** Runs its arguments on the engine's host. */
  readonly host: readonly string[];
}

function must(command: readonly string[], input?: Uint8Array): string {
  const [program = "", ...rest] = command;
  const done = spawnSync(program, rest, { encoding: "utf8", ...(input === undefined ? {} : { input }) });
  if (done.status !== 0) throw new Error(`${command.join(" ")}: ${done.stderr}`);
  return done.stdout.trim();
}

const sh = (who: Contestant, line: string): string =>
  must([...who.host, "sh", "-c", line.replaceAll("$CLI", who.cli)]);

function compile(program: string, source: string): void {
  const flags = ["-O2", "-static", "-Wall", "-Wextra", "-Werror"];
  must(["cc", ...flags, "-o", program, join(import.meta.dirname, source)]);
}

function prepare(who: Contestant): void {
  for (const program of [STREAM, LOAD])
    must(
      [
        ...who.host,
        "sh",
        "-c",
        `cat >${program}.new && chmod 755 ${program}.new && mv ${program}.new ${program}`,
      ],
      readFileSync(program),
    );
  const mounts = `-v ${STREAM}:${STREAM}:ro -v ${LOAD}:${LOAD}:ro`;
  sh(who, "$CLI network create bench-net");
  sh(
    who,
    `$CLI run -d --name bench-server --network bench-net -p ${PUBLISHED}:${PORT} ${mounts} busybox ${STREAM} serve ${PORT}`,
  );
  sh(who, `$CLI run -d --name bench-client --network bench-net ${mounts} busybox sleep 100000`);
  sh(who, `${STREAM} serve ${PORT} >/dev/null 2>&1 & echo $! >/tmp/gantry-bench-stream.pid`);
}

function end(who: Contestant): void {
  sh(who, "$CLI rm -f bench-server bench-client; $CLI network rm bench-net");
  sh(who, "kill $(cat /tmp/gantry-bench-stream.pid)");
}

type Measure = readonly [what: string, measure: (who: Contestant) => string];

const stream = (address: string, port: number): string =>
  `${STREAM} send ${address} ${port} ${values.seconds}`;
const inspect = (who: Contestant, field: string): string =>
  sh(who, `$CLI inspect -f '{{(index .NetworkSettings.Networks "bench-net").${field}}}' bench-server`);

const STREAMS: readonly Measure[] = [
  [
    "container to container, Mbit/s",
    (who) => sh(who, `$CLI exec bench-client ${stream(inspect(who, "IPAddress"), PORT)}`),
  ],
  [
    "container to host, Mbit/s",
    (who) => sh(who, `$CLI exec bench-client ${stream(inspect(who, "Gateway"), PORT)}`),
  ],
  ["host to a published port, Mbit/s", (who) => sh(who, stream(inspect(who, "Gateway"), PUBLISHED))],
  ["host to a published port by 127.0.0.1, Mbit/s", (who) => sh(who, stream("127.0.0.1", PUBLISHED))],
];

const NAMES: readonly Measure[] = [1, 16, 64].map(
  (window): Measure => [
    `names, ${window} at a time: answers/s, median and p99 in µs, lost`,
    (who) => sh(who, `$CLI exec bench-client ${LOAD} 127.0.0.11 53 bench-server ${window} 20000`),
  ],
);

function middle(texts: readonly string[]): string {
  const sorted = [...texts].sort((a, b) => Number.parseFloat(a) - Number.parseFloat(b));
  return `${sorted[sorted.length >> 1] ?? ""} (${sorted[0] ?? ""} – ${sorted.at(-1) ?? ""})`;
}

/** Medians of the first and the last thirty starts, in milliseconds. */
function many(who: Contestant, count: number): string {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const before = performance.now();
    sh(who, `$CLI run -d --name bench-many-${i} busybox sleep 100000`);
    times.push(performance.now() - before);
  }
  sh(who, `$CLI rm -f $(seq -f bench-many-%g 0 ${count - 1})`);
  const median = (part: readonly number[]): number => [...part].sort((a, b) => a - b)[part.length >> 1] ?? 0;
  const [first, last] = [median(times.slice(0, 30)), median(times.slice(-30))];
  return `${first.toFixed(1)} ms, then ${last.toFixed(1)} ms (${((last / first) * 100 - 100).toFixed(0)} %)`;
}

compile(STREAM, "stream.c");
compile(LOAD, "dns-load.c");
const engine = await Engine.start(QUIET);
const contestants: readonly Contestant[] = [
  { name: "gantry", cli: `${GANTRY} --host ${engine.host}`, host: await engine.inHost([]) },
  ...(values.peer === undefined ? [] : [{ name: "docker", cli: "docker", host: values.peer.split(" ") }]),
];
try {
  await engine.ok(["import", await busyboxRoot(), "busybox"]);
  for (const who of contestants) prepare(who);
  for (const [what, measure] of [...STREAMS, ...NAMES]) {
    const results = new Map(contestants.map(({ name }): [string, string[]] => [name, []]));
    for (let round = 0; round < Number(values.rounds); round++)
      for (const who of contestants) results.get(who.name)?.push(measure(who));
    for (const [name, texts] of results) console.log(`${what}: ${name} ${middle(texts)}`);
  }
  for (const who of contestants)
    console.log(
      `${values.containers} containers, one after the other: ${who.name} ${many(who, Number(values.containers))}`,
    );
} finally {
  for (const who of contestants) end(who);
  await engine.close();
}
