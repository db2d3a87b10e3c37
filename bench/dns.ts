/**
 * bun bench/dns.ts [--peer "PREFIX"] [--rounds N] [--count N]
 *
 * Answers a second and their times, for a local name asked at 127.0.0.11 from inside a network namespace: 1, 16 and 64
 * questions at a time. With `--peer` (as for bench/run.ts) Docker's resolver takes turns, asked from inside a container.
 * Root; the addon must be built. Two threads take part in ours, so on a busy machine look at the best round.
 */
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { networkNames } from "../src/core/network/dns/name-view.ts";
import { DnsServer } from "../src/core/network/dns/server.ts";
import { boundUdp, inNewNetwork, listeningTcp } from "../test/support/bound-sockets.ts";
import { builtNative } from "../test/support/native.ts";

const LOAD = "/tmp/gantry-bench-dns-load";
const WINDOWS = [1, 16, 64];
const NAME = "gantry-bench-dns";

const { values } = parseArgs({
  options: {
    peer: { type: "string" },
    rounds: { type: "string", default: "5" },
    count: { type: "string", default: "40000" },
  },
});

/** Runs one line of shell somewhere and gives what it printed. */
type Somewhere = (line: string) => Promise<string>;

function must(command: readonly string[], input?: Uint8Array): string {
  const [program = "", ...rest] = command;
  const done = spawnSync(program, rest, { encoding: "utf8", ...(input === undefined ? {} : { input }) });
  if (done.status !== 0) throw new Error(`${command.join(" ")}: ${done.stderr}`);
  return done.stdout;
}

/** A shell in a network namespace of its own, which our server serves. */
function ours(): { readonly run: Somewhere; readonly end: () => void } {
  const { udp, tcp, shell } = inNewNetwork(() => {
    const sockets = { udp: boundUdp(), tcp: listeningTcp() };
    // As in a container: whoever asks at 127.0.0.11:53 comes to the server's own port.
    const rule = `add table ip dns; add chain ip dns out { type nat hook output priority -100; }; add rule ip dns out ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.1:${sockets.udp.port}`;
    must(["nft", rule]);
    return { ...sockets, shell: spawn("sh", [], { stdio: ["pipe", "pipe", "inherit"] }) };
  });
  const names = networkNames("bench", [
    { name: NAME, aliases: [], v4: [Uint8Array.of(172, 20, 0, 2)], v6: [] },
    ...Array.from({ length: 500 }, (_, at) => ({
      name: `other-${at}`,
      aliases: [],
      v4: [Uint8Array.of(172, 20, at >> 8, at & 255)],
      v6: [],
    })),
  ]);
  const server = new DnsServer({ native: builtNative() });
  const view = {
    networks: [names],
    hosts: new Map(),
    links: new Map(),
    upstreams: [],
    hasWayOut: true,
    hasOwnNdots: false,
  };
  server.add("bench", { udpFd: udp.fd, tcpFd: tcp.fd }, () => view);
  const lines = createInterface({ input: shell.stdout });
  return {
    run: (line) =>
      new Promise((resolve) => {
        lines.once("line", resolve);
        shell.stdin.write(`${line}\n`);
      }),
    end: () => {
      shell.stdin.end();
      server.close();
    },
  };
}

/** A container of the peer's Docker, in a network of its own. */
function dockers(prefix: readonly string[]): { readonly run: Somewhere; readonly end: () => void } {
  const docker = (...rest: readonly string[]): string => must([...prefix, "docker", ...rest]);
  must([...prefix, "sh", "-c", `cat >${LOAD}; chmod 755 ${LOAD}`], readFileSync(LOAD));
  docker("network", "create", NAME);
  docker(
    "run",
    "-d",
    "--name",
    NAME,
    "--network",
    NAME,
    "-v",
    `${LOAD}:${LOAD}:ro`,
    "busybox",
    "sleep",
    "3600",
  );
  return {
    run: async (line) => docker("exec", NAME, "sh", "-c", line),
    end: () => {
      docker("rm", "-f", NAME);
      docker("network", "rm", NAME);
    },
  };
}

must([
  "cc",
  "-O2",
  "-static",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-o",
  LOAD,
  join(import.meta.dirname, "dns-load.c"),
]);
const contestants = [
  { name: "gantry", ...ours() },
  ...(values.peer === undefined ? [] : [{ name: "docker", ...dockers(values.peer.split(" ")) }]),
];
try {
  for (const window of WINDOWS) {
    for (let round = 1; round <= Number(values.rounds); round++) {
      for (const { name, run } of contestants) {
        const numbers = await run(`${LOAD} 127.0.0.11 53 ${NAME} ${window} ${values.count}`);
        const [rate, median, p99, lost] = numbers.trim().split(" ");
        console.log(
          `${name.padEnd(8)} ${String(window).padStart(2)} at a time: ${rate} answers/s, median ${median} µs, p99 ${p99} µs, lost ${lost}`,
        );
      }
    }
  }
} finally {
  for (const { end } of contestants) end();
}
