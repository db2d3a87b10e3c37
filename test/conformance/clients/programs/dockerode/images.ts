import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { execFileSync } from "node:child_process";
import { createReadStream } from "node:fs";
import { buffer } from "node:stream/consumers";
import { create, docker, IMAGE, objects, removeAll } from "./docker.ts";

afterEach(removeAll);

/** The library has it, its types do not. */
const several = docker as unknown as { getImages(options: object): Promise<NodeJS.ReadableStream> };

test("loadImage, and the progress of it", async () => {
  const stream = await docker.loadImage(createReadStream(process.env["BUSYBOX_ARCHIVE"] ?? ""));
  let said = "";
  for await (const line of objects<{ stream?: string }>(stream)) said += line.stream ?? "";
  assert.match(said, /Loaded image: busybox:latest/);
  // as followProgress has it
  const again = await docker.loadImage(createReadStream(process.env["BUSYBOX_ARCHIVE"] ?? ""), {
    quiet: true,
  });
  const { promise, resolve, reject } = Promise.withResolvers<{ stream?: string }[]>();
  docker.modem.followProgress(again, (error, output) => (error ? reject(error) : resolve(output)));
  assert.deepEqual((await promise).at(-1), { stream: "Loaded image: busybox:latest\n" });
});

test("listImages, inspect, history, tag and remove", async () => {
  const { Id } = await docker.getImage(IMAGE).inspect();
  const name = `tagged-${process.pid}`;
  await docker.getImage(IMAGE).tag({ repo: `example.org/${name}`, tag: "2" });
  const [row] = await docker.listImages({ filters: { reference: [`example.org/${name}`] } });
  assert.equal(row?.Id, Id);
  assert.ok(row?.RepoTags?.includes(`example.org/${name}:2`));
  assert.ok((row?.Size ?? 0) > 100_000);
  const image = await docker.getImage(`example.org/${name}:2`).inspect();
  assert.equal(image.Os, "linux");
  assert.deepEqual(image.Config.Cmd, ["sh"]);
  assert.equal(image.RootFS.Type, "layers");
  assert.equal(image.RootFS.Layers?.length, 1);
  const history = await docker.getImage(IMAGE).history();
  assert.equal(history[0].Id, Id);
  assert.equal(history[0].CreatedBy, "test");
  const removed = await docker.getImage(`example.org/${name}:2`).remove();
  assert.deepEqual(removed, [{ Untagged: `example.org/${name}:2` }]);
  await assert.rejects(docker.getImage(`example.org/${name}:2`).inspect(), {
    statusCode: 404,
    reason: "no such image",
  });
});

test("an image in use is not removed", async () => {
  const container = await create(["true"]);
  const id = (await docker.getImage(IMAGE).inspect()).Id;
  await assert.rejects(docker.getImage(id.slice(7, 19)).remove(), { statusCode: 409 });
  await container.remove();
});

test("get saves an image, and several at once", async () => {
  const names = (tar: Buffer): string[] => {
    const manifest = execFileSync("tar", ["-xO", "manifest.json"], { input: tar, maxBuffer: 1 << 24 });
    return JSON.parse(manifest.toString()).flatMap(({ RepoTags }: { RepoTags: string[] }) => RepoTags);
  };
  assert.deepEqual(names(await buffer(await docker.getImage(IMAGE).get())), [IMAGE]);
  await docker.getImage(IMAGE).tag({ repo: `second-${process.pid}` });
  const both = names(await buffer(await several.getImages({ names: [IMAGE, `second-${process.pid}`] })));
  assert.deepEqual(both.toSorted(), [IMAGE, `second-${process.pid}:latest`].toSorted());
  await docker.getImage(`second-${process.pid}`).remove();
});

test("importImage makes an image of a file system", async () => {
  const container = await create(["true"]);
  const tar = await buffer(await container.export());
  const name = `imported-${process.pid}`;
  const file = `/tmp/${name}.tar`;
  const { writeFileSync, rmSync } = await import("node:fs");
  writeFileSync(file, tar);
  const stream = await docker.importImage(file, { repo: name, tag: "1" });
  for await (const line of objects<{ error?: string }>(stream)) assert.equal(line.error, undefined);
  rmSync(file);
  assert.deepEqual((await docker.getImage(`${name}:1`).inspect()).RepoTags, [`${name}:1`]);
  await docker.getImage(`${name}:1`).remove();
  await container.remove();
});

test("pruneImages takes what has no name, of those that match", async () => {
  const container = await create(["true"]);
  const label = `pruned.${process.pid}`;
  const { Id } = await container.commit({ changes: `LABEL ${label}=yes` });
  const pruned = await docker.pruneImages({ filters: { dangling: ["true"], label: [label] } });
  assert.ok(pruned.ImagesDeleted?.some(({ Deleted }) => Deleted === Id));
  await container.remove();
});

test("pulling what no registry has fails with a message", async () => {
  await assert.rejects(docker.pull("127.0.0.1:9/nothing:1"), ({ statusCode, message }) => {
    assert.equal(statusCode, 500);
    assert.match(message, /connection refused/);
    return true;
  });
});
