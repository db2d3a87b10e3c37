/**
 * kill -9 of the daemon, of shims and of native helpers at random moments, those of a start among them, while containers come,
 * change and go; or the daemon stands still for a while. After each blow nobody who had nothing to do with it has noticed
 * (`container-world.ts`), what was acted on is as a client was told or not there at all and can be used and removed
 * (`container-verbs.ts`, `container-claims.ts`), each end was told once and rightly (`container-violations.ts`), and nothing is
 * left. A violation is thrown with the number of the kill, the verb and the moment.
 */
import { readFileSync } from "node:fs";
import { messageOf } from "../../src/base/errors.ts";
import { SLOWNESS, until } from "../support/until.ts";
import { victimsIn } from "./container-claims.ts";
import { containerFacts, type Facts } from "./container-facts.ts";
import { type PlannedBlow, strike, type Struck } from "./container-strikes.ts";
import { type Scene, type Verb, VERBS } from "./container-verbs.ts";
import { claimViolations, containerViolations, deathViolations, type Form } from "./container-violations.ts";
import { ContainerWorld } from "./container-world.ts";

export interface ContainerCampaign {
  /** By name; all of them when none is named. */
  readonly verbs: readonly string[];
  /** Altogether; undefined = each verb's own number. */
  readonly kills: number | undefined;
  /** Containers that write numbers and answer at ports all the time. */
  readonly writers: number;
  /** How often a verb is measured before the first kill. */
  readonly measures: number;
  /** After so many kills it is counted what is left. */
  readonly countEvery: number;
  /** So many of the daemon's stand-stills take `LONG_MS`. */
  readonly longStops: number;
  readonly random: () => number;
  readonly tell: (line: string) => void;
}

/** What is still being torn down, or started again, is given this long. */
const PATIENCE_MS = 8_000 * SLOWNESS;
const LONG_MS = 30_000;
const LOG_LINES = 60;

/** A campaign of most of an hour is not to be silent. */
const TOLD_EVERY = 250;

export async function killWhileContainersChange(campaign: ContainerCampaign): Promise<void> {
  const verbs = chosen(campaign.verbs);
  const { random, tell, measures, countEvery } = campaign;
  await using world = await ContainerWorld.start(campaign.writers);
  const usual = await usualTimes(world, verbs, measures);
  const tally = new Tally();
  let longStops = campaign.longStops;
  for (const [kill, verb] of order(verbs, campaign.kills, random).entries()) {
    const form = verb.forms[Math.floor(random() * verb.forms.length)] ?? "daemon";
    const isLong = form === "pause" && longStops-- > 0;
    const plan = {
      form,
      delayMs: random() * (usual.get(verb) ?? 0) * 1.3,
      againMs: random() * 500,
      pauseMs: isLong ? LONG_MS : 50 + random() * 250,
    };
    try {
      tally.note(verb, await struck(world, verb, plan));
      if (kill % countEvery === countEvery - 1) await world.expectNothingLeft();
      if ((kill + 1) % TOLD_EVERY === 0) tell(`${kill + 1} kills so far`);
    } catch (error) {
      throw new Error(
        `kill ${kill} (${form}), ${plan.delayMs.toFixed(1)} ms into "${verb.name}"${form === "twice" ? `, then ${plan.againMs.toFixed(1)} ms into the start` : ""}: ${messageOf(error)}\n${lastWords(world)}`,
        { cause: error },
      );
    }
  }
  await world.expectNothingLeft();
  for (const line of tally.lines()) tell(line);
  const { probes, lines } = world.tally;
  tell(`${campaign.writers} containers wrote ${lines} lines and were asked ${probes} times meanwhile`);
}

function chosen(names: readonly string[]): readonly Verb[] {
  const unknown = names.find((name) => !VERBS.some((verb) => verb.name === name));
  if (unknown !== undefined)
    throw new Error(`no verb "${unknown}": there are ${VERBS.map(({ name }) => `"${name}"`).join(", ")}`);
  return names.length === 0 ? VERBS : VERBS.filter(({ name }) => names.includes(name));
}

/** In turn, or each as often as it is to be, by chance. */
function order(verbs: readonly Verb[], kills: number | undefined, random: () => number): readonly Verb[] {
  if (kills === undefined)
    return verbs
      .flatMap((verb) => Array.from({ length: verb.kills }, () => ({ verb, at: random() })))
      .toSorted((a, b) => a.at - b.at)
      .map(({ verb }) => verb);
  return Array.from({ length: kills }, (_, kill) => verbs[kill % verbs.length]).filter(
    (verb) => verb !== undefined,
  );
}

/** How long each verb takes when nobody is hit: the median. */
async function usualTimes(
  world: ContainerWorld,
  verbs: readonly Verb[],
  measures: number,
): Promise<ReadonlyMap<Verb, number>> {
  const times = new Map<Verb, number>();
  for (const verb of verbs) {
    const taken: number[] = [];
    for (let i = 0; i < measures; i++) {
      const scene: Scene = { world, id: "", pid: 0, unseen: new Map() };
      await verb.prepare(scene);
      const start = performance.now();
      await verb.act(scene);
      taken.push(performance.now() - start);
      await verb.verify?.(scene);
      await clear(world);
    }
    times.set(verb, medianOf(taken));
  }
  return times;
}

async function struck(world: ContainerWorld, verb: Verb, plan: PlannedBlow): Promise<Struck> {
  const { engine } = world;
  const scene: Scene = { world, id: "", pid: 0, unseen: new Map() };
  const sinceMs = Date.now();
  await verb.prepare(scene);
  const result = await strike(engine, plan, {
    act: () => verb.act(scene),
    whileDead: () => verb.whileDead?.(scene) ?? Promise.resolve(),
    victimId: () => scene.id,
  });
  await expectWhole(world, verb, { ...result, sinceMs, unseen: scene.unseen });
  if (result.isDone && result.blow.form !== "shim") await verb.verify?.(scene);
  await expectUsable(world);
  await clear(world);
  await verb.clean?.(scene);
  return result;
}

interface Outcome extends Struck {
  readonly sinceMs: number;
  readonly unseen: ReadonlyMap<string, number>;
}

/** Looks again for as long as something may still be on its way; then throws all that is wrong. */
async function expectWhole(world: ContainerWorld, verb: Verb, outcome: Outcome): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  const { blow } = outcome;
  // Each failed probe is told once: what is wrong with those stays wrong.
  const ofWriters = await world.writerViolations(blow);
  for (;;) {
    const wrong = [...ofWriters, ...(await violations(world, verb, outcome))];
    if (wrong.length === 0) return;
    if (ofWriters.length > 0 || performance.now() > end) throw new Error(wrong.join("\n"));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function violations(
  world: ContainerWorld,
  verb: Verb,
  { blow, isDone, restartMs, sinceMs, unseen }: Outcome,
): Promise<readonly string[]> {
  let facts: Facts;
  try {
    facts = await containerFacts(world.engine, sinceMs);
  } catch (error) {
    return [messageOf(error)];
  }
  return [
    ...containerViolations(facts),
    ...claimViolations(facts, verb, { isDone, form: blow.form }),
    ...deathViolations(facts, verb.runs, blow, unseen),
    ...world.bystanderViolations(facts, restartMs === undefined ? undefined : blow.backMs),
  ];
}

/** Whatever is left of those that were acted on can be started and removed. */
async function expectUsable({ engine }: ContainerWorld): Promise<void> {
  for (const { id, name, status } of victimsIn(await containerFacts(engine, Date.now()))) {
    if (status === "paused") continue;
    const answer = await engine.api("POST", `/containers/${id}/start`);
    if (![204, 304].includes(answer.status))
      throw new Error(`${name}, which is ${status}, cannot be started: ${answer.status} ${answer.body}`);
  }
}

/** Containers, volumes and images that verbs make. */
async function clear({ engine }: ContainerWorld): Promise<void> {
  const { containers, volumes, images } = await containerFacts(engine, Date.now());
  for (const { id, name } of victimsIn({ containers })) {
    const answer = await engine.api("DELETE", `/containers/${id}?force=1&v=1`);
    // One of --rm goes by itself.
    if (![204, 404, 409].includes(answer.status))
      throw new Error(`${name} cannot be removed: ${answer.status} ${answer.body}`);
    await until(
      `${name} to be gone`,
      async () => (await engine.api("GET", `/containers/${id}/json`)).status === 404,
    );
  }
  if (volumes.includes("one")) await engine.json("DELETE", "/volumes/one");
  if (images.includes("committed:latest")) await engine.json("DELETE", "/images/committed:latest?force=1");
}

/** The log goes with the engine. */
function lastWords({ engine }: ContainerWorld): string {
  const lines = readFileSync(engine.logFile, "utf8")
    .trimEnd()
    .split("\n")
    .filter((line) => !/ msg="?answered"? .* method=GET /.test(line));
  return ["the daemon's last words:", ...lines.slice(-LOG_LINES)].join("\n");
}

function medianOf(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}

class Tally {
  readonly #byVerb = new Map<string, Map<Form, number>>();
  readonly #restarts: number[] = [];
  #done = 0;
  #count = 0;

  note({ name }: Verb, { blow, isDone, restartMs }: Struck): void {
    const forms = this.#byVerb.get(name) ?? new Map<Form, number>();
    this.#byVerb.set(name, forms.set(blow.form, (forms.get(blow.form) ?? 0) + 1));
    if (restartMs !== undefined) this.#restarts.push(restartMs);
    if (isDone) this.#done++;
    this.#count++;
  }

  lines(): readonly string[] {
    const sorted = this.#restarts.toSorted((a, b) => a - b);
    return [
      ...[...this.#byVerb].map(
        ([name, forms]) => `${name}: ${[...forms].map(([form, count]) => `${form} ${count}`).join(", ")}`,
      ),
      `${this.#count} kills, ${this.#done} of verbs that were answered all the same; restarts took ${medianOf(sorted).toFixed(0)} ms (median), ${(sorted.at(-1) ?? 0).toFixed(0)} ms at most`,
    ];
  }
}
