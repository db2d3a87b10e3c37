import assert from "node:assert/strict";
import { after, afterEach, test } from "node:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { create, docker, LABELS, removeAll, shell, started } from "./docker.ts";

const work = mkdtempSync(join(tmpdir(), "files-"));
afterEach(removeAll);
after(() => rmSync(work, { recursive: true }));

function listed(tar: Buffer): string[] {
  return execFileSync("tar", ["-t"], { input: tar }).toString().trimEnd().split("\n");
}

test("putArchive and getArchive, in a container that runs and in one that does not", async () => {
  writeFileSync(join(work, "hello.txt"), "hello\n");
  const tar = join(work, "in.tar");
  execFileSync("tar", ["-C", work, "-cf", tar, "hello.txt"]);
  const [running, made] = [await started("exec sleep 100"), await create(["cat", "/tmp/hello.txt"])];
  // from a file's name, from bytes
  await running.putArchive(tar, { path: "/tmp" });
  await made.putArchive(readFileSync(tar), { path: "/tmp" });
  for (const container of [running, made]) {
    const back = await buffer(await container.getArchive({ path: "/tmp/hello.txt" }));
    assert.deepEqual(listed(back), ["hello.txt"]);
    assert.equal(execFileSync("tar", ["-xO"], { input: back }).toString(), "hello\n");
  }
  const info = await running.infoArchive({ path: "/tmp/hello.txt" });
  info.resume();
  const stat = JSON.parse(
    Buffer.from(info.headers?.["x-docker-container-path-stat"] ?? "", "base64").toString() || "{}",
  );
  assert.equal(stat.name, "hello.txt");
  assert.equal(stat.size, 6);
  await assert.rejects(running.getArchive({ path: "/nowhere" }), { statusCode: 404 });
  await Promise.all([running, made].map((container) => container.remove({ force: true })));
});

test("changes and export tell what a container wrote", async () => {
  const container = await started("mkdir /made; echo x > /made/file; rm /etc/group; echo y >> /etc/passwd");
  await container.wait();
  const changes: { Path: string; Kind: number }[] = await container.changes();
  const kinds = new Map(changes.map(({ Path, Kind }) => [Path, Kind]));
  assert.equal(kinds.get("/made/file"), 1);
  assert.equal(kinds.get("/etc/group"), 2);
  assert.equal(kinds.get("/etc/passwd"), 0);
  const files = listed(await buffer(await container.export()));
  assert.ok(files.includes("made/file"));
  assert.ok(!files.includes("etc/group"));
  await container.remove();
});

test("commit makes an image that has the file and the configuration", async () => {
  const container = await started("echo kept > /kept");
  await container.wait();
  const name = `committed-${process.pid}`;
  const { Id } = await container.commit({
    repo: name,
    tag: "1",
    comment: "a comment",
    author: "an author",
    changes: 'CMD ["cat", "/kept"]',
  });
  const image = await docker.getImage(`${name}:1`).inspect();
  assert.equal(image.Id, Id);
  assert.deepEqual(image.Config.Cmd, ["cat", "/kept"]);
  assert.equal(image.Comment, "a comment");
  assert.equal(image.Author, "an author");
  const user = await docker.createContainer({ Image: `${name}:1`, Labels: LABELS });
  const stream = await user.attach({ stream: true, stdout: true });
  await user.start();
  assert.match((await buffer(stream)).toString(), /kept\n$/);
  await Promise.all([user.remove(), container.remove()]);
  await docker.getImage(`${name}:1`).remove();
});

test("bind mounts, a volume and a tmpfs", async () => {
  const shared = mkdtempSync(join(process.env["SHARED_DIR"] ?? work, "bind-"));
  writeFileSync(join(shared, "given"), "from outside\n");
  const container = await shell(
    "cat /in/given; echo inside > /out/told; touch /in/x || echo read-only; mount | grep -c ' /scratch '",
    {
      HostConfig: {
        Binds: [`${shared}:/in:ro`, `${shared}:/out`],
        Mounts: [{ Type: "volume", Source: `vol-${process.pid}`, Target: "/vol" }],
        Tmpfs: { "/scratch": "size=1m" },
      },
    },
  );
  const stream = await container.attach({ stream: true, stdout: true });
  await container.start();
  assert.match((await buffer(stream)).toString(), /from outside\n[^]*read-only\n[^]*1\n$/);
  assert.equal(readFileSync(join(shared, "told"), "utf8"), "inside\n");
  assert.deepEqual((await container.inspect()).Mounts.map(({ Destination }) => Destination).toSorted(), [
    "/in",
    "/out",
    "/vol",
  ]);
  await container.remove();
  await docker.getVolume(`vol-${process.pid}`).remove();
  rmSync(shared, { recursive: true });
});
