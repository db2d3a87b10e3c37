/** Whole `cp` command lines against an engine that is played; the rules of paths are in copy-path.test.ts. */
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "bun:test";
import { describeWith } from "../../../test/support/requires.ts";
import { TarBuilder } from "../../../test/support/tar-builder.ts";
import { cleanUp, FakeEngine, gantry, type Outcome, temporaryDirectory } from "../testing/fake-engine.ts";

afterEach(cleanUp);

const GO_DIRECTORY = 2 ** 31 + 0o755;
const GO_LINK = 2 ** 27 + 0o777;

interface Remote {
  readonly mode: number;
  readonly linkTarget?: string;
  readonly tar?: Buffer;
}

/** An engine with these paths in all its containers, and what it was sent. */
async function engineWith(paths: Readonly<Record<string, Remote>>): Promise<FakeEngine> {
  return await new FakeEngine().start(({ method, url }, response) => {
    const { pathname, searchParams } = new URL(url, "http://d");
    if (!pathname.startsWith("/containers/")) return void response.end("{}");
    const found = paths[searchParams.get("path") ?? ""];
    if (pathname.endsWith("/matches")) {
      response.setHeader("Content-Type", "application/json");
      response.end(JSON.stringify({ Paths: Object.keys(paths).filter((path) => path.endsWith(".txt")) }));
    } else if (method === "PUT") response.end();
    else if (found === undefined) {
      response.writeHead(404, { "Content-Type": "application/json" });
      response.end('{"message":"Could not find the file"}');
    } else {
      const stat = JSON.stringify({ mode: found.mode, linkTarget: found.linkTarget ?? "" });
      response.setHeader("X-Docker-Container-Path-Stat", Buffer.from(stat).toString("base64"));
      response.end(method === "HEAD" ? undefined : found.tar);
    }
  });
}

const file = (name: string, text: string): Remote => ({
  mode: 0o644,
  tar: new TarBuilder().file(name, text).end(),
});
const runLine = (engine: FakeEngine, words: readonly string[]): Promise<Outcome> =>
  gantry(["--host", `unix://${engine.socket}`, ...words]);
const lines = (engine: FakeEngine): readonly string[] =>
  engine.calls.map(({ method, url }) => `${method} ${url}`).filter((line) => line.includes("/archive"));

describeWith("cp", ["native"], () => {
  test("to this host renames what it copies, follows links with -L, and says how much it was", async () => {
    const here = temporaryDirectory();
    const engine = await engineWith({
      "/link": { mode: GO_LINK, linkTarget: "/etc/target" },
      "/etc/target": file("target", "text"),
    });
    const line = await runLine(engine, ["cp", "-q=false", "-L", "c:/link", here]);
    expect([line.status, line.out]).toEqual([0, ""]);
    expect(line.err).toBe(`Successfully copied 2.05kB to ${here}\n`);
    expect(readFileSync(join(here, "link"), "utf8")).toBe("text");
    expect(lines(engine)).toEqual([
      "HEAD /containers/c/archive?path=%2Flink",
      "GET /containers/c/archive?path=%2Fetc%2Ftarget",
    ]);
  });

  test("to a container unpacks in the directory that its target is in, under the target's name", async () => {
    const here = temporaryDirectory();
    writeFileSync(join(here, "f"), "text");
    const engine = await engineWith({
      "/d": { mode: GO_DIRECTORY },
      "/l": { mode: GO_LINK, linkTarget: "/d" },
    });
    expect((await runLine(engine, ["cp", "-a", join(here, "f"), "c:/d/new"])).status).toBe(0);
    expect((await runLine(engine, ["cp", join(here, "f"), "c:/l"])).status).toBe(0);
    const puts = engine.calls.filter(({ method }) => method === "PUT");
    expect(puts.map(({ url }) => url)).toEqual([
      "/containers/c/archive?path=%2Fd&noOverwriteDirNonDir=true&copyUIDGID=true",
      "/containers/c/archive?path=%2Fd&noOverwriteDirNonDir=true",
    ]);
    expect(puts.map(({ body }) => /\0(new|f)\0/.exec(body)?.[1])).toEqual(["new", "f"]);
  });

  test("expands patterns that are no name of their own, into a directory alone", async () => {
    const here = temporaryDirectory();
    const engine = await engineWith({
      "/a.txt": file("a.txt", "a"),
      "/b.txt": file("b.txt", "b"),
      "/[x]": file("[x]", "x"),
    });
    expect((await runLine(engine, ["cp", "c:/*.txt", "c:/[x]", here])).status).toBe(0);
    expect(readdirSync(here).toSorted()).toEqual(["[x]", "a.txt", "b.txt"]);
    const refused = await runLine(engine, ["cp", "c:/*.txt", join(here, "new")]);
    expect([refused.status, refused.err]).toEqual([1, `target "${join(here, "new")}" is not a directory\n`]);
    expect(existsSync(join(here, "new"))).toBe(false);
  });

  test.each([
    [["cp", "c:/a", "d:/b"], "copying between containers is not supported"],
    [["cp", "a", "b"], "must specify at least one container source"],
    [["cp", "", "c:/b"], "source can not be empty"],
    [["cp", "c:/a", ""], "destination can not be empty"],
    [["cp", "c:/a", "d:/b", "/tmp"], "the sources must be in one place"],
    [["cp", "-", "/etc/hostname", "c:/d"], "cannot be one of several sources"],
    [["cp", "c:/a", "c:/b", "-"], "cannot be one archive on standard output"],
    [["cp", "/x/y", "/z/y", "c:/d"], "would have the same name in the destination"],
    [["cp", "/nonexistent/x", "c:/d"], "lstat /nonexistent/x: no such file or directory"],
    [["cp", "c:/d", "/nonexistent/x"], 'invalid output path: directory "/nonexistent" does not exist'],
  ])("%p is refused", async (words, says) => {
    const engine = await engineWith({ "/d": { mode: GO_DIRECTORY } });
    const { status, err } = await runLine(engine, words);
    expect(status).toBe(1);
    expect(err).toContain(says);
    expect(lines(engine).some((line) => !line.startsWith("HEAD "))).toBe(false);
  });

  test("does not write through a link in the archive's way", async () => {
    const here = temporaryDirectory();
    const outside = temporaryDirectory();
    mkdirSync(join(here, "d"));
    symlinkSync(outside, join(here, "d", "out"));
    const tar = new TarBuilder().directory("d").file("d/out/f", "x").end();
    const engine = await engineWith({ "/d": { mode: GO_DIRECTORY, tar } });
    const { status, err } = await runLine(engine, ["cp", "c:/d", here]);
    expect([status, err.includes("leads out of the directory")]).toEqual([1, true]);
    expect(readdirSync(outside)).toEqual([]);
  });
});
