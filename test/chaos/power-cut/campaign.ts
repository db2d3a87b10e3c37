/**
 * Power cuts. The engine's data root lies on a disk that is recorded while images come, change and go; then the disk is made
 * again as a cut at some moment would have left it, and the engine starts on it: at every flush of the disk, at the answer
 * to every client, and at random moments, with more or less lost of what was written since the last flush.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { busyboxArchive } from "../../support/images.ts";
import { type Engine, ROOT } from "../../support/engine.ts";
import { ImageWorld } from "../image-world.ts";
import { type Allowed, expectSurvived } from "./after-cut.ts";
import { DiskStates } from "./disk-states.ts";
import { chosen, pointsOf, type Span } from "./points.ts";
import { FILE_SYSTEMS, type FileSystem, mountDisk, RecordedDisk, unmountDisk } from "./recorded-disk.ts";
import { playScript } from "./script.ts";
import { allowedAt, momentOf, type Step } from "./timeline.ts";
import { readWriteLog, type WriteLog } from "./write-log.ts";

export interface PowerCutCampaign {
  readonly driver: string;
  /** A name of FILE_SYSTEMS. */
  readonly fileSystem: string;
  /** Of all the cuts there are, so many by chance; undefined: every one. */
  readonly points: number | undefined;
  readonly random: () => number;
  readonly tell: (line: string) => void;
}

const DISK_BYTES = 384 << 20;
/** Each may be another one; beyond that they are the same one again. */
const MAX_VIOLATIONS = 10;
/** Of the first violation: the disk as the cut left it. */
const KEPT = join(ROOT, "build", "power-cut.img");

export async function cutPowerWhileImagesChange(campaign: PowerCutCampaign): Promise<void> {
  const { driver, random, tell } = campaign;
  const fileSystem = FILE_SYSTEMS[campaign.fileSystem];
  if (fileSystem === undefined) throw new Error(`unknown file system "${campaign.fileSystem}"`);
  await using world = await ImageWorld.start(driver);
  await using disk = await RecordedDisk.start(world.engine, DISK_BYTES);
  const { span, steps } = await record(world, disk, fileSystem);
  const log = readWriteLog(disk.log);
  expectWholeLog(log, disk);
  const all = pointsOf(log.writes, span, steps, random);
  const points = chosen(all, campaign.points ?? all.length, random);
  const what = `${driver} on ${campaign.fileSystem}`;
  tell(`${what}: ${steps.length} steps, ${log.writes.length} writes; ${points.length} of ${all.length} cuts`);
  using states = new DiskStates(log, disk.log, join(disk.directory, "flushed"), DISK_BYTES);
  const cut = join(disk.directory, "cut");
  const violations: string[] = [];
  for (const [done, point] of points.entries()) {
    if (done > 0 && done % 50 === 0) tell(`${what}: ${done} cuts, ${violations.length} violations`);
    states.make(cut, point, random);
    const problem = await violationOn(world, fileSystem, cut, allowedAt(steps, point.position));
    if (problem === undefined) continue;
    if (violations.length === 0) copyFileSync(cut, KEPT);
    const when = `${momentOf(steps, point.position)}, after ${point.writes} writes, ${point.loses} lost`;
    violations.push(`${what}, ${when}: ${problem}`);
    tell(violations.at(-1) ?? "");
    if (violations.length === MAX_VIOLATIONS) break;
  }
  if (violations.length > 0)
    throw new Error(
      `${violations.length} violations; the first disk is in ${KEPT}\n${violations.join("\n")}`,
    );
}

interface Recording {
  /** When the script was played. */
  readonly span: Span;
  readonly steps: readonly Step[];
}

async function record(world: ImageWorld, disk: RecordedDisk, fileSystem: FileSystem): Promise<Recording> {
  const { engine } = world;
  await emptied(engine);
  await disk.mount(fileSystem, join(engine.dir, "data"));
  try {
    await engine.launch();
    await engine.ok(["load", "-q", "-i", await busyboxArchive()]);
    const startsAt = disk.logBytes;
    const steps = await playScript(world, () => disk.logBytes);
    return { span: { startsAt, endsAt: disk.logBytes }, steps };
  } finally {
    await emptied(engine);
    await disk.finish();
  }
}

/** Else the cuts would be those of another disk. */
function expectWholeLog(log: WriteLog, disk: RecordedDisk): void {
  const again = join(disk.directory, "again");
  using states = new DiskStates(log, disk.log, join(disk.directory, "flushed"), DISK_BYTES);
  states.make(again, { writes: log.writes.length, loses: "nothing" }, () => 0);
  execFileSync("cmp", [disk.file, again]);
  rmSync(again);
}

/** What is wrong after the cut that left this disk, which stays as it is; undefined: nothing. */
async function violationOn(
  world: ImageWorld,
  fileSystem: FileSystem,
  cut: string,
  allowed: Allowed,
): Promise<string | undefined> {
  const { engine } = world;
  const used = `${cut}.used`;
  const data = join(engine.dir, "data");
  execFileSync("cp", ["--sparse=auto", cut, used]);
  await mountDisk(engine, fileSystem, used, data);
  try {
    await expectSurvived(world, allowed);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await emptied(engine);
    await unmountDisk(engine, data);
    rmSync(used);
  }
}

/** No container runs, and no daemon. */
async function emptied(engine: Engine): Promise<void> {
  if (await engine.ping()) {
    const ids = (await engine.ok(["ps", "-aq", "--no-trunc"])).split("\n").filter((id) => id !== "");
    if (ids.length > 0) await engine.ok(["rm", "-f", ...ids]);
  }
  await engine.shutdown();
}
