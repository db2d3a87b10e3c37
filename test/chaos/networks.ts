/**
 * kill -9 of the daemon at random moments, those of its start among them, while networks and containers come, change and go.
 * After each kill and start the store, the kernel and what the engine says are one (`network-violations.ts`), what was
 * answered is so, and everybody is reached who should be. A violation is thrown with the number of the kill and the deeds.
 */
import { spawn } from "node:child_process";
import { messageOf } from "../../src/base/errors.ts";
import { Engine, GANTRY } from "../support/engine.ts";
import { busyboxArchive } from "../support/images.ts";
import { expectNoLeaks, type Inventory, inventory } from "../support/leak-check.ts";
import { ownInventory } from "../support/own-inventory.ts";
import { SLOWNESS } from "../support/until.ts";
import { killedStart } from "./killed-start.ts";
import { CONTAINERS, type Deed, Ledger, NETWORKS, PARENT, randomDeed, type Seen } from "./network-deeds.ts";
import { type NetworkFacts, networkFacts } from "./network-facts.ts";
import { HOST_ADDRESSES, unreachable } from "./network-reach.ts";
import { violationsIn } from "./network-violations.ts";

export interface NetworkCampaign {
  readonly kills: number;
  readonly random: () => number;
  readonly tell: (line: string) => void;
}

/** The engine's host: a wire for macvlan, and addresses that are published on. */
export const HOST = [
  `ip link add ${PARENT} type veth peer name far`,
  "ip link add outside type veth peer name world",
  `ip addr add ${HOST_ADDRESSES.ipv4}/24 dev outside`,
  `ip addr add ${HOST_ADDRESSES.ipv6}/64 dev outside nodad`,
  ...[PARENT, "far", "outside", "world"].map((name) => `ip link set ${name} up`),
].join("; ");

/** What the kernel still tears down, or a container just begins, is given this long. */
const PATIENCE_MS = 5_000 * SLOWNESS;

export async function startNetworkWorld(): Promise<Engine> {
  const engine = await Engine.start([], HOST);
  try {
    await engine.ok(["load", "-q", "-i", await busyboxArchive()]);
    await engine.restart();
    await warmUp(engine);
    return engine;
  } catch (error) {
    await engine.close();
    throw error;
  }
}

/** What a daemon makes when it first needs it, and keeps, is made now. */
async function warmUp(engine: Engine): Promise<void> {
  await engine.ok(["network", "create", "--ipv6", "first"]);
  const run = ["run", "-d", "--name", "first", "--network", "first"];
  await engine.ok([...run, "-p", "18000:80", "-p", "18000:80/udp", "busybox", "sleep", "100"]);
  await engine.ok(["exec", "first", "nslookup", "first"]);
  await engine.ok(["rm", "-f", "first"]);
  await engine.ok(["network", "rm", "first"]);
}

export async function killWhileNetworksChange(campaign: NetworkCampaign): Promise<void> {
  const { kills, random, tell } = campaign;
  const engine = await startNetworkWorld();
  const ledger = new Ledger();
  const counts = { done: 0, refused: 0, running: 0, ports: 0 };
  let seen: Seen = { networks: [], running: [], stopped: [] };
  try {
    const before = everything(engine);
    for (let kill = 0; kill < kills; kill++) {
      const round = Array.from({ length: 1 + Math.floor(random() * 4) }, () => ({
        deed: randomDeed(random, seen),
        atMs: random() * 150,
      }));
      // While one of them is at work, or just done.
      const killAtMs = (round[0]?.atMs ?? 0) + random() * 450;
      const starts = Array.from(
        { length: random() < 0.3 ? 1 + Math.floor(random() * 2) : 0 },
        () => random() * 500,
      );
      try {
        ledger.note(await interrupted(engine, round, killAtMs, counts));
        for (const afterMs of starts) await killedStart(engine, afterMs);
        await engine.launch();
        const facts = await expectWholeNetworks(engine, ledger, before);
        seen = seenIn(facts);
        counts.running += seen.running.length;
        counts.ports += facts.containers.flatMap(({ ports }) => ports).length;
      } catch (error) {
        const deeds = round.map(
          ({ deed, atMs }) => `\n  ${atMs.toFixed(0)} ms: gantry ${deed.words.join(" ")}`,
        );
        throw new Error(
          `kill ${kill}, at ${killAtMs.toFixed(0)} ms${starts.map((ms) => `, then ${ms.toFixed(0)} ms into a start`).join("")}, of:${deeds.join("")}\n${messageOf(error)}`,
          { cause: error },
        );
      }
    }
    await removeEverything(engine);
    await warmUp(engine);
    await expectWholeNetworks(engine, new Ledger(), before);
    await expectNoLeaks(engine, before, [], everything);
    tell(
      `networks: ${kills} kills; ${counts.done} deeds were done, ${counts.refused} refused or cut off; ${(counts.running / kills).toFixed(1)} containers ran, ${(counts.ports / kills).toFixed(1)} ports were published`,
    );
  } finally {
    await engine.close();
  }
}

function everything(engine: Engine): Inventory {
  return { ...ownInventory(engine), "links and rules": inventory(engine)["links and rules"] ?? new Set() };
}

/** Begins the deeds, kills the daemon, and tells which of them were answered. */
async function interrupted(
  engine: Engine,
  round: readonly { readonly deed: Deed; readonly atMs: number }[],
  killAtMs: number,
  counts: { done: number; refused: number },
): Promise<readonly (readonly [Deed, boolean])[]> {
  const clients = round.map(async ({ deed, atMs }) => {
    await new Promise((resolve) => setTimeout(resolve, atMs));
    const client = spawn(GANTRY, ["--host", engine.host, ...deed.words], { stdio: "ignore" });
    const code = await new Promise((resolve) => client.once("close", resolve));
    if (code === 0) counts.done++;
    else counts.refused++;
    return [deed, code === 0] as const;
  });
  await new Promise((resolve) => setTimeout(resolve, killAtMs));
  await engine.kill9();
  return Promise.all(clients);
}

/** Looks again for as long as something may still be on its way; then throws all that is wrong. */
export async function expectWholeNetworks(
  engine: Engine,
  ledger: Ledger,
  before: Inventory,
): Promise<NetworkFacts> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const facts = await networkFacts(engine, before).catch((error: unknown) => messageOf(error));
    const wrong = typeof facts === "string" ? [facts] : await wrongIn(engine, facts, ledger);
    if (wrong.length === 0 && typeof facts !== "string") return facts;
    if (performance.now() > end)
      throw new Error(
        [...wrong, ...(typeof facts === "string" ? [] : ["there is:", ...summary(facts)])].join("\n"),
      );
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function summary({ containers, networks }: NetworkFacts): readonly string[] {
  return [
    ...containers.map(
      ({ id, name, status, networks: its }) =>
        `  ${name} ${status} in ${Object.keys(its).join(" ")} (${id.slice(0, 12)})`,
    ),
    ...networks.map(({ id, name, driver }) => `  ${name}, ${driver} (${id.slice(0, 12)})`),
  ];
}

async function wrongIn(engine: Engine, facts: NetworkFacts, ledger: Ledger): Promise<readonly string[]> {
  const wrong = [...violationsIn(facts), ...brokenClaims(facts, ledger)];
  return wrong.length > 0 ? wrong : unreachable(engine, facts);
}

function seenIn({ containers, networks }: NetworkFacts): Seen {
  const known: readonly string[] = CONTAINERS;
  const ofStatus = (isRunning: boolean): readonly string[] =>
    containers
      .filter(({ name, status }) => known.includes(name) && (status === "running") === isRunning)
      .map(({ name }) => name);
  return {
    networks: NETWORKS.filter((name) => networks.some((network) => network.name === name)),
    running: ofStatus(true),
    stopped: ofStatus(false),
  };
}

function brokenClaims({ networks, containers }: NetworkFacts, ledger: Ledger): readonly string[] {
  const holds = (claim: string): boolean => {
    const [first = "", second = "", third = ""] = claim.split(" ");
    if (first === "network") return networks.some(({ name }) => name === second);
    if (first === "running")
      return containers.some(({ name, status }) => name === second && status === "running");
    return containers.some(({ name, networks: its }) => name === first && its[third] !== undefined);
  };
  return ledger
    .all()
    .filter(([claim, isClaimed]) => holds(claim) !== isClaimed)
    .map(([claim, isClaimed]) => `it was answered that "${claim}" is ${isClaimed ? "so" : "not so"}`);
}

async function removeEverything(engine: Engine): Promise<void> {
  const lines = async (...words: string[]): Promise<string[]> =>
    (await engine.ok(words)).split("\n").filter((line) => line !== "");
  const containers = await lines("ps", "-aq", "--no-trunc");
  if (containers.length > 0) await engine.ok(["rm", "-f", ...containers]);
  const networks = await lines("network", "ls", "-q", "--no-trunc", "-f", "type=custom");
  if (networks.length > 0) await engine.ok(["network", "rm", ...networks]);
}
