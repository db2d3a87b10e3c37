/** The campaign of kills.test.ts is worth what its checks are: each of them finds the harm that is done here on purpose. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { messageOf } from "../../../src/base/errors.ts";
import { DEFAULT_GARBAGE_POLICY } from "../../../src/core/gc/image-policy.ts";
import {
  expectContinuable,
  expectKeeperRuns,
  expectNoProblems,
  expectNothingLeft,
  expectSoundBlobs,
  expectTheirNames,
  expectWholeImages,
} from "../../chaos/image-truth.ts";
import { expectItRuns, expectResumed, missingBytes } from "../../chaos/image-use.ts";
import { ImageWorld } from "../../chaos/image-world.ts";
import { GANTRY } from "../../support/engine.ts";
import { descriptors, type Inventory } from "../../support/leak-check.ts";
import { ownInventory } from "../../support/own-inventory.ts";
import { describeWith, type Requirement } from "../../support/requires.ts";
import { must } from "../../support/run.ts";
import { until } from "../../support/until.ts";

const DRIVERS: readonly { readonly driver: string; readonly needs: readonly Requirement[] }[] = [
  { driver: "overlay2", needs: [] },
  { driver: "erofs", needs: ["erofs"] },
];

/** A leak that is there is there at once. */
const PATIENCE_MS = 300;

type Undo = () => unknown;

/** A process that runs until that; one that nsenter is to become has become it. */
async function lingering([file = "", ...args]: readonly string[]): Promise<Undo> {
  const child = spawn(file, args, { stdio: "ignore" });
  const gone = once(child, "exit");
  await once(child, "spawn");
  if (file === "nsenter")
    await until(
      "it to be inside",
      () => !readFileSync(`/proc/${child.pid}/cmdline`, "utf8").startsWith(file),
    );
  return async () => {
    child.kill("SIGKILL");
    await gone;
  };
}

/** Turns a byte of the file over; doing it again puts it right. */
function flip(path: string, offset: number): void {
  const { atime, mtime } = statSync(path);
  const byte = Buffer.alloc(1);
  const fd = openSync(path, "r+");
  readSync(fd, byte, 0, 1, offset);
  writeSync(fd, Buffer.of((byte[0] ?? 0) ^ 0xff), 0, 1, offset);
  closeSync(fd);
  utimesSync(path, atime, mtime);
}

for (const { driver, needs } of DRIVERS)
  describeWith(`what a kill may not leave, ${driver}`, ["root", "busybox", ...needs], () => {
    let started: ImageWorld | undefined;
    let before: Inventory = {};
    const world = (): ImageWorld => {
      if (started === undefined) throw new Error("there is no world");
      return started;
    };
    const data = (...names: string[]): string => join(world().engine.dir, "data", ...names);
    const inEngine = (...command: string[]): string[] => [
      "nsenter",
      `--target=${world().engine.pid}`,
      "--mount",
      "--net",
      ...command,
    ];

    beforeAll(async () => {
      started = await ImageWorld.start(driver);
      await world().engine.restart();
      before = ownInventory(world().engine);
      await world().engine.ok(["load", "-q", "-i", world().archive]);
    }, 120_000);
    afterAll(async () => {
      await started?.[Symbol.asyncDispose]();
    }, 60_000);

    const firstRemote = (): ImageWorld["remote"][number] => {
      const [first] = world().remote;
      if (first === undefined) throw new Error("the registry has no image");
      return first;
    };

    /** `harm` is found by `look` and, when it is undone, no longer. */
    const finds = async (
      harm: () => Undo | Promise<Undo>,
      look: () => unknown,
      what: RegExp,
    ): Promise<void> => {
      const undo = await harm();
      let said = "nothing";
      try {
        await look();
      } catch (error) {
        said = messageOf(error);
      } finally {
        await undo();
      }
      expect(said).toMatch(what);
      await expectWholeImages(world(), before);
    };
    const isLeft = (what: string, harm: () => Undo | Promise<Undo>): Promise<void> =>
      finds(
        harm,
        () => expectNothingLeft(world().engine, before, PATIENCE_MS),
        new RegExp(`^left behind:[^]*\\n {2}${what}`),
      );

    const blobPath = (): string => {
      const folder = data("content", "blobs", "sha256");
      return join(folder, readdirSync(folder)[0] ?? "");
    };

    test("is nothing when nobody did harm", async () => {
      await expectWholeImages(world(), before);
    }, 60_000);

    test("is a blob with another byte", async () => {
      const harm = (): Undo => {
        const path = blobPath();
        flip(path, 100);
        return () => flip(path, 100);
      };
      await finds(harm, () => expectSoundBlobs(world().engine), /has the digest/);
      await finds(harm, () => expectNoProblems(world().engine), /damaged-blob/);
    }, 60_000);

    test("is a blob without its file, or a file among the blobs", async () => {
      const gone = (): Undo => {
        const path = blobPath();
        const bytes = readFileSync(path);
        rmSync(path);
        return () => writeFileSync(path, bytes);
      };
      await finds(gone, () => expectNoProblems(world().engine), /its file is missing/);
      const more = (): Undo => {
        const path = data("content", "blobs", "sha256", "more");
        writeFileSync(path, "");
        return () => rmSync(path);
      };
      await finds(more, () => expectNoProblems(world().engine), /foreign-file/);
    }, 60_000);

    /** The file of a layer, or of the image of a layer, that has these bytes, and where. */
    const layerFile = (bytes: Buffer): { readonly path: string; readonly offset: number } => {
      const folder = data("snapshots", driver, "layers");
      for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
        const path = join(entry.parentPath, entry.name);
        const offset = entry.isFile() ? readFileSync(path).indexOf(bytes) : -1;
        if (offset >= 0) return { path, offset };
      }
      throw new Error("no layer has these bytes");
    };
    /** In the layer that the registry's images share with "second": its first file begins after its header. */
    const inShared = (): ReturnType<typeof layerFile> =>
      layerFile(firstRemote().image.layers[1]?.tar.subarray(512 + 1000, 512 + 1032) ?? Buffer.alloc(0));

    test("is a layer with another byte in a file", async () => {
      const harm = (): Undo => {
        const { path, offset } = inShared();
        flip(path, offset);
        return () => flip(path, offset);
      };
      await finds(harm, () => expectNoProblems(world().engine), /damaged-layer/);
      await finds(harm, () => expectItRuns(world().engine, "second:latest"), /ended with 1/);
    }, 60_000);

    test("is a layer without one of its files, or something among the layers", async () => {
      const gone = (): Undo => {
        const { path } = inShared();
        const { atime, mtime } = statSync(dirname(path));
        const aside = join(world().engine.dir, "log", "aside");
        renameSync(path, aside);
        return () => {
          renameSync(aside, path);
          utimesSync(dirname(path), atime, mtime);
        };
      };
      await finds(gone, () => expectNoProblems(world().engine), /damaged-layer/);
      const more = (): Undo => {
        const path = data("snapshots", driver, "layers", "more");
        mkdirSync(path);
        return () => rmdirSync(path);
      };
      await finds(more, () => expectNoProblems(world().engine), /foreign-file/);
    }, 60_000);

    test("is a partial blob that nobody will continue", async () => {
      const partial = (name: string, bytes: Buffer, ageMs: number) => (): Undo => {
        const path = data("content", "partial", name);
        writeFileSync(path, bytes);
        const seconds = (Date.now() - ageMs) / 1000;
        utimesSync(path, seconds, seconds);
        return () => rmSync(path);
      };
      const look = (): void => expectContinuable(world());
      const [{ digest, blob } = { digest: "", blob: Buffer.alloc(0) }] = firstRemote().image.layers;
      const begun = blob.subarray(0, 1000);
      await finds(partial(`sha256:${"0".repeat(64)}`, begun, 0), look, /continued from nowhere/);
      await finds(
        partial(digest, Buffer.concat([begun, Buffer.of(0, 0, 0, 0)]), 0),
        look,
        /not those of the layer/,
      );
      const { partialMaxAgeMs } = DEFAULT_GARBAGE_POLICY;
      await finds(partial(digest, begun, partialMaxAgeMs + 60_000), look, /was last written/);
    }, 60_000);

    test("is a name that stands for another image, and a container that ended", async () => {
      const { engine, ids } = world();
      const rename = async (): Promise<Undo> => {
        await engine.ok(["tag", "loaded:latest", "second:latest"]);
        return () => engine.ok(["tag", ids.get("second:latest") ?? "", "second:latest"]);
      };
      // Without a name an image is not lost before somebody prunes.
      await finds(rename, () => expectTheirNames(world()), /^second:latest is sha256:/);
      const pause = async (): Promise<Undo> => {
        await engine.ok(["pause", "keeper"]);
        return () => engine.ok(["unpause", "keeper"]);
      };
      await finds(pause, () => expectKeeperRuns(engine), /is paused$/);
    }, 60_000);

    test("is a pull that begins again", async () => {
      const { engine } = world();
      const image = firstRemote();
      await engine.ok(["pull", "-q", image.name]);
      const missing = [{ image, bytes: missingBytes(engine, image) }];
      const remove = async (): Promise<Undo> => {
        await engine.ok(["rmi", "-f", image.name]);
        return () => engine.ok(["rmi", "-f", image.name]);
      };
      await finds(
        remove,
        () => expectResumed(world(), missing),
        /0 bytes were missing, and \d+ were fetched/,
      );
    }, 60_000);

    test("is a file in the data root or in the exec root", async () => {
      const file = (path: string) => (): Undo => {
        writeFileSync(path, "");
        return () => rmSync(path);
      };
      await isLeft("files: data/more", file(data("more")));
      await isLeft("files: data/content/ingest/more", file(data("content", "ingest", "more")));
      await isLeft(
        "files: data/snapshots/[a-z0-9]+/staging/more",
        file(data("snapshots", driver, "staging", "more")),
      );
      await isLeft("files: run/tasks/more", file(join(world().engine.runDir, "tasks", "more")));
    }, 60_000);

    test("is a mount", async () => {
      const mount = async (): Promise<Undo> => {
        const path = world().engine.runDir;
        await must(inEngine("mount", "-t", "tmpfs", "tmpfs", join(path, "tasks")));
        return () => must(inEngine("umount", join(path, "tasks")));
      };
      await isLeft("mounts of the engine: / /dev/shm/gt-\\w+/tasks", mount);
    }, 60_000);

    test("is a namespace, though only a mount holds it", async () => {
      const path = join(world().engine.dir, "log", "namespace");
      writeFileSync(path, "");
      const hold = async (): Promise<Undo> => {
        await must(inEngine("unshare", "--uts", "mount", "--bind", "/proc/self/ns/uts", path));
        return () => must(inEngine("umount", path));
      };
      await isLeft("namespaces: uts:", hold);
    }, 60_000);

    test("is a process, of whatever name", async () => {
      await isLeft("processes: sleep 1000 \\(1\\)", () => lingering(inEngine("sleep", "1000")));
    }, 60_000);

    test("is a cgroup of a container that is gone", async () => {
      const { engine } = world();
      const keeper = await engine.ok(["inspect", "-f", "{{.Id}}", "keeper"]);
      const gone = await engine.ok(["create", "--network", "none", "busybox", "true"]);
      await engine.ok(["start", gone]);
      await engine.ok(["rm", "-f", gone]);
      const [its = ""] = before["cgroups"] ?? [];
      expect(its).toContain(keeper);
      const make = (): Undo => {
        const path = its.replace(keeper, gone);
        mkdirSync(path);
        return () => rmdirSync(path);
      };
      await isLeft("cgroups: .*", make);
    }, 60_000);

    test("is a loop device", async () => {
      const file = join(world().engine.dir, "log", "disk");
      writeFileSync(file, Buffer.alloc(1 << 20));
      const attach = async (): Promise<Undo> => {
        const device = (await must(["losetup", "--find", "--show", file])).trim();
        return () => must(["losetup", "--detach", device]);
      };
      await isLeft("loop devices: loop", attach);
    }, 60_000);

    test("is a descriptor of the daemon or of a shim", async () => {
      const { engine } = world();
      const client = async (words: readonly string[], isServed: () => boolean): Promise<Undo> => {
        const end = await lingering([GANTRY, "--host", engine.host, ...words]);
        await until("the client to be served", isServed);
        return end;
      };
      const follow = () =>
        client(["logs", "-f", "keeper"], () => {
          const open = [...descriptors(engine.pid)];
          return ["-json.log", "inotify"].every((part) => open.some((target) => target.includes(part)));
        });
      const attach = () =>
        client(["attach", "--no-stdin", "keeper"], () => {
          const now = ownInventory(engine)["descriptors of shims"]?.size ?? 0;
          return now > (before["descriptors of shims"]?.size ?? 0);
        });
      // What the daemon makes for the first of them, it keeps.
      await (await follow())();
      before = ownInventory(engine);
      await isLeft("descriptors: /.*-json.log", follow);
      await isLeft("descriptors of shims: .*socket", attach);
    }, 60_000);
  });
