/** `gantry system prune`: what it asks of the engine, in which order, and how the answers are shown. */
import { afterEach, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cleanUp, FakeEngine, gantry, temporaryDirectory } from "../testing/fake-engine.ts";

afterEach(cleanUp);

const ANSWERS: ReadonlyMap<string, object> = new Map([
  ["/containers/prune", { ContainersDeleted: ["c"], SpaceReclaimed: 10 }],
  ["/networks/prune", { NetworksDeleted: ["n", "m"] }],
  ["/volumes/prune", { VolumesDeleted: ["v"], SpaceReclaimed: 5 }],
  ["/images/prune", { ImagesDeleted: null, SpaceReclaimed: 0 }],
  ["/build/prune", { CachesDeleted: null, SpaceReclaimed: 0 }],
]);

function engine(): Promise<FakeEngine> {
  return new FakeEngine().start(({ url }, response) =>
    response.end(JSON.stringify(ANSWERS.get(url.split("?", 1)[0] ?? "") ?? {})),
  );
}

test("networks go after containers, which may have been their last ones", async () => {
  const fake = await engine();
  expect(await gantry(["system", "prune", "-f", "--volumes"], fake.variables)).toEqual({
    status: 0,
    out: "Deleted Containers:\nc\n\nDeleted Networks:\nn\nm\n\nDeleted Volumes:\nv\n\nTotal reclaimed space: 15B\n",
    err: "",
  });
  expect(fake.urls().map((url) => url.replace(/\?.*/, ""))).toEqual([
    "POST /containers/prune",
    "POST /networks/prune",
    "POST /volumes/prune",
    "POST /images/prune",
    "POST /build/prune",
  ]);
});

test("a dry run is one of networks as well", async () => {
  const fake = await engine();
  const { out } = await gantry(["system", "prune", "--dry-run"], fake.variables);
  expect(out).toContain("Networks to be deleted:\nn\nm\n");
  expect(fake.urls()).toContain("POST /networks/prune?dry-run=1");
});

test("filters of the configuration count for every prune, unless the command line says the opposite of a label", async () => {
  const fake = await engine();
  const home = temporaryDirectory();
  mkdirSync(join(home, ".docker"));
  const pruneFilters = ["label!=keep", "label=old", "until=24h", "nonsense", "label="];
  writeFileSync(join(home, ".docker/config.json"), JSON.stringify({ pruneFilters }));
  const asked = async (...command: string[]): Promise<unknown> => {
    const before = fake.urls().length;
    expect(await gantry(command, fake.variables, home)).toMatchObject({ status: 0 });
    const [, query = ""] = (fake.urls()[before] ?? "").split("?");
    return JSON.parse(new URLSearchParams(query).get("filters") ?? "{}");
  };
  const all = { "label!": { keep: true }, label: { old: true }, until: { "24h": true } };
  expect(await asked("container", "prune", "-f")).toEqual(all);
  expect(await asked("network", "prune", "-f")).toEqual(all);
  expect(await asked("image", "prune", "-f")).toEqual({ ...all, dangling: { true: true } });
  expect(await asked("volume", "prune", "-f")).toEqual(all);
  expect(await asked("system", "prune", "-f")).toEqual(all);
  expect(await asked("container", "prune", "-f", "--filter", "label=keep")).toEqual({
    label: { keep: true, old: true },
    until: { "24h": true },
  });
});
