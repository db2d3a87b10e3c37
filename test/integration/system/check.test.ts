import { expect, test } from "bun:test";
import { existsSync, readdirSync, rmSync, writeFileSync, chmodSync, renameSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { dockerArchive, layerOf } from "../../../src/core/images/testing/archives.ts";
import type { Problem } from "../../../src/specs/engine/check.ts";
import type { Engine } from "../../support/engine.ts";
import { busyboxArchive, busyboxRoot } from "../../support/images.ts";
import { must } from "../../support/run.ts";
import { engineSuite } from "../../support/suite.ts";

engineSuite("system check", {}, (engine) => {
  const data = (...path: string[]): string => join(engine().dir, "data", ...path);

  async function check(...options: string[]): Promise<{ code: number; problems: readonly Problem[] }> {
    const query = options.map((option) => `${option}=1`).join("&");
    const { body } = await engine().api("POST", `/v1.51/system/check?${query}`);
    const messages = body
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const problems = messages.flatMap((message) => ("problem" in message ? [message.problem] : []));
    expect(messages.at(-1)).toMatchObject({ summary: { problems: problems.length } });
    const left = problems.filter(({ isMended }) => !isMended).length;
    return { code: left === 0 ? 0 : 1, problems };
  }

  /** The only problem of this kind. */
  async function one(kind: string, ...options: string[]): Promise<Problem> {
    const { problems } = await check(...options);
    const [only, ...more] = problems.filter((problem) => problem.kind === kind);
    if (only === undefined || more.length > 0) throw new Error(`${kind}: ${JSON.stringify(problems)}`);
    return only;
  }

  /** The directory and the chainID of the one layer that is there. */
  function layer(): { readonly path: string; readonly diff: string; readonly id: string } {
    const [name = "", ...more] = readdirSync(data("snapshots/overlay2/layers"));
    expect(more).toEqual([]);
    const path = data("snapshots/overlay2/layers", name);
    return { path, diff: join(path, "diff"), id: `sha256:${name}` };
  }

  async function layerBlob(): Promise<string> {
    const names = readdirSync(data("content/blobs/sha256"));
    const sizes = await must([
      "stat",
      "-c",
      "%s %n",
      ...names.map((name) => data("content/blobs/sha256", name)),
    ]);
    const [largest = ""] = sizes
      .trim()
      .split("\n")
      .toSorted((a, b) => Number(b.split(" ")[0]) - Number(a.split(" ")[0]));
    return largest.split(" ")[1] ?? "";
  }

  const runs = async (of: Engine): Promise<string> =>
    (await of.ok(["run", "--rm", "--network", "none", "busybox", "echo", "fine"])).trim();

  test("finds nothing in what is whole, and says so", async () => {
    expect(await engine().ok(["system", "check", "--deep"])).toBe("No problems found");
  });

  test("layers with whiteouts, opaque directories, hard links and missing parents are whole, too", async () => {
    const layers = [
      layerOf([
        { name: "d/old", content: "1" },
        { name: "gone", content: "2" },
        { name: "kept", content: "3" },
      ]),
      layerOf([
        { name: ".wh.gone", content: "" },
        { name: "d/.wh..wh..opq", content: "" },
        { name: "d/new", content: "4" },
        { name: "d/link", kind: "hardlink", linkName: "d/new" },
        { name: "d/symlink", kind: "symlink", linkName: "/kept" },
      ]),
    ];
    const archive = join(engine().dir, "odd.tar");
    writeFileSync(archive, dockerArchive([{ names: ["odd:1"], layers }]));
    await engine().ok(["load", "-q", "-i", archive]);
    rmSync(archive);
    expect((await check("deep")).problems).toEqual([]);
    await engine().ok(["rmi", "odd:1"]);
  });

  test("a layer that lost a file is found by its usage and unpacked again", async () => {
    rmSync(join(layer().diff, "etc/passwd"));
    expect(await one("damaged-layer")).toMatchObject({ subject: layer().id, isMended: false });
    const found = await engine().gantry(["system", "check"]);
    expect([found.code, found.stdout.split("\n").at(-2)]).toEqual([1, "1 problem found"]);
    const mended = await engine().gantry(["system", "check", "--repair"]);
    expect([mended.code, mended.stdout.split("\n").at(-2)]).toEqual([0, "1 problem found, all mended"]);
    expect(existsSync(join(layer().diff, "etc/passwd"))).toBe(true);
    expect(await runs(engine())).toBe("fine");
  });

  test("a file that changed its bytes, mode or owner but not its size is found by a deep check", async () => {
    const damages = [
      (path: string) =>
        must([
          "sh",
          "-c",
          `touch -r "$0" /tmp/ref.$$; printf X | dd of="$0" bs=1 count=1 conv=notrunc 2>/dev/null; touch -r /tmp/ref.$$ "$0"; rm /tmp/ref.$$`,
          path,
        ]),
      (path: string) => must(["chmod", "600", path]),
      (path: string) => must(["chown", "7", path]),
      (path: string) => must(["touch", "-d", "2001-01-01", path]),
      (path: string) => must(["setfattr", "-n", "user.x", "-v", "y", path]),
    ];
    for (const damage of damages) {
      await damage(join(layer().diff, "etc/passwd"));
      expect((await check()).problems).toEqual([]);
      expect(await one("damaged-layer", "deep")).toMatchObject({
        detail: "its files are not those of its blob",
      });
      expect(await check("deep", "repair")).toMatchObject({ code: 0 });
      expect((await check("deep")).problems).toEqual([]);
    }
  });

  test("a layer whose files are gone is unpacked again; not under a container that runs", async () => {
    await engine().ok(["run", "-d", "--name", "on-it", "--network", "none", "busybox", "sleep", "100"]);
    rmSync(join(layer().diff, "etc/group"));
    expect(await one("damaged-layer", "repair")).toMatchObject({ isMended: false });
    expect((await one("damaged-layer", "repair")).advice).toContain("runs on it: stop it");
    await engine().ok(["rm", "-f", "on-it"]);
    renameSync(layer().diff, join(engine().dir, "moved"));
    expect(await one("damaged-layer")).toMatchObject({ detail: "its files are missing" });
    expect(await check("repair")).toMatchObject({ code: 0 });
    rmSync(join(engine().dir, "moved"), { recursive: true });
    expect(await runs(engine())).toBe("fine");
  });

  test("a layer without its mark is known again", async () => {
    rmSync(join(layer().path, "complete"));
    expect(await one("damaged-layer", "repair")).toMatchObject({ isMended: true });
    await engine().restart();
    expect(await runs(engine())).toBe("fine");
  });

  test("a layer that a start did not find is unpacked from its blob, by the repair or by the next container", async () => {
    rmSync(join(layer().path, "complete"));
    await engine().restart();
    expect(await one("missing-layer")).toMatchObject({ isMended: false });
    expect(await check("repair")).toMatchObject({ code: 0 });
    expect(await runs(engine())).toBe("fine");
    rmSync(join(layer().path, "complete"));
    await engine().restart();
    expect(await runs(engine())).toBe("fine");
    expect((await check("deep")).problems).toEqual([]);
  });

  test("a damaged blob is found and dropped, its image damaged and had again by a load", async () => {
    const blob = await layerBlob();
    await must(["sh", "-c", `printf X | dd of="$0" bs=1 seek=100 count=1 conv=notrunc 2>/dev/null`, blob]);
    expect(await one("damaged-blob")).toMatchObject({ isMended: false });
    const repaired = await check("repair");
    expect(repaired.problems.map(({ kind, isMended }) => [kind, isMended])).toEqual([
      ["damaged-blob", true],
      ["missing-blob", false],
      ["damaged-image", false],
    ]);
    expect(repaired.problems.at(-1)?.advice).toBe("get the image again: gantry pull busybox:latest");
    expect(existsSync(blob)).toBe(false);
    await engine().ok(["load", "-q", "-i", await busyboxArchive()]);
    expect((await check("deep")).problems).toEqual([]);
    expect(await runs(engine())).toBe("fine");
  });

  test("a blob whose file is gone is missing, like a configuration that is damaged", async () => {
    rmSync(await layerBlob());
    expect(await one("damaged-blob")).toMatchObject({ detail: "its file is missing" });
    expect(await one("damaged-image", "repair")).toMatchObject({ isMended: false });
    await engine().ok(["load", "-q", "-i", await busyboxArchive()]);
    expect((await check()).problems).toEqual([]);
  });

  test("foreign files, garbage and old partial blobs go", async () => {
    writeFileSync(data("content/blobs/sha256/README"), "who was here?");
    mkdirSync(data("snapshots/overlay2/layers/backup"));
    mkdirSync(data("snapshots/overlay2/active/odd"));
    const found = await check();
    expect(found.problems.map(({ kind }) => kind)).toEqual(["foreign-file", "foreign-file", "foreign-file"]);
    expect(await check("repair")).toMatchObject({ code: 0 });
    expect((await check()).problems).toEqual([]);
    expect(existsSync(data("content/blobs/sha256/README"))).toBe(false);

    writeFileSync(data("content/partial/upload"), "half");
    writeFileSync(data("content/blobs/sha256", "a".repeat(64)), "x");
    await engine().shutdown();
    await engine().launch();
    // The start has taken the garbage; what it cannot know is whether the partial blob will be continued.
    expect((await check()).problems).toEqual([]);
    rmSync(data("content/partial/upload"));
    await engine().restart();
  });

  test("a snapshot of no container goes, and a container without its snapshot is told of", async () => {
    await engine().ok(["create", "--name", "victim", "--network", "none", "busybox", "true"]);
    const id = (await engine().ok(["ps", "-aq", "--no-trunc"])).trim();
    renameSync(data("snapshots/overlay2/active", id), data("snapshots/overlay2/active", "left-over"));
    await engine().restart();
    const { problems } = await check();
    expect(problems).toMatchObject([{ kind: "missing-snapshot", subject: id }]);
    await engine().ok(["rm", "victim"]);
    expect((await check()).problems).toEqual([]);
  });

  test("directories that others may write to are closed again", async () => {
    chmodSync(data("content/blobs"), 0o777);
    expect(await one("permissions")).toMatchObject({ detail: "its mode is 0777 instead of 0700" });
    expect(await check("repair")).toMatchObject({ code: 0 });
    expect((await check()).problems).toEqual([]);
  });

  test("other requests are answered while a deep check reads", async () => {
    await engine().ok(["import", await busyboxRoot(), "second:1"]);
    const checking = check("deep");
    const started = performance.now();
    await engine().api("GET", "/_ping");
    expect(performance.now() - started).toBeLessThan(2000);
    await checking;
    await engine().ok(["rmi", "second:1"]);
  });
});
