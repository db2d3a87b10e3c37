import { afterEach, beforeEach, expect, test } from "bun:test";
import { ApiHost } from "../../api/testing/api-host.ts";
import { NO_LOG } from "../../base/log.ts";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../../base/errors.ts";
import { mendShownImages, snapshotsOf } from "./mounted-images.ts";

let host: ApiHost;

beforeEach(async () => {
  host = await ApiHost.start();
  host.images.add("tools:1");
});

afterEach(async () => {
  await host[Symbol.asyncDispose]();
});

const mounting = (more: Readonly<Record<string, unknown>> = {}) => ({
  HostConfig: {
    NetworkMode: "none",
    Mounts: [{ Type: "image", Source: "tools:1", Target: "/tools", ...more }],
  },
});

test("a mounted image is a snapshot of the container's own, there as long as it", async () => {
  const id = await host.create("web", mounting());
  const image = host.images.resolve("tools:1");
  expect(host.snapshots.actives.get(`${id}.0`)).toBe(image.layers.at(-1)?.chainId);
  expect([...host.snapshots.persisted]).toEqual([id, `${id}.0`]);
  expect(snapshotsOf(host.stored("web"))).toEqual([id, `${id}.0`]);
  expect((await host.call("GET", "/containers/web/json")).json).toMatchObject({
    Mounts: [{ Type: "image", Name: "tools:1", Destination: "/tools", RW: false, Propagation: "rprivate" }],
    HostConfig: { Mounts: [{ Type: "image", Source: "tools:1", Target: "/tools" }] },
  });
  expect((await host.call("DELETE", "/images/tools:1")).text).toContain(
    `(must force) - container ${id.slice(0, 12)} is using its referenced image`,
  );
  await host.call("DELETE", "/containers/web");
  await new Promise((resolve) => setTimeout(resolve, 0));
  expect([...host.snapshots.actives]).toEqual([]);
  expect((await host.call("DELETE", "/images/tools:1")).status).toBe(200);
});

test("its tree is on the host while the container starts, and no longer", async () => {
  const id = await host.started("web", mounting({ ImageOptions: { Subpath: "etc" } }));
  expect(host.shownTrees).toEqual([
    { name: `${id}.0`, directory: expect.stringContaining(`/trees/${id}.0.`), layers: ["/lower"] },
  ]);
  expect(host.unmountedTrees).toEqual(host.shownTrees.map(({ directory }) => directory));
  expect(readdirSync(join(host.directory, "trees"))).toEqual([]);
});

test("what a start left mounted is taken off, and what is in use is left for the next time", async () => {
  const treesDir = join(host.directory, "trees");
  for (const name of ["a.0.x", "b.0.x"]) mkdirSync(join(treesDir, name), { recursive: true });
  const tried: string[] = [];
  await mendShownImages({
    treesDir,
    log: NO_LOG,
    showTree: () => Promise.resolve(),
    unmountTree: (directory) => {
      tried.push(directory);
      return Promise.reject(fail("conflict", "not mounted"));
    },
  });
  expect(tried.toSorted()).toEqual([join(treesDir, "a.0.x"), join(treesDir, "b.0.x")]);
  expect(readdirSync(treesDir)).toEqual([]);
});

test("a warning comes with it, as Docker gives, and a missing image is told", async () => {
  const create = (body: object) =>
    host.call("POST", "/v1.51/containers/create", { Image: "busybox", ...body });
  expect((await create(mounting())).json).toMatchObject({
    Warnings: ["Image mount is an experimental feature"],
  });
  const missing = await create(mounting({ Source: "nosuch" }));
  expect([missing.status, missing.text]).toEqual([404, expect.stringContaining("No such image: nosuch")]);
});

test("--volumes-from lends an image, held by each of them", async () => {
  await host.create("web", mounting());
  const id = await host.create("other", { HostConfig: { NetworkMode: "none", VolumesFrom: ["web"] } });
  expect(host.snapshots.actives.has(`${id}.0`)).toBe(true);
});
