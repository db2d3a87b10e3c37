/**
 * What is done to networks and containers, at random, and what must be so afterwards: a claim is a sentence about one or two
 * names ("network n1", "c2 in n1") that an answered deed has made true or false, until the next deed about them begins.
 */
import { HOST_PORTS } from "./network-reach.ts";

export interface Deed {
  readonly words: readonly string[];
  /** Claims with all of these names in them are nobody's to make while it is done. */
  readonly about: readonly string[];
  /** When it is answered without an error. */
  readonly claims: readonly (readonly [claim: string, holds: boolean])[];
}

export const NETWORKS = ["n0", "n1", "n2", "n3", "n4"] as const;
export const CONTAINERS = ["c0", "c1", "c2", "c3", "c4", "c5"] as const;
/** Those that end by themselves have other names: nothing can be claimed of them. */
const BRIEF = ["b0", "b1"] as const;
/** Of the host, which has it before the engine. */
export const PARENT = "wire";

/** Names of what there was when somebody looked last. */
export interface Seen {
  readonly networks: readonly string[];
  readonly running: readonly string[];
  readonly stopped: readonly string[];
}

type Random = () => number;

/** What makes sense, most of the time. */
function mostly(random: Random, sensible: readonly string[], all: readonly string[]): string {
  return one(random, sensible.length > 0 && random() < 0.85 ? sensible : all);
}

const without = (all: readonly string[], some: readonly string[]): readonly string[] =>
  all.filter((name) => !some.includes(name));

function one<T>(random: Random, things: readonly T[]): T {
  const thing = things[Math.floor(random() * things.length)];
  if (thing === undefined) throw new Error("nothing to choose from");
  return thing;
}

/** A container serves its host name on port 80. */
const SERVE = ["sh", "-c", "mkdir /w; hostname >/w/index.html; exec httpd -f -p 80 -h /w"];

const FLAVOURS: readonly (readonly string[])[] = [
  [],
  [],
  ["--ipv6"],
  ["--internal"],
  ["-o", "com.docker.network.bridge.enable_icc=false"],
  ["-d", "macvlan", "-o", `parent=${PARENT}`],
  ["-d", "macvlan", "-o", `parent=${PARENT}.7`],
  ["-d", "macvlan", "--internal"],
];

function createNetwork(random: Random, seen: Seen): Deed {
  const name = mostly(random, without(NETWORKS, seen.networks), NETWORKS);
  return {
    words: ["network", "create", ...one(random, FLAVOURS), name],
    about: [name],
    claims: [[`network ${name}`, true]],
  };
}

function removeNetwork(random: Random, seen: Seen): Deed {
  const name = mostly(random, seen.networks, NETWORKS);
  return { words: ["network", "rm", name], about: [name], claims: [[`network ${name}`, false]] };
}

function change(verb: "connect" | "disconnect") {
  return (random: Random, seen: Seen): Deed => {
    const network = mostly(random, seen.networks, NETWORKS);
    const container = mostly(random, seen.running, CONTAINERS);
    return {
      words: ["network", verb, network, container],
      about: [network, container],
      claims: [[`${container} in ${network}`, verb === "connect"]],
    };
  };
}

function publishing(random: Random): readonly string[] {
  const port = one(random, HOST_PORTS);
  return one(random, [
    [],
    [],
    ["-p", `${port}:80`],
    ["-p", `${port}:80`, "-p", `${port}:80/udp`],
    ["-p", `127.0.0.1:${port}:80`],
    ["-p", "80", "-p", `${port}:53/udp`],
  ]);
}

function newContainer(random: Random, { networks, running, stopped }: Seen): readonly [string, string] {
  return [
    mostly(random, without(CONTAINERS, [...running, ...stopped]), CONTAINERS),
    mostly(random, ["bridge", ...networks], NETWORKS),
  ];
}

function run(random: Random, seen: Seen): Deed {
  const [name, network] = newContainer(random, seen);
  const removes = random() < 0.3 ? ["--rm"] : [];
  const rates = random() < 0.3 ? ["--net-rate-out", "100mbit"] : [];
  return {
    words: [
      "run",
      "-d",
      ...removes,
      ...rates,
      "--name",
      name,
      "--network",
      network,
      ...publishing(random),
      "busybox",
      ...SERVE,
    ],
    about: [name],
    claims: [
      [`running ${name}`, true],
      [`${name} in ${network}`, true],
    ],
  };
}

function runBriefly(random: Random, seen: Seen): Deed {
  const name = one(random, BRIEF);
  const network = mostly(random, ["bridge", ...seen.networks], NETWORKS);
  const rest = ["--name", name, "--network", network, ...publishing(random), "busybox", "sleep", "0.03"];
  return { words: ["run", "-d", "--rm", ...rest], about: [name], claims: [] };
}

/** Ports and rates of a container that runs, or will. */
function update(random: Random, seen: Seen): Deed {
  const name = mostly(random, seen.running, CONTAINERS);
  const port = `${one(random, HOST_PORTS)}:80`;
  const flags = one(random, [
    ["--publish-add", port],
    ["--publish-rm", port],
    ["--net-rate-in", "50mbit", "--net-rate-out", "20mbit"],
    ["--net-rate-in", "0", "--net-rate-out", "0"],
  ]);
  return { words: ["update", ...flags, name], about: [name, "updated"], claims: [] };
}

function toContainer(words: readonly string[], isRunning: boolean) {
  return (random: Random, seen: Seen): Deed => {
    const sensible = { start: seen.stopped, rm: [...seen.running, ...seen.stopped] }[words[0] ?? ""];
    const name = mostly(random, sensible ?? seen.running, CONTAINERS);
    return { words: [...words, name], about: [name], claims: [[`running ${name}`, isRunning]] };
  };
}

const prune = (): Deed => ({ words: ["network", "prune", "-f"], about: [], claims: [] });

const DEEDS: readonly (readonly [weight: number, deed: (random: Random, seen: Seen) => Deed])[] = [
  [5, createNetwork],
  [2, removeNetwork],
  [5, change("connect")],
  [4, change("disconnect")],
  [6, run],
  [2, runBriefly],
  [3, toContainer(["rm", "-f"], false)],
  [2, toContainer(["restart", "-t", "0"], true)],
  [1, toContainer(["stop", "-t", "0"], false)],
  [6, toContainer(["start"], true)],
  [3, update],
  [1, prune],
];

export function randomDeed(random: Random, seen: Seen): Deed {
  const all = DEEDS.reduce((sum, [weight]) => sum + weight, 0);
  let left = random() * all;
  for (const [weight, deed] of DEEDS) {
    left -= weight;
    if (left < 0) return deed(random, seen);
  }
  throw new Error("no deed");
}

/** What is known to hold or not to hold. */
export class Ledger {
  readonly #claims = new Map<string, boolean>();

  /** Deeds that were begun together, each with whether it was answered without an error. */
  note(deeds: readonly (readonly [deed: Deed, isDone: boolean])[]): void {
    for (const [deed] of deeds) this.#forget(deed);
    for (const [deed, isDone] of deeds) {
      if (!isDone) continue;
      const others = deeds.filter(([other]) => other !== deed).map(([other]) => other);
      for (const [claim, holds] of deed.claims)
        if (!others.some((other) => isAbout(other, claim))) this.#claims.set(claim, holds);
    }
  }

  all(): readonly (readonly [claim: string, holds: boolean])[] {
    return [...this.#claims];
  }

  #forget(deed: Deed): void {
    for (const claim of this.#claims.keys()) if (isAbout(deed, claim)) this.#claims.delete(claim);
  }
}

function isAbout({ about }: Deed, claim: string): boolean {
  if (about.length === 0) return claim.startsWith("network ");
  const names = claim.split(" ");
  return about.every((name) => names.includes(name));
}
