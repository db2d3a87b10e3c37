/**
 * npm run chaos -- images [--kills N] [--driver NAME]...
 * npm run chaos -- networks [--kills N]
 * npm run chaos -- containers [--kills N] [--verb NAME]... [--long-stops N]
 * npm run chaos -- api [--requests N]
 * npm run chaos -- soak [--runs N] [--execs N]
 * npm run chaos -- powercut [--points N] [--driver NAME]... [--filesystem NAME]...
 *
 * Runs a whole campaign, which the tests run a little of: 200 kills for each storage driver, or a power cut at every flush of
 * the disk and at 200 random moments; networks are killed 200 times; containers 2,600 times (200 kills for each of the verbs that
 * are used most, 50 for the others); 100,000 requests of nonsense; 10,000 containers and 20,000
 * processes that come and go. Root. `--seed N` (or `GANTRY_SEED`) chooses the same moments again.
 */
import { parseArgs } from "node:util";
import { fuzzApi } from "./api-fuzz.ts";
import { killWhileContainersChange } from "./containers.ts";
import { seeded } from "../support/random.ts";
import { killWhileImagesChange } from "./images.ts";
import { killWhileNetworksChange } from "./networks.ts";
import { cutPowerWhileImagesChange } from "./power-cut/campaign.ts";
import { whyNotOn } from "./power-cut/recorded-disk.ts";
import { soak } from "./soak.ts";

const USAGE = `usage: npm run chaos -- images [--kills N] [--driver NAME]... [--seed N]
       npm run chaos -- networks [--kills N] [--seed N]
       npm run chaos -- containers [--kills N] [--verb NAME]... [--long-stops N] [--seed N]
       npm run chaos -- api [--requests N] [--seed N]
       npm run chaos -- soak [--runs N] [--execs N]
       npm run chaos -- powercut [--points N] [--driver NAME]... [--filesystem NAME]... [--seed N]`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kills: { type: "string" },
    requests: { type: "string" },
    runs: { type: "string" },
    execs: { type: "string" },
    points: { type: "string" },
    verb: { type: "string", multiple: true },
    "long-stops": { type: "string" },
    driver: { type: "string", multiple: true },
    filesystem: { type: "string", multiple: true },
    seed: { type: "string" },
  },
});
const drivers = values.driver ?? ["overlay2", "erofs"];
const tell = (line: string): void => console.log(line);
const numberOf = (name: string, text: string): number => {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`invalid number of ${name} "${text}"`);
  return Number(text);
};
if (values.seed !== undefined) process.env["GANTRY_SEED"] = String(numberOf("seed", values.seed));
/** Of what was given. */
const areAll = (...known: readonly string[]): boolean =>
  Object.keys(values).every((name) => known.includes(name));
const [campaign, ...rest] = positionals;
if (rest.length > 0) throw new Error(USAGE);
if (campaign === "images" && areAll("kills", "driver", "seed")) await killAll();
else if (campaign === "networks" && areAll("kills", "seed")) await killNetworks();
else if (campaign === "containers" && areAll("kills", "verb", "long-stops", "seed")) await killContainers();
else if (campaign === "api" && areAll("requests", "seed"))
  await timed("api", async () => {
    const requests = numberOf("requests", values.requests ?? "100000");
    const { byStatus, grownBytes } = await fuzzApi({ requests, random: seeded("nonsense, api"), tell });
    const told = [...byStatus].toSorted(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`);
    tell(`${told.join(", ")}; ${grownBytes >> 20} MiB more`);
  });
else if (campaign === "soak" && areAll("runs", "execs"))
  await timed("soak", async () => {
    const [runs, execs] = [values.runs ?? "10000", values.execs ?? "20000"];
    await soak({ runs: numberOf("containers", runs), execs: numberOf("processes", execs), tell });
  });
else if (campaign === "powercut" && areAll("points", "driver", "filesystem", "seed")) await cutAll();
else throw new Error(USAGE);

async function killAll(): Promise<void> {
  const kills = numberOf("kills", values.kills ?? "200");
  for (const driver of drivers)
    await timed(driver, () =>
      killWhileImagesChange({ driver, kills, random: seeded(`kills, ${driver}`), tell }),
    );
}

async function killNetworks(): Promise<void> {
  const kills = numberOf("kills", values.kills ?? "200");
  await timed("networks", () => killWhileNetworksChange({ kills, random: seeded("kills, networks"), tell }));
}

async function killContainers(): Promise<void> {
  await timed("containers", () =>
    killWhileContainersChange({
      verbs: values.verb ?? [],
      kills: values.kills === undefined ? undefined : numberOf("kills", values.kills),
      writers: 10,
      measures: 5,
      countEvery: 10,
      longStops: numberOf("long stops", values["long-stops"] ?? "3"),
      random: seeded("kills, containers"),
      tell,
    }),
  );
}

async function cutAll(): Promise<void> {
  const points = values.points === undefined ? undefined : numberOf("points", values.points);
  for (const fileSystem of values.filesystem ?? ["ext4", "xfs", "btrfs"]) {
    const reason = whyNotOn(fileSystem);
    if (reason !== undefined) {
      // Asked for by name it must not be passed over.
      if (values.filesystem !== undefined) throw new Error(reason);
      tell(`not on ${fileSystem}: ${reason}`);
      continue;
    }
    for (const driver of drivers) {
      const what = `power cuts, ${driver} on ${fileSystem}`;
      await timed(what, () =>
        cutPowerWhileImagesChange({ driver, fileSystem, points, random: seeded(what), tell }),
      );
    }
  }
}

async function timed(what: string, work: () => Promise<void>): Promise<void> {
  const start = performance.now();
  await work();
  tell(`${what}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
}
