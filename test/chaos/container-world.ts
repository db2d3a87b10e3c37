/**
 * An engine with containers that nobody touches: some write numbers and answer at published ports, one is healthy, one has a
 * check that hangs, one ends again and again and is started again. Beside them victims come and go.
 */
import { Engine } from "../support/engine.ts";
import { busyboxArchive } from "../support/images.ts";
import { expectNoLeaks, type Inventory } from "../support/leak-check.ts";
import { ownInventory } from "../support/own-inventory.ts";
import { SLOWNESS, until } from "../support/until.ts";
import { containerFacts, type Facts, VICTIM_LABEL } from "./container-facts.ts";
import {
  type Blow,
  type Bystander,
  bystanderViolations,
  type CheckedNames,
  lifeViolations,
  probeViolations,
} from "./container-violations.ts";
import { NumberedLog, Prober } from "./container-watch.ts";

const FIRST_PORT = 18100;
/** Of the host; whichever victim there is has it, and it has this volume. */
export const VICTIM_PORT = 18500;
export const VOLUME = "data";
const NAMES: CheckedNames = { healthy: "healthy", hanging: "hanging", reviving: "reviving" };
const HANGING_CHECK = ["sleep", "2000000"];

/** A counter with a page. */
const PAUSE = "sleep 0.1";
const WRITE = `mkdir /w; hostname >/w/index.html; httpd -p 80 -h /w; i=0; while :; do echo $i; i=$((i+1)); ${PAUSE}; done`;

/** In Go's unit. */
const seconds = (count: number): number => count * 1_000_000_000;

export interface WishedContainer {
  readonly command: readonly string[];
  readonly port?: number;
  readonly check?: Readonly<Record<string, unknown>>;
  readonly policy?: Readonly<Record<string, unknown>>;
  readonly isVictim?: boolean;
  readonly removes?: boolean;
}

/** Its id. */
export async function create(engine: Engine, name: string, wish: WishedContainer): Promise<string> {
  const { command, port, check, policy, isVictim = false, removes = false } = wish;
  const made = await engine.json("POST", `/containers/create?name=${name}`, {
    Image: "busybox",
    Cmd: command,
    Labels: isVictim ? { [VICTIM_LABEL]: "" } : {},
    ...(check === undefined ? {} : { Healthcheck: check }),
    // A named volume that stays, and one that comes and goes with it.
    Volumes: isVictim ? { "/scratch": {} } : {},
    HostConfig: {
      AutoRemove: removes,
      Binds: isVictim ? [`${VOLUME}:/data`] : [],
      NetworkMode: port === undefined ? "none" : "bridge",
      PortBindings: port === undefined ? {} : { "80/tcp": [{ HostPort: String(port) }] },
      RestartPolicy: policy ?? { Name: "no" },
    },
  });
  return textOf(made, "Id");
}

async function run(engine: Engine, name: string, wish: WishedContainer): Promise<void> {
  await create(engine, name, wish);
  await engine.json("POST", `/containers/${name}/start`);
}

export function textOf(document: unknown, field: string): string {
  const value: unknown = new Map(Object.entries(document ?? {})).get(field);
  if (typeof value !== "string") throw new Error(`${field} is missing in ${JSON.stringify(document)}`);
  return value;
}

export class ContainerWorld implements AsyncDisposable {
  readonly engine: Engine;
  readonly #logs: readonly NumberedLog[];
  readonly #prober: Prober;
  readonly #before: Inventory;
  readonly #bystanders: readonly Bystander[];

  private constructor(engine: Engine, prober: Prober, known: Pick<Known, "logs" | "before" | "bystanders">) {
    this.engine = engine;
    this.#prober = prober;
    this.#logs = known.logs;
    this.#before = known.before;
    this.#bystanders = known.bystanders;
  }

  /** `writers`: how many of those that write and answer. */
  static async start(writers: number): Promise<ContainerWorld> {
    const engine = await Engine.start();
    let prober: Prober | undefined;
    try {
      const names = await populate(engine, writers);
      // With what a daemon that came up again has open.
      await engine.restart();
      await warmUp(engine);
      prober = await Prober.start(
        engine,
        names.map((_, i) => FIRST_PORT + i),
      );
      return new ContainerWorld(engine, prober, await known(engine, names));
    } catch (error) {
      prober?.stop();
      await engine.close();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#prober.stop();
    await this.engine.close();
  }

  get tally(): { readonly probes: number; readonly lines: number } {
    return { probes: this.#prober.tried, lines: this.#logs.reduce((sum, { count }) => sum + count, 0) };
  }

  /** Of the writers. Each failed probe is told once. */
  async writerViolations(blow: Blow): Promise<readonly string[]> {
    return [
      ...probeViolations(await this.#prober.failures(), blow),
      ...this.#logs.flatMap((log) => log.violation() ?? []),
    ];
  }

  /** `backMs`: since when the present daemon answers, if it is another than before. */
  bystanderViolations(facts: Facts, backMs: number | undefined): readonly string[] {
    return [...bystanderViolations(facts, this.#bystanders), ...lifeViolations(facts, NAMES, backMs)];
  }

  /** When there is no victim. Throws what is there and was not before the first one. */
  async expectNothingLeft(): Promise<void> {
    await atRest(this.engine, () => expectNoLeaks(this.engine, this.#before, [], inventoryAtRest));
  }
}

async function populate(engine: Engine, writers: number): Promise<readonly string[]> {
  await engine.ok(["load", "-q", "-i", await busyboxArchive()]);
  await engine.json("POST", "/volumes/create", { Name: VOLUME });
  const names = Array.from({ length: writers }, (_, i) => `writer${i}`);
  for (const [i, name] of names.entries())
    await run(engine, name, { command: ["sh", "-c", WRITE], port: FIRST_PORT + i });
  const sleep = ["sleep", "1000000"];
  const check = {
    Test: ["CMD", "true"],
    Interval: seconds(0.5),
    Timeout: seconds(30 * SLOWNESS),
    Retries: 3,
  };
  await run(engine, NAMES.healthy, { command: sleep, check });
  const hanging = { Test: ["CMD", ...HANGING_CHECK], Interval: seconds(0.2), Timeout: seconds(1) };
  await run(engine, NAMES.hanging, { command: sleep, check: hanging });
  await run(engine, NAMES.reviving, {
    command: ["sh", "-c", "sleep 0.2; exit 1"],
    policy: { Name: "always" },
  });
  return names;
}

/** What a daemon makes when it first needs it, and keeps, is made now. */
async function warmUp(engine: Engine): Promise<void> {
  const wish = { command: ["sleep", "0.3"], port: VICTIM_PORT, isVictim: true };
  await run(engine, "first", wish);
  await engine.json("GET", "/containers/first/logs?stdout=1&follow=1");
  await engine.json("DELETE", "/containers/first?force=1&v=1");
}

interface Known {
  readonly logs: readonly NumberedLog[];
  readonly before: Inventory;
  readonly bystanders: readonly Bystander[];
}

async function known(engine: Engine, writers: readonly string[]): Promise<Known> {
  const touched = [...writers, NAMES.healthy, NAMES.hanging];
  const { containers } = await containerFacts(engine, Date.now());
  const bystanders = containers.filter(({ name }) => touched.includes(name));
  const logs = await Promise.all(
    writers.map(
      async (name) =>
        new NumberedLog(name, textOf(await engine.json("GET", `/containers/${name}/json`), "LogPath")),
    ),
  );
  let before: Inventory = {};
  await atRest(engine, () =>
    until("a check that hangs", () => {
      before = inventoryAtRest(engine);
      return before["processes"]?.has(`${HANGING_CHECK.join(" ")} (1)`) ?? false;
    }),
  );
  return { logs, before, bystanders };
}

/** Without the writers' pauses: how many of them are in one at a time is by chance. They are counted themselves. */
function inventoryAtRest(engine: Engine): Inventory {
  const { processes = new Set<string>(), ...others } = ownInventory(engine);
  return { ...others, processes: new Set([...processes].filter((one) => !one.startsWith(`${PAUSE} (`))) };
}

/** Who comes and goes by himself would be in the way of whoever counts. */
async function atRest(engine: Engine, look: () => Promise<void>): Promise<void> {
  await engine.json("POST", `/containers/${NAMES.reviving}/stop?t=0`);
  await look();
  await engine.json("POST", `/containers/${NAMES.reviving}/start`);
}
