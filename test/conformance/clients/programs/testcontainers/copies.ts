import assert from "node:assert/strict";
import { after, test } from "node:test";
import { execFileSync } from "node:child_process";
import { createReadStream, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { GenericContainer, type StartedTestContainer } from "testcontainers";

const IMAGE = "busybox:latest";
const FOREVER = ["sleep", "1000"];
const work = mkdtempSync(join(process.env["SHARED_DIR"] ?? tmpdir(), "copies-"));
after(() => rmSync(work, { recursive: true }));

writeFileSync(join(work, "file.txt"), "a file\n");
mkdirSync(join(work, "folder", "inner"), { recursive: true });
writeFileSync(join(work, "folder", "inner", "deep.txt"), "deep\n");
execFileSync("tar", ["-C", work, "-cf", join(work, "archive.tar"), "folder"]);

async function say(container: StartedTestContainer, script: string): Promise<string> {
  return (await container.exec(["sh", "-c", script])).output.trim();
}

test("files, folders, content and archives are copied before the start", async () => {
  await using container = await new GenericContainer(IMAGE)
    .withCopyFilesToContainer([{ source: join(work, "file.txt"), target: "/in/file.txt", mode: 0o644 }])
    .withCopyDirectoriesToContainer([{ source: join(work, "folder"), target: "/in/folder" }])
    .withCopyContentToContainer([{ content: "written\n", target: "/in/content.sh", mode: 0o755 }])
    .withCopyArchivesToContainer([{ tar: createReadStream(join(work, "archive.tar")), target: "/tmp" }])
    .withCommand(["sh", "-c", "cat /in/file.txt > /seen-at-start; exec sleep 1000"])
    .start();
  assert.equal(await say(container, "cat /seen-at-start"), "a file");
  assert.equal(
    await say(container, "cat /in/folder/inner/deep.txt /tmp/folder/inner/deep.txt"),
    "deep\ndeep",
  );
  assert.equal(await say(container, "cat /in/content.sh; stat -c %a /in/content.sh"), "written\n755");
});

test("and while it runs, and out of it", async () => {
  await using container = await new GenericContainer(IMAGE).withCommand(FOREVER).start();
  await container.copyFilesToContainer([{ source: join(work, "file.txt"), target: "/tmp/file.txt" }]);
  await container.copyDirectoriesToContainer([{ source: join(work, "folder"), target: "/tmp/folder" }]);
  await container.copyContentToContainer([{ content: Buffer.from("bytes\n"), target: "/tmp/bytes" }]);
  await container.copyArchiveToContainer(createReadStream(join(work, "archive.tar")), "/var");
  const seen = "cat /tmp/file.txt /tmp/folder/inner/deep.txt /tmp/bytes /var/folder/inner/deep.txt";
  assert.equal(await say(container, seen), "a file\ndeep\nbytes\ndeep");
  const archive = await buffer(await container.copyArchiveFromContainer("/tmp/folder"));
  const names = execFileSync("tar", ["-t"], { input: archive }).toString();
  assert.match(names, /^folder\/inner\/deep\.txt$/m);
  const stopped = await container.stop({ remove: false });
  const after = await buffer(await stopped.copyArchiveFromContainer("/tmp/bytes"));
  assert.equal(execFileSync("tar", ["-xO"], { input: after }).toString(), "bytes\n");
  const { getContainerRuntimeClient } = await import("testcontainers");
  const client = await getContainerRuntimeClient();
  await client.container.remove(client.container.getById(stopped.getId()), { removeVolumes: true });
});

test("bind mounts, to be read and to be written", async () => {
  await using container = await new GenericContainer(IMAGE)
    .withBindMounts([
      { source: work, target: "/there", mode: "ro" },
      { source: join(work, "folder"), target: "/folder", mode: "rw" },
    ])
    .withCommand(FOREVER)
    .start();
  assert.equal(await say(container, "cat /there/file.txt"), "a file");
  assert.equal((await container.exec(["touch", "/there/x"])).exitCode, 1);
  assert.equal(await say(container, "echo inside > /folder/told && echo fine"), "fine");
  assert.equal(readFileSync(join(work, "folder", "told"), "utf8"), "inside\n");
});
