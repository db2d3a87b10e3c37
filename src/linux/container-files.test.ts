/** What containers' files are to who comes from outside, on trees without a container; those with one are in test/integration. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { NATIVE_PATHS } from "../../test/support/native.ts";
import { describeWith } from "../../test/support/requires.ts";
import { TarBuilder } from "../../test/support/tar-builder.ts";
import { isCategory, messageOf } from "../base/errors.ts";
import { PipedChild } from "../base/piped-child.ts";
import { containerFiles, decodeAnswer, viewWords } from "./container-files-child.ts";
import type { ContainerTree, HostBind, PathAnswer, PathFacts } from "./container-files.ts";

const files = containerFiles(NATIVE_PATHS.shim);
const signal = new AbortController().signal;

let work: string;
let root: string;

beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), "gantry-files-"));
  root = join(work, "root");
  for (const name of ["root", "volume", "upper", "work", "lower"]) mkdirSync(join(work, name));
  writeFileSync(join(work, "secret"), "token");
});

afterEach(() => rmSync(work, { recursive: true, force: true }));

const plain = (binds: readonly HostBind[] = []) =>
  ({ kind: "stopped", root: { directory: root }, readOnly: false, binds }) as const;

async function* one(archive: Uint8Array): AsyncGenerator<Uint8Array> {
  yield archive;
}

function found(answer: PathAnswer): PathFacts {
  if ("errno" in answer) throw new Error(answer.errno);
  return answer;
}

async function list(tree: ContainerTree, path: string, name: string): Promise<readonly string[]> {
  const { archive } = await files.take(tree, path, name, undefined, signal);
  const bytes = Buffer.concat(await Array.fromAsync(archive));
  return execFileSync("tar", ["tPf", "-"], { input: bytes }).toString().trimEnd().split("\n");
}

async function putInto(tree: ContainerTree, path: string, archive: Uint8Array): Promise<void> {
  const options = { keepsKinds: true, ids: undefined };
  await using putting = await files.put(tree, path, options, signal);
  await putting.unpack(one(archive));
}

test("words of a view: who reads has the writable layer as one more", () => {
  const tree = {
    kind: "stopped",
    root: { layers: ["/l"], upper: "/u", work: "/w" },
    readOnly: true,
    binds: [{ source: "/s", destination: "/d", readOnly: true }],
  } as const;
  const front = ["--bind", "/s", "/d", "ro", "--read-only"];
  expect(viewWords(tree, false)).toEqual([...front, "overlay", "/u", "/l", "--"]);
  expect(viewWords(tree, true)).toEqual([...front, "writable", "/u", "/w", "/l", "--"]);
  expect(viewWords({ kind: "process", pid: 7 }, true)).toEqual(["process", "7", "--"]);
});

test("answers are decoded strictly", () => {
  expect(decodeAnswer(Buffer.from("missing 2\0\0"))).toEqual({ errno: "ENOENT" });
  expect(() => decodeAnswer(Buffer.from("found 1 2 3 4 maybe\0\0"))).toThrow("gantry-shim answered");
});

describeWith("the files of a container", ["root", "native"], () => {
  test("are found as its processes find them", async () => {
    mkdirSync(join(root, "d"));
    writeFileSync(join(root, "d", "f"), "abc", { mode: 0o640 });
    symlinkSync("/d/../d/f", join(root, "link"));
    symlinkSync("../../secret", join(root, "out"));
    const file = found(await files.look(plain(), "/d/f", signal));
    expect([file.mode, file.sizeBytes, file.linkTarget]).toEqual([0o100640, 3, ""]);
    const link = found(await files.look(plain(), "/link", signal));
    expect([link.mode & 0o170000, link.linkTarget]).toEqual([0o120000, "/d/f"]);
    expect(found(await files.look(plain(), "/out", signal)).linkTarget).toBe("/secret");
    expect(await files.look(plain(), "/d/f/x", signal)).toEqual({ errno: "ENOTDIR" });
    expect(await files.look(plain(), "/out/", signal)).toEqual({ errno: "ENOENT" });
  });

  test("are archived under their own name, hard links with it", async () => {
    mkdirSync(join(root, "d"));
    writeFileSync(join(root, "d", "f"), "abc");
    linkSync(join(root, "d", "f"), join(root, "d", "g"));
    expect(await list(plain(), "/d", "d")).toEqual(["d/", "d/f", "d/g"]);
    expect(await list(plain(), "/d/.", ".")).toEqual(["./", "./f", "./g"]);
    expect(await list(plain(), "/", "/")).toEqual(["/", "/d/", "/d/f", "/d/g"]);
    expect(await list(plain(), "/d/f", "f")).toEqual(["f"]);
    const { answer, archive } = await files.take(plain(), "/nope", "nope", undefined, signal);
    expect(answer).toEqual({ errno: "ENOENT" });
    expect(await Array.fromAsync(archive)).toEqual([]);
  });

  test("have what is mounted on them, and none of the kernel's own", async () => {
    writeFileSync(join(work, "volume", "v"), "in the volume");
    const binds = [
      { source: join(work, "volume"), destination: "/deep/data", readOnly: true },
      { source: "/proc", destination: "/proc", readOnly: true },
    ];
    expect(await list(plain(binds), "/", "/")).toEqual([
      "/",
      "/deep/",
      "/deep/data/",
      "/deep/data/v",
      "/proc/",
    ]);
    expect(await files.look(plain(binds), "/proc/version", signal)).toEqual({ errno: "EXDEV" });
  });

  test("that no layer has are shown where something is mounted, without writing anything", async () => {
    writeFileSync(join(work, "volume", "v"), "");
    const tree = {
      kind: "stopped",
      root: { layers: [join(work, "lower")], upper: join(work, "upper"), work: join(work, "work") },
      readOnly: false,
      binds: [{ source: join(work, "volume"), destination: "/a/b", readOnly: false }],
    } as const;
    expect(await list(tree, "/a", "a")).toEqual(["a/", "a/b/", "a/b/v"]);
    expect(readdirSync(join(work, "upper"))).toEqual([]);
    await putInto(tree, "/a/b", new TarBuilder().file("new", "x").end());
    await putInto(tree, "/", new TarBuilder().file("top", "y").end());
    expect(readFileSync(join(work, "volume", "new"), "utf8")).toBe("x");
    expect(readFileSync(join(work, "upper", "top"), "utf8")).toBe("y");
  });

  test("have a part of a directory, which no link leads out of", async () => {
    mkdirSync(join(work, "volume", "part"));
    writeFileSync(join(work, "volume", "part", "v"), "");
    symlinkSync("part", join(work, "volume", "inside"));
    symlinkSync("../../root", join(work, "volume", "outside"));
    const source = join(work, "volume");
    const part = (beneath: string) => plain([{ source, beneath, destination: "/p", readOnly: true }]);
    for (const beneath of ["part", "inside"])
      expect(await list(part(beneath), "/p", "p")).toEqual(["p/", "p/v"]);
    const says = await files.look(part("outside"), "/p", signal).then(String, messageOf);
    expect(says).toContain(`cannot bind "${source}"`);
  });

  test("cannot be written to where they are read-only", async () => {
    const options = { keepsKinds: false, ids: undefined };
    const binds = [{ source: join(work, "volume"), destination: "/v", readOnly: true }];
    const closed = { ...plain(binds), readOnly: true };
    const access = async (tree: ContainerTree, path: string) => {
      await using putting = await files.put(tree, path, options, signal);
      return found(putting.answer).access;
    };
    expect(await access(closed, "/")).toBe("read-only root");
    expect(await access(closed, "/v")).toBe("read-only mount");
    expect(await access(plain(binds), "/v")).toBe("read-only mount");
    expect(await access(plain(binds), "/")).toBe("writable");
  });

  test("are replaced, but not by what is of another kind", async () => {
    mkdirSync(join(root, "d"));
    writeFileSync(join(root, "f"), "old");
    await putInto(plain(), "/", new TarBuilder().file("f", "new").directory("d", { mode: 0o700 }).end());
    expect(readFileSync(join(root, "f"), "utf8")).toBe("new");
    expect(lstatSync(join(root, "d")).mode & 0o777).toBe(0o700);
    const says = await putInto(plain(), "/", new TarBuilder().file("d", "x").end()).then(String, messageOf);
    expect(says).toContain('cannot overwrite directory "/d" with non-directory "/"');
  });

  test("whose names are whiteouts in layers are just files", async () => {
    writeFileSync(join(root, "f"), "stays");
    await putInto(plain(), "/", new TarBuilder().file(".wh.f", "x").file(".wh..wh..opq", "y").end());
    expect(readdirSync(root).sort()).toEqual([".wh..wh..opq", ".wh.f", "f"]);
  });

  test("get the host's ids of the container's users, and archives the container's", async () => {
    const ids = { uid: "0 100000 65536\n", gid: "0 200000 65536\n" };
    await using putting = await files.put(plain(), "/", { keepsKinds: false, ids }, signal);
    await putting.unpack(one(new TarBuilder().file("new/f", "x", { uid: 5, gid: 6 }).end()));
    const { uid, gid } = lstatSync(join(root, "new", "f"));
    expect([uid, gid, lstatSync(join(root, "new")).uid]).toEqual([100_005, 200_006, 100_000]);
    const { archive } = await files.take(plain(), "/new/f", "f", ids, signal);
    const input = Buffer.concat(await Array.fromAsync(archive));
    expect(execFileSync("tar", ["tvf", "-"], { input }).toString()).toContain(" 5/6 ");
  });

  test("that match a pattern are named, links followed inside alone", async () => {
    for (const name of ["a.log", "b.log", ".c.log", "d.txt"]) writeFileSync(join(root, name), "");
    mkdirSync(join(root, "sub"));
    writeFileSync(join(root, "sub", "x.log"), "");
    symlinkSync("..", join(root, "up"));
    expect(await files.match(plain(), "/*.log", signal)).toEqual(["/a.log", "/b.log"]);
    expect(await files.match(plain(), "/*/*.log", signal)).toEqual(["/sub/x.log", "/up/a.log", "/up/b.log"]);
    expect(await files.match(plain(), "/.*.log", signal)).toEqual(["/.c.log"]);
    expect(await files.match(plain(), "/up/secret*", signal)).toEqual([]);
  });

  test("a signal ends a copy, and no child stays", async () => {
    const stop = new AbortController();
    const options = { keepsKinds: false, ids: undefined };
    await using putting = await files.put(plain(), "/", options, stop.signal);
    const stuck = (async function* () {
      yield new TarBuilder().file("f", Buffer.alloc(1 << 20)).unended();
      await new Promise(() => {});
    })();
    const done = putting.unpack(stuck);
    stop.abort(new Error("enough"));
    expect(await done.then(String, messageOf)).toBe("enough");
  });
});

describeWith("an archive from a container", ["root", "native"], () => {
  async function receive(archive: Uint8Array, ...words: readonly string[]): Promise<void> {
    await using child = new PipedChild(
      NATIVE_PATHS.shim,
      ["tree", "receive", root, ...words],
      "cannot copy",
      signal,
    );
    await child.feed(one(archive));
    await child.end();
  }

  test("belongs to who copies it: set-id bits of others go, devices are for him alone", async () => {
    const archive = new TarBuilder()
      .file("theirs", "", { uid: 7, gid: 8, mode: 0o6755 })
      .file("roots", "", { mode: 0o4755 })
      .device("null", "char", 1, 3, { mode: 0o666 })
      .end();
    await receive(archive);
    const mode = (name: string) => lstatSync(join(root, name)).mode & 0o7777;
    expect(lstatSync(join(root, "theirs")).uid).toBe(0);
    expect([mode("theirs"), mode("roots"), mode("null")]).toEqual([0o755, 0o4755, 0o600]);
  });

  test("has the name that the copy shall have", async () => {
    await receive(new TarBuilder().directory("a").file("a/a", "x").hardlink("a/b", "a/a").end(), "a", "new");
    expect(readdirSync(join(root, "new")).sort()).toEqual(["a", "b"]);
    expect(lstatSync(join(root, "new", "b")).nlink).toBe(2);
  });

  test("that ends early leaves what was there, and no half of a file", async () => {
    writeFileSync(join(root, "f"), "old");
    const half = new TarBuilder().file("f", Buffer.alloc(100_000)).unended().subarray(0, 50_000);
    const error: unknown = await receive(half).catch((caught: unknown) => caught);
    expect(messageOf(error)).toContain("truncated");
    expect(isCategory(error, "invalid_argument")).toBe(true);
    expect(readdirSync(root)).toEqual(["f"]);
    expect(readFileSync(join(root, "f"), "utf8")).toBe("old");
  });

  test("follows links that are there already as long as they stay inside", async () => {
    mkdirSync(join(root, "real"));
    symlinkSync("real", join(root, "inside"));
    symlinkSync(join(work, "volume"), join(root, "outside"));
    await receive(new TarBuilder().file("inside/f", "x").end());
    expect(existsSync(join(root, "real", "f"))).toBe(true);
    const says = await receive(new TarBuilder().file("outside/f", "x").end()).then(String, messageOf);
    expect(says).toContain("a link on the way to it leads out of the directory");
    expect(readdirSync(join(work, "volume"))).toEqual([]);
  });

  test("is unpacked by an ordinary user with the rights that he has", () => {
    chmodSync(work, 0o755);
    chmodSync(root, 0o777);
    const input = new TarBuilder().file("f", "x", { uid: 5, mode: 0o4755 }).end();
    const command = ["--reuid", "1234", "--regid", "1234", "--clear-groups", NATIVE_PATHS.shim];
    const { status, stderr } = spawnSync("setpriv", [...command, "tree", "receive", root], { input });
    expect([status, stderr.toString()]).toEqual([0, ""]);
    const { uid, mode } = lstatSync(join(root, "f"));
    expect([uid, mode & 0o7777]).toEqual([1234, 0o755]);
  });
});
