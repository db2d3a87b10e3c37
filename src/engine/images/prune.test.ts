import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Readable } from "node:stream";
import { NO_LOG } from "../../base/log.ts";
import { ImageUses } from "../../core/gc/image-uses.ts";
import { DEFAULT_IMAGE_POLICY } from "../../core/gc/image-policy.ts";
import { configOf, dockerArchive, layerOf, type TestLayer } from "../../core/images/testing/archives.ts";
import { openStore, type TestStore } from "../../core/images/testing/store.ts";
import type { EventMessage } from "../../specs/engine/system.ts";
import type { Container } from "../containers/container.ts";
import type { ContainerStatus } from "../../specs/engine/container.ts";
import { ContainerStore } from "../containers/store.ts";
import { containerConfig, hostConfig } from "../testing/host-config.ts";
import { type ExpireDeps, expireImages } from "./expire.ts";
import { removeImage } from "./remove.ts";
import { planPruneImages, pruneImages, type PruneImagesDeps } from "./prune.ts";
import { rejection } from "../../base/testing/rejection.ts";

const NEVER = new AbortController().signal;
const layer = (name: string, bytes: number): TestLayer => layerOf([{ name, content: "x".repeat(bytes) }]);
const BASE = layer("base", 1000);

let store: TestStore;
let containers: Container[];
let containerStore: ContainerStore;
let events: EventMessage[];
let deps: PruneImagesDeps & ExpireDeps & { readonly imageUses: ImageUses };

beforeEach(async () => {
  store = await openStore();
  containers = [];
  containerStore = new ContainerStore(store.metadata, {
    cgroupVersion: 1,
    maskedPaths: [],
    readonlyPaths: [],
    hostname: "h",
    runtime: "gantry-runc",
    network: "bridge",
  });
  events = [];
  deps = {
    images: store.images,
    imageUses: new ImageUses(store.metadata),
    snapshots: store.snapshots,
    content: store.content,
    leases: store.leases,
    containers: () => containers,
    events: { publish: (event) => events.push(event) },
    log: NO_LOG,
    fileSystem: () => Promise.resolve({ totalBytes: 1000, usedBytes: 900 }),
  };
});

afterEach(async () => {
  await store[Symbol.asyncDispose]();
});

/** An image on BASE with one layer of its own. Returns its id. */
async function image(names: readonly string[], own: TestLayer, more: object = {}): Promise<string> {
  const layers = [BASE, own];
  const config = configOf(layers, more);
  const [loaded] = await store.images.load(
    Readable.from([dockerArchive([{ names, layers, config }])]),
    NEVER,
  );
  if (loaded === undefined) throw new Error("nothing was loaded");
  return loaded.image.id;
}

/** A container of the image. */
function use(imageId: string, status: ContainerStatus = "exited"): void {
  const id = `c-${imageId.slice(7)}`;
  const container = containerStore.build({
    id,
    name: id,
    createdNs: 1n,
    imageId,
    layer: undefined,
    config: containerConfig({ Cmd: ["sh"] }),
    host: hostConfig({ NetworkMode: "none" }),
    imageConfig: null,
  });
  container.state = { ...container.state, status };
  containers.push(container);
}

const filters = (...pairs: readonly (readonly [string, ...string[]])[]): ReadonlyMap<string, string[]> =>
  new Map(pairs.map(([key, ...values]) => [key, values]));
const ALL = ["dangling", "false"] as const;
const ids = (): readonly string[] => store.images.list().map(({ id }) => id);

describe("pruneImages()", () => {
  test("removes dangling images, tells what went and how much, and says so", async () => {
    const kept = await image(["kept:1"], layer("a", 300));
    const dangling = await image([], layer("b", 500));
    const report = await pruneImages(deps, filters(), NEVER);
    expect(report.ImagesDeleted?.[0]).toEqual({ Deleted: dangling });
    expect([report.ImagesDeleted?.length, report.SpaceReclaimed]).toEqual([2, 500]);
    expect(ids()).toEqual([kept]);
    expect(events.map(({ Action }) => Action)).toEqual(["delete", "prune"]);
    expect(events[1]?.Actor).toEqual({ ID: "", Attributes: { reclaimed: "500" } });
    expect(await pruneImages(deps, filters(), NEVER)).toEqual({ ImagesDeleted: null, SpaceReclaimed: 0 });
  });

  test("removes all but those of containers, with their names", async () => {
    const used = await image(["used:1", "used:2"], layer("a", 300));
    await image(["free:1", "free:2"], layer("b", 500));
    use(used);
    const report = await pruneImages(deps, filters(ALL), NEVER);
    expect(report.ImagesDeleted?.slice(0, 2)).toEqual([{ Untagged: "free:1" }, { Untagged: "free:2" }]);
    expect(store.images.list().map(({ tags }) => tags.length)).toEqual([2]);
  });

  test("filters by age and labels as Docker does: all of label, and not all of label!", async () => {
    const both = await image([], layer("a", 1), { config: { Labels: { x: "1", y: "2" } } });
    const one = await image([], layer("b", 1), { config: { Labels: { x: "1" } } });
    const young = await image([], layer("c", 1), { created: new Date().toISOString() });
    const undated = await image([], layer("d", 1), { created: "" });
    const plan = (...pairs: readonly (readonly [string, ...string[]])[]): readonly string[] =>
      planPruneImages(deps, filters(...pairs), { afterContainers: false })
        .ImagesDeleted?.flatMap((item) => ("Deleted" in item ? [item.Deleted] : []))
        .filter((id) => ids().includes(id)) ?? [];
    expect(plan(["until", "1h"]).toSorted()).toEqual([both, one].toSorted());
    expect(plan(["label", "x", "y=2"])).toEqual([both]);
    expect(plan(["label!", "x", "y"]).toSorted()).toEqual([one, young, undated].toSorted());
    expect(plan(["label!", "x"]).toSorted()).toEqual([young, undated].toSorted());
    const twice = pruneImages(deps, filters(["until", "1h", "2h"]), NEVER);
    expect((await rejection(twice)).message).toBe("more than one until filter specified");
  });

  test("a dry run tells what the real one does, and does nothing", async () => {
    await image(["a:1", "a:2"], layer("a", 300));
    await image(["b:1"], layer("b", 500));
    const plan = planPruneImages(deps, filters(ALL), { afterContainers: false });
    expect(ids().length).toBe(2);
    expect(plan.SpaceReclaimed).toBe(1800);
    expect(await pruneImages(deps, filters(ALL), NEVER)).toEqual(plan);
  });

  test("a dry run of all takes containers that would go for gone", async () => {
    const stopped = await image(["stopped:1"], layer("a", 300));
    const running = await image(["running:1"], layer("b", 500));
    use(stopped);
    use(running, "running");
    for (const id of [stopped, running])
      await store.snapshots.prepare(`c-${id.slice(7)}`, store.images.resolve(id).layers.at(-1)?.chainId);
    const plan = planPruneImages(deps, filters(ALL), { afterContainers: true });
    expect(plan.ImagesDeleted).toContainEqual({ Deleted: stopped });
    expect(plan.ImagesDeleted).not.toContainEqual({ Deleted: running });
    expect(planPruneImages(deps, filters(ALL), { afterContainers: false }).ImagesDeleted).toBeNull();
  });

  test("ends with the signal and tells what it has done", async () => {
    await image([], layer("a", 1));
    const report = await pruneImages(deps, filters(), AbortSignal.abort());
    expect(report.ImagesDeleted).toBeNull();
    expect(ids().length).toBe(1);
  });
});

describe("expireImages()", () => {
  const policy = {
    ...DEFAULT_IMAGE_POLICY,
    keepLast: 0,
    minAgeMs: 0,
    size: undefined,
    maxAgeMs: undefined,
    watermark: { high: 80, low: 10 },
  };

  test("removes nothing that has just come, whatever its date says", async () => {
    await image([], layer("a", 100));
    await expireImages(deps, { ...policy, minAgeMs: 1000 }, NEVER);
    expect(ids().length).toBe(1);
  });

  test("removes least recently used images and announces it; pins hold by label and by name", async () => {
    const labelled = await image([], layer("a", 100), { config: { Labels: { "gantry.pin": "true" } } });
    const named = await image(["team/base:1"], layer("b", 100));
    const used = await image(["used:1"], layer("c", 100));
    const old = await image(["old:1"], layer("d", 100));
    use(used);
    const plan = await expireImages(deps, { ...policy, keepReferences: ["team/*"] }, NEVER);
    expect(plan.remove.map(({ id, reason }) => [id, reason])).toEqual([[old, "watermark"]]);
    expect(ids().toSorted()).toEqual([labelled, named, used].toSorted());
    expect(events.map(({ Action }) => Action)).toEqual(["untag", "delete"]);
  });

  test("leaves an image alone that a container is about to be made of", async () => {
    await image([], layer("a", 100));
    await image([], layer("b", 100));
    const publish = (): void => {
      for (const id of ids()) deps.imageUses.used(id, Date.now() + 1000);
    };
    await expireImages({ ...deps, events: { publish } }, policy, NEVER);
    expect(ids().length).toBe(1);
  });

  test("leaves an image alone that came into use after the plan was made", async () => {
    const first = await image([], layer("a", 100));
    const second = await image([], layer("b", 100));
    const removing = expireImages(
      {
        ...deps,
        events: {
          publish: () => {
            if (containers.length === 0) use(ids()[0] ?? "");
          },
        },
      },
      policy,
      NEVER,
    );
    await removing;
    expect(ids().length).toBe(1);
    expect([first, second]).toContain(ids()[0] ?? "");
  });
});

test("an image by its id: who runs it, then its many names, then who has stopped are why it stays", async () => {
  const why = (id: string): Promise<string> =>
    removeImage(deps, id, { force: false, platforms: [] }).then(
      () => "gone",
      (error: unknown) =>
        String(error)
          .replace(/^.* - image is /, "")
          .replace(/ c-.*/, ""),
    );
  const many = await image(["a:1", "b:1"], layer("many", 10));
  use(many);
  expect(await why(many)).toBe("referenced in multiple repositories");
  use(many, "running");
  expect(await why(many)).toBe("being used by running container");
  const one = await image(["c:1", "c:2"], layer("one", 10));
  use(one);
  expect(await why(one)).toBe("being used by stopped container");
  containers = [];
  expect(await why(one)).toBe("gone");
});
