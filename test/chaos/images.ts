/**
 * kill -9 of the daemon at random moments while images come, change and go. After each kill and start every listed image
 * is whole, nothing is left of what was not finished but what can be continued, and a pull that was cut off gets only the
 * bytes that are still missing. A violation is thrown with the number of the kill, the verb and the moment.
 */
import { spawn } from "node:child_process";
import { GANTRY } from "../support/engine.ts";
import { ownInventory } from "../support/own-inventory.ts";
import { expectNothingLeft, expectWholeImages } from "./image-truth.ts";
import { expectItRuns, expectResumed, listed, missingBytes } from "./image-use.ts";
import { ImageWorld, type RemoteImage } from "./image-world.ts";
import { killedStart } from "./killed-start.ts";

export interface ImageCampaign {
  readonly driver: string;
  readonly kills: number;
  readonly random: () => number;
  readonly tell: (line: string) => void;
}

type Command = readonly string[];

interface Verb {
  readonly name: string;
  /** Before the moment is chosen; not killed. */
  readonly prepare?: (world: ImageWorld) => Promise<void>;
  /** Run at once. */
  readonly commands: (world: ImageWorld) => readonly Command[];
  /** What it was to bring from the registry. */
  readonly pulls?: (world: ImageWorld) => readonly RemoteImage[];
}

const remove = async ({ engine }: ImageWorld, names: readonly string[]): Promise<void> => {
  const there = new Set((await listed(engine)).map(({ name }) => name));
  const found = names.filter((name) => there.has(name));
  if (found.length > 0) await engine.ok(["rmi", "-f", ...found]);
};
const remoteNames = ({ remote }: ImageWorld): string[] => remote.map(({ name }) => name);
const load = ({ archive }: ImageWorld): Command => ["load", "-q", "-i", archive];
const pull = ({ name }: RemoteImage): Command => ["pull", "-q", name];
const loadAll = async (world: ImageWorld): Promise<void> => void (await world.engine.ok(load(world)));

const VERBS: readonly Verb[] = [
  {
    name: "pull",
    prepare: (world) => remove(world, remoteNames(world)),
    commands: ({ remote }) => remote.slice(0, 1).map(pull),
    pulls: ({ remote }) => remote.slice(0, 1),
  },
  {
    name: "two pulls that share layers",
    prepare: (world) => remove(world, remoteNames(world)),
    commands: ({ remote }) => remote.map(pull),
    pulls: ({ remote }) => remote,
  },
  {
    name: "load",
    prepare: (world) => remove(world, ["loaded:latest", "second:latest"]),
    commands: (world) => [load(world)],
  },
  {
    name: "commit",
    prepare: async ({ engine }) => {
      const script =
        "mkdir -p /sums && dd if=/dev/urandom of=/data bs=64k count=20 2>/dev/null && sha256sum /data > /sums/data";
      await engine.ok(["exec", "keeper", "sh", "-c", script]);
    },
    commands: () => [["commit", "keeper", "committed:latest"]],
  },
  {
    name: "rmi",
    prepare: loadAll,
    commands: () => [["rmi", "-f", "loaded:latest", "second:latest"]],
  },
  {
    name: "image prune",
    prepare: loadAll,
    commands: () => [["image", "prune", "-af"]],
  },
  {
    name: "system prune while a pull goes on",
    prepare: async (world) => {
      await loadAll(world);
      await remove(world, remoteNames(world).slice(1));
    },
    commands: ({ remote }) => [...remote.slice(1).map(pull), ["system", "prune", "-af"]],
  },
];

export async function killWhileImagesChange(campaign: ImageCampaign): Promise<void> {
  await using world = await ImageWorld.start(campaign.driver);
  const { engine } = world;
  // With what a daemon that came up again has open.
  await engine.restart();
  const before = ownInventory(engine);
  const usual = await usualTimes(world);
  const resumed: number[] = [];
  for (let kill = 0; kill < campaign.kills; kill++) {
    const verb = VERBS[kill % VERBS.length];
    if (verb === undefined) throw new Error("no verbs");
    await verb.prepare?.(world);
    const delayMs = campaign.random() * (usual.get(verb) ?? 0) * 1.3;
    const again = campaign.random() < 0.2 ? campaign.random() * 150 : undefined;
    try {
      await interrupted(world, verb, delayMs);
      if (again !== undefined) await killedStart(engine, again);
      // As the kill left it: the next start may lose nothing of it.
      const missing =
        verb.pulls?.(world).map((image) => ({ image, bytes: missingBytes(engine, image) })) ?? [];
      await engine.launch();
      await expectWholeImages(world, before);
      if (missing.length > 0) resumed.push(await expectResumed(world, missing));
      if (kill % 3 === 0) await expectOneRuns(world, campaign.random());
    } catch (error) {
      const when = `kill ${kill} (${campaign.driver}), ${delayMs.toFixed(1)} ms into "${verb.name}"${again === undefined ? "" : `, then ${again.toFixed(1)} ms into the start`}`;
      throw new Error(`${when}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
  const cut = resumed.filter((bytes) => bytes > 0).length;
  campaign.tell(
    `${campaign.driver}: ${campaign.kills} kills; ${resumed.length} pulls went on, ${cut} of them in the middle`,
  );
  await engine.ok(["system", "prune", "-af"]);
  await expectNothingLeft(engine, before);
}

/** How long each verb takes when nobody kills it. */
async function usualTimes(world: ImageWorld): Promise<ReadonlyMap<Verb, number>> {
  const times = new Map<Verb, number>();
  for (const verb of VERBS) {
    await verb.prepare?.(world);
    const start = performance.now();
    await Promise.all(verb.commands(world).map((command) => world.engine.ok(command)));
    times.set(verb, performance.now() - start);
  }
  return times;
}

async function interrupted(world: ImageWorld, verb: Verb, delayMs: number): Promise<void> {
  const clients = verb.commands(world).map((command) => {
    const client = spawn(GANTRY, ["--host", world.engine.host, ...command], { stdio: "ignore" });
    return new Promise((resolve) => client.once("close", resolve));
  });
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  await world.engine.kill9();
  await Promise.all(clients);
}

async function expectOneRuns({ engine }: ImageWorld, chance: number): Promise<void> {
  const images = (await listed(engine)).filter(({ name }) => !name.includes("<none>"));
  const chosen = images[Math.floor(chance * images.length)];
  if (chosen !== undefined) await expectItRuns(engine, chosen.name);
}
