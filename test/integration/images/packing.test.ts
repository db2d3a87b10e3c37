/** What containers wrote, and images, on their way out: diff, export, commit, save. */
import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "../../support/run.ts";
import { engineSuite } from "../../support/suite.ts";
import { until } from "../../support/until.ts";

const IDLE = ["sleep", "1000"];

engineSuite("packing", {}, (engine) => {
  const ok = (...words: string[]): Promise<string> => engine().ok(words);
  const start = (name: string, ...command: string[]): Promise<string> =>
    ok("run", "-d", "--name", name, "--network", "none", "busybox", ...(command.length > 0 ? command : IDLE));
  const sh = (name: string, script: string): Promise<string> => ok("exec", name, "sh", "-c", script);
  const idOf = (image: string): Promise<string> => ok("image", "inspect", "-f", "{{.Id}}", image);
  const layersOf = async (image: string): Promise<string[]> =>
    (await ok("image", "inspect", "-f", '{{join .RootFS.Layers " "}}', image)).split(" ");
  const inTar = async (archive: string, ...words: string[]): Promise<string> =>
    (await must(["tar", "-f", archive, ...words])).trim();

  test("diff tells what was added, changed and deleted, and nothing of an untouched container", async () => {
    await start("box");
    expect(await ok("diff", "box")).toBe("");
    expect((await engine().api("GET", "/v1.45/containers/box/changes")).body).toBe("null\n");
    await sh(
      "box",
      "echo a > /new; mkdir /d; mkfifo /d/fifo; rm /etc/passwd; chmod 700 /tmp; echo b >> /etc/hosts",
    );
    const expected = ["A /d", "A /d/fifo", "C /etc", "D /etc/passwd", "A /new", "C /tmp"];
    expect((await ok("diff", "box")).split("\n")).toEqual(expected);
    await ok("stop", "-t", "0", "box");
    expect((await ok("diff", "box")).split("\n")).toEqual(expected);
    const missing = await engine().gantry(["diff", "nobody"]);
    expect([missing.code, missing.stderr.trim()]).toEqual([
      1,
      "Error response from daemon: No such container: nobody",
    ]);
  });

  test("export writes the whole tree, of running, paused and stopped containers the same", async () => {
    await start("box");
    await sh(
      "box",
      "mkdir -p /data/deep; echo hello > /data/deep/file; ln /data/deep/file /data/link; rm /etc/group",
    );
    const file = join(engine().dir, "export.tar");
    await ok("export", "-o", file, "box");
    expect(await inTar(file, "-xO", "data/deep/file")).toBe("hello");
    const names = (await inTar(file, "-t")).split("\n");
    expect(names).toContain("bin/busybox");
    expect(names).not.toContain("etc/group");
    const first = readFileSync(file);
    await ok("pause", "box");
    await ok("export", "-o", file, "box");
    expect(readFileSync(file).equals(first)).toBe(true);
    await ok("unpause", "box");
    await ok("stop", "-t", "0", "box");
    const piped = join(engine().dir, "piped.tar");
    await must([
      "sh",
      "-c",
      `${join(import.meta.dirname, "../../../build/gantry")} --host ${engine().host} export box > ${piped}`,
    ]);
    expect(readFileSync(piped).equals(first)).toBe(true);
  });

  test("a commit is a layer on its image, with its container's configuration and the changes", async () => {
    await start("box");
    await sh("box", "echo one > /one; rm /etc/group");
    const id = await ok(
      "commit",
      "-a",
      "me",
      "-m",
      "first",
      "-c",
      "ENV A=b",
      "-c",
      'CMD ["cat","/one"]',
      "box",
      "made:1",
    );
    expect(await idOf("made:1")).toBe(id);
    expect(await layersOf("made:1")).toHaveLength((await layersOf("busybox")).length + 1);
    expect(await ok("run", "--rm", "--network", "none", "made:1")).toBe("one");
    expect(
      await ok("run", "--rm", "--network", "none", "made:1", "sh", "-c", "echo $A; ls /etc/group || true"),
    ).toBe("b");
    expect(await ok("ps", "--format", "{{.Names}} {{.State}}")).toBe("box running");
    const inspected = await ok(
      "image",
      "inspect",
      "-f",
      "{{.Author}} {{.Comment}} {{.Config.Env}}",
      "made:1",
    );
    expect(inspected).toMatch(/^me first \[(PATH=\S+ )?A=b\]$/);
    const history = await ok("history", "--format", "{{.CreatedBy}}|{{.Comment}}", "made:1");
    expect(history.split("\n")[0]).toBe("sleep 1000|first");
    // A chain: each has all that is below it.
    await ok("run", "-d", "--name", "dee", "--network", "none", "made:1", ...IDLE);
    await sh("dee", "echo two > /two");
    await ok("commit", "-p=false", "dee", "made:2");
    expect(await ok("run", "--rm", "--network", "none", "made:2", "cat", "/one", "/two")).toBe("one\ntwo");
    await ok("rm", "-f", "box", "dee");
    await ok("rmi", "made:1", "made:2");
  });

  test("what was not changed needs no layer, and the same changes make the same layer", async () => {
    await ok("create", "--name", "box", "--network", "none", "busybox", "true");
    const id = await ok("commit", "box");
    expect(await layersOf(id)).toEqual(await layersOf("busybox"));
    await ok("rm", "box");
    const layers: string[] = [];
    for (const name of ["xx", "yy"]) {
      await start(name);
      await sh(name, "mkdir /d; echo 1 > /d/f; touch -d @5 /d/f /d");
      layers.push((await layersOf(await ok("commit", name))).at(-1) ?? "");
      await ok("rm", "-f", name);
    }
    expect(layers[0]).toBe(layers[1] ?? "");
    await ok("image", "prune", "-f");
  });

  test("commit refuses what Docker refuses, and leaves the container running", async () => {
    await start("box");
    for (const [words, message] of [
      [["nobody"], "No such container: nobody"],
      [["-c", "RUN x", "box"], "RUN is not a valid change command"],
    ] as const) {
      const refused = await engine().gantry(["commit", ...words]);
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining(message)]);
    }
    await sh("box", "touch /.wh.file");
    const refused = await engine().gantry(["commit", "box"]);
    expect(refused.stderr).toContain('".wh.file": in a layer a name that begins with ".wh."');
    expect(await ok("ps", "--format", "{{.Names}} {{.State}}")).toBe("box running");
  });

  test("saved images come back with their ids, several in one archive, each blob once", async () => {
    await start("box");
    await sh("box", "echo saved > /file");
    await ok("commit", "box", "saved:1");
    await ok("rm", "-f", "box");
    await ok("tag", "busybox", "second:2");
    const ids = [await idOf("busybox"), await idOf("saved:1")];
    const file = join(engine().dir, "saved.tar");
    await ok("save", "-o", file, "saved", "busybox:latest", "second:2");
    const names = (await inTar(file, "-t")).split("\n");
    expect(new Set(names).size).toBe(names.length);
    expect(names.slice(0, 2)).toEqual(["blobs/", "blobs/sha256/"]);
    expect(names.slice(-4)).toEqual(["index.json", "manifest.json", "oci-layout", "repositories"]);
    await must([
      "sh",
      "-c",
      `cd "$0"; mkdir blobs-of; tar -xf "$1" -C blobs-of; cd blobs-of/blobs/sha256; for f in *; do echo "$f  $f"; done | sha256sum --quiet -c`,
      engine().dir,
      file,
    ]);
    await ok("rmi", "saved:1", "second:2", "busybox:latest");
    const loaded = await ok("load", "-i", file);
    expect(loaded.split("\n").toSorted()).toEqual([
      "Loaded image: busybox:latest",
      "Loaded image: saved:1",
      "Loaded image: second:2",
    ]);
    expect([await idOf("busybox"), await idOf("saved:1")]).toEqual(ids);
    expect(await ok("run", "--rm", "--network", "none", "saved:1", "cat", "/file")).toBe("saved");
    await ok("rmi", "saved:1", "second:2");
  });

  test("an image that is saved by its id has no name, and one that is not there is not saved", async () => {
    const id = await idOf("busybox");
    const file = join(engine().dir, "by-id.tar");
    await ok("save", "-o", file, id);
    expect(await inTar(file, "-xO", "manifest.json")).toContain('"RepoTags":null');
    for (const words of [["nobody:1"], ["busybox", "nobody:1"], ["--platform", "plan9/mips", "busybox"]]) {
      const refused = await engine().gantry(["save", "-o", `${file}.none`, ...words]);
      expect([refused.code, refused.stdout]).toEqual([1, ""]);
      expect(refused.stderr).toMatch(/No such image: nobody:1|does not match the specified platform/);
    }
    expect((await engine().gantry(["save", "-o", "/nowhere/x", "busybox"])).stderr.trim()).toBe(
      'failed to save image: invalid output path: directory "/nowhere" does not exist',
    );
    const names = (await must(["ls", engine().dir])).split("\n");
    expect(names.filter((name) => name.startsWith("by-id.tar.none"))).toEqual([]);
  });

  test("a hostile tree gives what is in it and nothing of the host", async () => {
    const secret = join(engine().dir, "canary");
    mkdirSync(secret);
    writeFileSync(join(secret, "token"), "TOKEN-OF-THE-HOST");
    await start(
      "box",
      "sh",
      "-c",
      `mkdir -p /swap/in /names; echo inside > /swap/in/token
       mkfifo /names/fifo; nc -l -s 127.0.0.1 -p 1 & ln -s / /names/root; ln -s /proc/1/root /names/magic
       echo 1 > "/names/$(printf 'new\\nline')"; echo 2 > "/names/$(printf '\\377\\376')"
       i=0; d=/names; while [ $i -lt 200 ]; do d=$d/d; i=$((i+1)); done; mkdir -p $d
       mkdir /many; cd /many; i=0; while [ $i -lt 3000 ]; do : > $i; i=$((i+1)); done; touch /ready
       while :; do mv /swap/in /swap/out; ln -s ${secret} /swap/in; rm /swap/in; mv /swap/out /swap/in; done`,
    );
    await until(
      "the tree",
      async () => (await engine().gantry(["exec", "box", "ls", "/ready"])).code === 0,
      60_000,
    );
    for (let i = 0; i < 4; i++) {
      const file = join(engine().dir, "hostile.tar");
      await ok("export", "-o", file, "box");
      const bytes = readFileSync(file);
      expect(bytes.includes("TOKEN-OF-THE-HOST")).toBe(false);
      await inTar(file, "-t");
    }
    await ok("commit", "-p=false", "box", "hostile:1");
    expect(await ok("run", "--rm", "--network", "none", "hostile:1", "sh", "-c", "ls /many | wc -l")).toBe(
      "3000",
    );
    await ok("rm", "-f", "box");
    await ok("rmi", "hostile:1");
  });

  test("a killed engine leaves nothing of a commit, and the container is as it was", async () => {
    await start("box");
    await sh("box", "dd if=/dev/urandom of=/large bs=1M count=48 2>/dev/null");
    const before = await ok("images", "-aq", "--no-trunc");
    const committing = engine().gantry(["commit", "-p=false", "box", "never:1"]);
    await until(
      "the commit to be under way",
      async () => (await must(["sh", "-c", `ls ${engine().dir}/data/content/ingest | wc -l`])).trim() !== "0",
    );
    await engine().kill9();
    expect((await committing).code).not.toBe(0);
    await engine().launch();
    expect(await ok("images", "-aq", "--no-trunc")).toBe(before);
    const left = await must([
      "find",
      join(engine().dir, "data"),
      "(",
      "-path",
      "*/ingest/*",
      "-o",
      "-path",
      "*/staging/*",
      ")",
      "-print",
    ]);
    expect(left).toBe("");
    expect(await sh("box", "ls /large")).toBe("/large");
  });
});
