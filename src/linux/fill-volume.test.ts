import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  lchownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { NATIVE_PATHS } from "../../test/support/native.ts";
import { describeWith } from "../../test/support/requires.ts";
import { messageOf } from "../base/errors.ts";
import { type Filled, fillVolume } from "./fill-volume.ts";
import type { TreeView } from "./native.ts";

let work: string;
let image: string;
let volume: string;

beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), "gantry-fill-"));
  [image, volume] = [join(work, "image"), join(work, "volume")];
  mkdirSync(join(image, "data", "sub"), { recursive: true });
  mkdirSync(volume);
});

afterEach(() => {
  rmSync(work, { recursive: true, force: true });
});

const plain = (): TreeView => ({ kind: "plain", directory: image });
const layered = (): TreeView => ({ kind: "overlay", layers: [join(work, "top"), image] });
const fill = (path: string, view = plain(), ids?: { uid: string; gid: string }): Promise<Filled> =>
  fillVolume(NATIVE_PATHS.shim, { image: view, path, ids }, volume);

describeWith("filling a volume from an image", ["root", "native"], () => {
  test("copies what is in the directory, and its own owner and mode", async () => {
    writeFileSync(join(image, "data", "f"), "hello");
    linkSync(join(image, "data", "f"), join(image, "data", "same"));
    symlinkSync("f", join(image, "data", "link"));
    spawnSync("mkfifo", [join(image, "data", "pipe")]);
    for (const name of ["", "f", "sub", "pipe"]) chownSync(join(image, "data", name), 7, 8);
    lchownSync(join(image, "data", "link"), 7, 8);
    chmodSync(join(image, "data", "f"), 0o4751);
    chmodSync(join(image, "data"), 0o1770);
    spawnSync("setfattr", ["-n", "user.mark", "-v", "yes", join(image, "data", "f")]);
    expect(await fill("/data")).toEqual({ found: "directory", sizeBytes: expect.any(Number) });
    const of = (name: string): readonly unknown[] => {
      const { mode, uid, gid } = statSync(join(volume, name));
      return [(mode & 0o7777).toString(8), uid, gid];
    };
    expect(readdirSync(volume).sort()).toEqual(["f", "link", "pipe", "same", "sub"]);
    expect([of(""), of("f"), of("sub")]).toEqual([
      ["1770", 7, 8],
      ["4751", 7, 8],
      ["755", 7, 8],
    ]);
    expect(statSync(join(volume, "f")).ino).toBe(statSync(join(volume, "same")).ino);
    expect([readFileSync(join(volume, "f"), "utf8"), readlinkSync(join(volume, "link"))]).toEqual([
      "hello",
      "f",
    ]);
    expect(statSync(join(volume, "pipe")).isFIFO()).toBe(true);
    const attribute = spawnSync("getfattr", ["--only-values", "-n", "user.mark", join(volume, "f")]);
    if (attribute.error === undefined) expect(String(attribute.stdout)).toBe("yes");
  });

  test("sees the layers as one, whiteouts and all", async () => {
    mkdirSync(join(work, "top", "data"), { recursive: true });
    for (const name of ["gone", "kept"]) writeFileSync(join(image, "data", name), "below");
    spawnSync("mknod", [join(work, "top", "data", "gone"), "c", "0", "0"]);
    writeFileSync(join(work, "top", "data", "kept"), "above");
    await fill("/data", layered());
    expect(readdirSync(volume).sort()).toEqual(["kept", "sub"]);
    expect(readFileSync(join(volume, "kept"), "utf8")).toBe("above");
  });

  test("gives the files to those whom a user namespace has in the image's users' place", async () => {
    writeFileSync(join(image, "data", "f"), "");
    chownSync(join(image, "data", "f"), 33, 34);
    const map = "0 100000 1000";
    await fill("/data", plain(), { uid: map, gid: map });
    const owners = ["", "f"].map((name) => statSync(join(volume, name)));
    expect(owners.map(({ uid, gid }) => [uid, gid])).toEqual([
      [100_000, 100_000],
      [100_033, 100_034],
    ]);
  });

  test("an id that has no place there is the image's fault, and named", async () => {
    writeFileSync(join(image, "data", "f"), "");
    chownSync(join(image, "data", "f"), 5000, 0);
    const map = "0 100000 1000";
    expect(await fill("/data", plain(), { uid: map, gid: map }).then(String, messageOf)).toContain('"f"');
  });

  test("links and dots in the path end inside the image, whatever they say", async () => {
    const canary = join(work, "canary");
    mkdirSync(canary);
    writeFileSync(join(canary, "secret"), "of the host");
    symlinkSync(canary, join(image, "absolute"));
    symlinkSync("../../../../../../../../../..", join(image, "up"));
    symlinkSync("/data", join(image, "inside"));
    symlinkSync("loop", join(image, "loop"));
    writeFileSync(join(image, "data", "f"), "");
    for (const path of [
      "/absolute",
      `/up${canary}`,
      `/../../../../..${canary}`,
      "/loop",
      "/none",
      "/proc/self/root",
    ])
      expect(await fill(path), path).toEqual({ found: "nothing", sizeBytes: 0 });
    expect(readdirSync(volume)).toEqual([]);
    expect((await fill("/../inside/sub/..")).found).toBe("directory");
    expect(readdirSync(volume).sort()).toEqual(["f", "sub"]);
  });

  test("a link in the image is copied as one, and nothing is written through it", async () => {
    const canary = join(work, "canary");
    mkdirSync(canary);
    symlinkSync(canary, join(image, "data", "link"));
    await fill("/data");
    expect([readlinkSync(join(volume, "link")), readdirSync(canary)]).toEqual([canary, []]);
  });

  test("a file is no directory, and a volume with content stays as it is", async () => {
    writeFileSync(join(image, "file"), "");
    expect((await fill("/file")).found).toBe("other");
    writeFileSync(join(volume, "mine"), "");
    writeFileSync(join(image, "data", "theirs"), "");
    expect((await fill("/data")).found).toBe("full");
    expect(readdirSync(volume)).toEqual(["mine"]);
  });

  test("an image without layers has nothing anywhere", async () => {
    expect((await fill("/data", { kind: "overlay", layers: [] })).found).toBe("nothing");
  });
});
