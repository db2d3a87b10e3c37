import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { create, docker, IMAGE, OURS, removeAll } from "./docker.ts";
import Docker from "dockerode";

afterEach(removeAll);

test("ping, version and info", async () => {
  assert.equal(String(await docker.ping()), "OK");
  const version = await docker.version();
  assert.match(version.ApiVersion, /^1\.\d+$/);
  assert.equal(version.Os, "linux");
  const info = await docker.info();
  assert.equal(info.OSType, "linux");
  assert.equal(info.NCPU > 0, true);
  assert.ok(info.Plugins.Network.includes("bridge"));
  assert.ok(info.Plugins.Log.includes("json-file"));
});

test("df counts what there is", async () => {
  const container = await create(["true"]);
  const usage = await docker.df();
  assert.ok(usage.Containers.some(({ Id }: { Id: string }) => Id === container.id));
  assert.ok(usage.Images.some(({ RepoTags }: { RepoTags: string[] }) => RepoTags?.includes(IMAGE)));
  assert.equal(typeof usage.LayersSize, "number");
  await container.remove();
});

test("a client that names an API version, and one that is promised by callbacks", async () => {
  const old = new Docker({ version: "v1.41" });
  const container = await create(["true"]);
  assert.equal((await old.getContainer(container.id).inspect()).Id, container.id);
  const { promise, resolve, reject } = Promise.withResolvers<string[]>();
  docker.listContainers({ all: true, filters: OURS }, (error, rows) =>
    error ? reject(error) : resolve((rows ?? []).map(({ Id }) => Id)),
  );
  assert.deepEqual(await promise, [container.id]);
  await container.remove();
  const tooNew = new Docker({ version: "v9.99" });
  await assert.rejects(tooNew.info(), { statusCode: 400 });
});

test("checkAuth refuses a registry that is not there", async () => {
  await assert.rejects(
    docker.checkAuth({ username: "user", password: "secret", serveraddress: "127.0.0.1:9" }),
    ({ statusCode }) => statusCode >= 400,
  );
});
