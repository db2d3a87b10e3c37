/**
 * npm run chaos -- images [--kills N] [--driver NAME]
 *
 * Runs a whole campaign, which the tests run a little of: 200 kills for each storage driver. Root. `GANTRY_SEED=n` chooses
 * the same moments again.
 */
import { parseArgs } from "node:util";
import { seeded } from "../support/random.ts";
import { killWhileImagesChange } from "./images.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { kills: { type: "string", default: "200" }, driver: { type: "string", multiple: true } },
});
if (positionals.length !== 1 || positionals[0] !== "images")
  throw new Error("usage: npm run chaos -- images [--kills N] [--driver NAME]...");
const kills = Number(values.kills);
if (!Number.isInteger(kills) || kills < 1) throw new Error(`invalid number of kills "${values.kills}"`);
for (const driver of values.driver ?? ["overlay2", "erofs"]) {
  const start = performance.now();
  const tell = (line: string): void => console.log(line);
  await killWhileImagesChange({ driver, kills, random: seeded(`kills, ${driver}`), tell });
  console.log(`${driver}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
}
