/**
 * What is done to containers when the blow falls, and what it may leave: what a client was told is so, and of what was cut off
 * there is all or nothing. What is acted on has always the same name, port and volume: they are free again, or the next one fails.
 */
import { request } from "node:http";
import { TarBuilder } from "../support/tar-builder.ts";
import { until } from "../support/until.ts";
import {
  both,
  type Claim,
  ended,
  gone,
  image,
  is,
  limited,
  someCreated,
  VICTIM,
  volume,
} from "./container-claims.ts";
import { type ContainerWorld, create, textOf, VICTIM_PORT, type WishedContainer } from "./container-world.ts";
import { containerFacts, VICTIM_LABEL } from "./container-facts.ts";
import type { Form, Promises } from "./container-violations.ts";

/** What a verb knows of its victim from its preparation on. */
export interface Scene {
  readonly world: ContainerWorld;
  /** "" until it is there. */
  id: string;
  /** Of its main process. */
  pid: number;
  /** Those that have ended while no daemon was there, with their exit codes. */
  readonly unseen: Map<string, number>;
}

export interface Verb extends Promises {
  readonly name: string;
  /** Of the whole campaign. */
  readonly kills: number;
  readonly forms: readonly Form[];
  /** Not hit. */
  readonly prepare: (scene: Scene) => Promise<void>;
  /** Rejects when it is not answered, or with an error. */
  readonly act: (scene: Scene) => Promise<void>;
  readonly whileDead?: (scene: Scene) => Promise<void>;
  /** Throws what is not as it was answered, and no claim tells. */
  readonly verify?: (scene: Scene) => Promise<void>;
  /** What it leaves by right, when it was cut off, is put away. */
  readonly clean?: (scene: Scene) => Promise<void>;
}

const SLEEP: WishedContainer = { command: ["sleep", "1000000"], port: VICTIM_PORT, isVictim: true };
const trapping = (exitCode: number): WishedContainer => ({
  ...SLEEP,
  command: ["sh", "-c", `trap "exit ${exitCode}" TERM; echo up; sleep 1000000 & wait`],
});

const post = async ({ world }: Scene, path: string, body?: unknown): Promise<unknown> =>
  world.engine.json("POST", path, body);

async function made(scene: Scene, wish: WishedContainer = SLEEP): Promise<void> {
  scene.id = await create(scene.world.engine, VICTIM, wish);
}

async function started(scene: Scene): Promise<void> {
  await post(scene, `/containers/${VICTIM}/start`);
}

async function running(scene: Scene, wish: WishedContainer = SLEEP): Promise<void> {
  await made(scene, wish);
  await started(scene);
}

/** Runs, and will end in its own way when it is told to. */
async function ready(scene: Scene, wish: WishedContainer): Promise<void> {
  const { engine } = scene.world;
  await running(scene, wish);
  await until("the victim to be ready", async () =>
    (await engine.api("GET", `/containers/${VICTIM}/logs?stdout=1`)).body.includes("up"),
  );
  const { containers } = await containerFacts(engine, Date.now());
  scene.pid = containers.find(({ isVictim }) => isVictim)?.pid ?? 0;
}

/** Its process is told to end; whoever waits for that has asked before. */
function endsItself(condition: "not-running" | "removed"): (scene: Scene) => Promise<void> {
  return async (scene) => {
    const waiting = scene.world.engine.waits(VICTIM, condition);
    // It ends whatever becomes of the daemon that was asked.
    const { code } = await waiting.finally(() => process.kill(scene.pid, "SIGTERM"));
    await code;
  };
}

async function endsUnseen({ id, pid, unseen }: Scene): Promise<void> {
  process.kill(pid, "SIGTERM");
  await until("the victim's process to end", () => !isThere(pid));
  unseen.set(id, 7);
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A body that is no JSON, or an answer that is given up after a while (`forMs`). */
function stream(
  { world }: Scene,
  method: string,
  path: string,
  { body, forMs }: { readonly body?: Buffer; readonly forMs?: number } = {},
): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const call = request({ socketPath: world.engine.socket, method, path, agent: false }, (response) => {
    const parts: Buffer[] = [];
    const end = (): void => {
      const whole = Buffer.concat(parts);
      if (response.statusCode === 200) resolve(whole);
      else reject(new Error(`${method} ${path}: ${response.statusCode} ${whole.toString()}`));
    };
    response.on("data", (part: Buffer) => parts.push(part));
    response.on("end", end);
    response.on("error", reject);
    // Cut off in the middle.
    response.on("close", () => reject(new Error(`${method} ${path}: the answer has no end`)));
    if (forMs !== undefined)
      setTimeout(() => {
        end();
        call.destroy();
      }, forMs);
  });
  call.on("error", reject);
  call.end(body);
  return promise;
}

const CONTENT = Buffer.alloc(700_000, "content ");
const archive = (): Buffer =>
  new TarBuilder()
    .directory("in/")
    .file("in/one", CONTENT)
    .file("in/two", CONTENT)
    .file("in/three", CONTENT)
    .end();

const DAEMON: readonly Form[] = ["daemon", "daemon", "daemon", "daemon", "daemon", "twice", "twice", "pause"];
const DAEMON_SHIM: readonly Form[] = [...DAEMON, "shim"];
const HELPER: readonly Form[] = [...DAEMON, "helper", "helper"];
const DEAD: readonly Form[] = ["daemon", "daemon", "daemon", "twice"];

interface Wish extends Omit<Verb, "kills" | "between" | "runs" | "forms" | "prepare"> {
  readonly kills?: number;
  readonly between?: readonly Claim[];
  readonly runs?: number | undefined;
  readonly forms?: readonly Form[];
  readonly prepare?: Verb["prepare"];
}

/** One process, fifty kills, of the daemon only, and nothing but the one or the other is left. */
function verb(wish: Wish): Verb {
  return {
    kills: 50,
    between: [],
    runs: 1,
    forms: DAEMON,
    prepare: () => Promise.resolve(),
    ...wish,
  };
}

const memory = (mebibytes: number): unknown => ({ Memory: mebibytes << 20, MemorySwap: -1 });
const runs = is("running");
const created = is("created");
const killed = ended(137);
const to = (path: string) => async (scene: Scene) => void (await post(scene, path));
const victim = (verb: string) => to(`/containers/${VICTIM}/${verb}`);

/** Those that the whole campaign hits most. */
const OFTEN: readonly Verb[] = [
  verb({
    name: "create",
    forms: [...HELPER],
    act: (scene) => made(scene),
    before: gone,
    after: created,
  }),
  verb({ name: "start", forms: DAEMON_SHIM, prepare: made, act: started, before: created, after: runs }),
  verb({ name: "run", act: (scene) => running(scene), before: gone, between: [created], after: runs }),
  verb({
    name: "run --rm",
    act: async (scene) => {
      await made(scene, { ...SLEEP, command: ["true"], removes: true });
      const { code } = await scene.world.engine.waits(VICTIM, "removed");
      await Promise.all([started(scene), code]);
    },
    before: gone,
    // Nobody has started it.
    between: [created],
    after: gone,
  }),
  verb({
    name: "stop",
    forms: DAEMON_SHIM,
    prepare: (scene) => ready(scene, trapping(5)),
    act: victim("stop"),
    before: runs,
    after: ended(5),
  }),
  verb({
    name: "kill",
    forms: DAEMON_SHIM,
    prepare: (scene) => running(scene),
    act: victim("kill"),
    before: runs,
    after: killed,
  }),
  verb({
    name: "rm -f",
    forms: DAEMON_SHIM,
    prepare: (scene) => running(scene),
    act: async ({ world }) => void (await world.engine.json("DELETE", `/containers/${VICTIM}?force=1&v=1`)),
    before: runs,
    between: [killed],
    after: gone,
  }),
  verb({
    name: "exec",
    forms: DAEMON_SHIM,
    prepare: (scene) => running(scene),
    act: async (scene) => {
      const exec = textOf(
        await post(scene, `/containers/${VICTIM}/exec`, { Cmd: ["echo", "fine"], AttachStdout: true }),
        "Id",
      );
      const said = await scene.world.engine.api("POST", `/exec/${exec}/start`, { Detach: false });
      if (!said.body.endsWith("fine\n")) throw new Error(`the process said "${said.body}"`);
    },
    before: runs,
    after: runs,
  }),
].map((often) => ({ ...often, kills: 200 }));

const SELDOM: readonly Verb[] = [
  verb({
    name: "commit",
    forms: HELPER,
    prepare: (scene) => running(scene),
    act: async (scene) =>
      void (await scene.world.engine.json("POST", `/commit?container=${VICTIM}&repo=committed`, {})),
    before: runs,
    after: both(runs, image("committed:latest")),
  }),
  verb({
    name: "cp in",
    forms: HELPER,
    prepare: (scene) => running(scene),
    act: async (scene) =>
      void (await stream(scene, "PUT", `/containers/${VICTIM}/archive?path=/`, { body: archive() })),
    verify: async (scene) => {
      const tar = await stream(scene, "GET", `/containers/${VICTIM}/archive?path=/in/three`);
      if (!tar.includes(CONTENT)) throw new Error("what was copied is not there");
    },
    before: runs,
    after: runs,
  }),
  verb({
    name: "cp in, stopped",
    forms: HELPER,
    prepare: (scene) => made(scene),
    act: async (scene) =>
      void (await stream(scene, "PUT", `/containers/${VICTIM}/archive?path=/data`, { body: archive() })),
    before: created,
    after: created,
  }),
  verb({
    name: "cp out",
    forms: HELPER,
    prepare: (scene) => running(scene),
    act: async (scene) => void (await stream(scene, "GET", `/containers/${VICTIM}/archive?path=/bin`)),
    before: runs,
    after: runs,
  }),
  verb({
    name: "export",
    forms: HELPER,
    prepare: (scene) => running(scene),
    act: async (scene) => void (await stream(scene, "GET", `/containers/${VICTIM}/export`)),
    before: runs,
    after: runs,
  }),
  verb({
    name: "rename",
    prepare: (scene) => running(scene),
    act: victim("rename?name=renamed"),
    before: runs,
    after: is("running", "renamed"),
  }),
  verb({
    name: "update",
    prepare: async (scene) => {
      await running(scene);
      await post(scene, `/containers/${VICTIM}/update`, memory(64));
    },
    act: async (scene) => void (await post(scene, `/containers/${VICTIM}/update`, memory(128))),
    before: limited(64),
    after: limited(128),
  }),
  verb({
    name: "restart",
    forms: DAEMON_SHIM,
    prepare: (scene) => ready(scene, trapping(5)),
    act: victim("restart"),
    before: runs,
    between: [ended(5)],
    after: runs,
    runs: 2,
  }),
  verb({
    name: "pause",
    forms: DAEMON_SHIM,
    prepare: (scene) => running(scene),
    act: victim("pause"),
    before: runs,
    after: is("paused"),
  }),
  verb({
    name: "unpause",
    forms: DAEMON_SHIM,
    prepare: async (scene) => {
      await running(scene);
      await post(scene, `/containers/${VICTIM}/pause`);
    },
    act: victim("unpause"),
    before: is("paused"),
    after: runs,
  }),
  verb({
    name: "volume create",
    act: async (scene) => void (await post(scene, "/volumes/create", { Name: "one" })),
    before: volume("one", false),
    after: volume("one", true),
  }),
  verb({
    name: "volume rm",
    prepare: async (scene) => void (await post(scene, "/volumes/create", { Name: "one" })),
    act: async ({ world }) => void (await world.engine.json("DELETE", "/volumes/one")),
    before: volume("one", true),
    after: volume("one", false),
  }),
  verb({
    name: "prune",
    prepare: async ({ world }) => {
      const wish = { command: ["true"], isVictim: true };
      for (const name of ["one", "two", "three"]) await create(world.engine, `${VICTIM}-${name}`, wish);
    },
    act: async (scene) => {
      const filters = encodeURIComponent(JSON.stringify({ label: [VICTIM_LABEL] }));
      await post(scene, `/containers/prune?filters=${filters}`);
      await post(scene, "/volumes/prune");
    },
    // As with Docker, the volumes of pruned containers are another prune's.
    clean: async (scene) => void (await post(scene, "/volumes/prune")),
    before: someCreated,
    after: gone,
  }),
  verb({
    name: "logs -f",
    prepare: (scene) => running(scene),
    act: async (scene) =>
      void (await stream(scene, "GET", `/containers/writer0/logs?stdout=1&follow=1&tail=100`, {
        forMs: 100,
      })),
    before: runs,
    after: runs,
  }),
  verb({
    name: "end",
    forms: DAEMON_SHIM,
    prepare: (scene) => ready(scene, trapping(7)),
    act: endsItself("not-running"),
    before: ended(7),
    after: ended(7),
  }),
  verb({
    name: "end, --rm",
    forms: DAEMON_SHIM,
    prepare: (scene) => ready(scene, { ...trapping(7), removes: true }),
    act: endsItself("removed"),
    before: gone,
    after: gone,
  }),
  verb({
    name: "end unseen",
    forms: DEAD,
    prepare: (scene) => ready(scene, trapping(7)),
    act: () => Promise.resolve(),
    whileDead: endsUnseen,
    before: ended(7),
    after: ended(7),
  }),
  verb({
    name: "end unseen, --rm",
    forms: DEAD,
    prepare: (scene) => ready(scene, { ...trapping(7), removes: true }),
    act: () => Promise.resolve(),
    whileDead: endsUnseen,
    before: gone,
    after: gone,
  }),
  verb({
    name: "end, always",
    forms: DAEMON_SHIM,
    prepare: (scene) => ready(scene, { ...trapping(7), policy: { Name: "always" } }),
    act: async ({ pid }) => {
      process.kill(pid, "SIGTERM");
      await until("the victim's process to end", () => !isThere(pid));
    },
    before: runs,
    after: runs,
    runs: 3,
  }),
  verb({
    name: "end, on-failure",
    prepare: (scene) =>
      made(scene, {
        ...SLEEP,
        command: ["sh", "-c", "exit 3"],
        policy: { Name: "on-failure", MaximumRetryCount: 2 },
      }),
    act: async (scene) => {
      await started(scene);
      await post(scene, `/containers/${VICTIM}/wait`);
    },
    before: created,
    after: ended(3),
    runs: undefined,
  }),
];

export const VERBS: readonly Verb[] = [...OFTEN, ...SELDOM];
