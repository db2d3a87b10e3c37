/** The contract of `Volumes`, for every driver that keeps content on this host. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../../base/errors.ts";
import type { FillSource } from "../../linux/fill-volume.ts";
import type { FakeVolumeHost } from "./testing/fake-volume-host.ts";
import { isAnonymous, type Volume, type VolumeUser, type VolumeWish, type Volumes } from "./volumes.ts";

export interface VolumesLab extends AsyncDisposable {
  readonly host: FakeVolumeHost;
  /** Where the directories of volumes are. */
  readonly root: string;
  /** Who has what, for the containers' records. */
  users: readonly VolumeUser[];
  volumes: Volumes;
  /** Runs `work` in one transaction of the store. */
  transaction(work: () => void): void;
  /** As after the daemon's death. */
  reopen(): Promise<void>;
}

const NEVER = new AbortController().signal;
const atData = (): FillSource => ({
  image: { kind: "plain", directory: "/image" },
  path: "/data",
  ids: undefined,
});
const TMPFS = { type: "tmpfs", device: "tmpfs", o: "size=1m" };

export function volumesSuite(title: string, openLab: () => Promise<VolumesLab>): void {
  describe(title, () => {
    let lab: VolumesLab;

    beforeEach(async () => {
      lab = await openLab();
    });

    afterEach(async () => {
      await lab[Symbol.asyncDispose]();
    });

    const create = async (name: string, fields: Partial<VolumeWish> = {}): Promise<Volume> =>
      (await lab.volumes.create({ name, driver: "", labels: null, options: null, ...fields })).volume;
    const stage = () => lab.volumes.stage({ driver: "", labels: null, options: null });
    const running = (id: string, ...volumes: string[]): VolumeUser => ({ id, isRunning: true, volumes });
    const refusal = (promise: Promise<unknown>): Promise<string> => promise.then(String, messageOf);
    const names = (): string[] => lab.volumes.all().map(({ name }) => name);
    const inRoot = (): string[] => readdirSync(lab.root).sort();

    test("create() makes a volume that a restart finds again, with all that was said of it", async () => {
      const volume = await create("data", { labels: { a: "b" }, options: TMPFS });
      expect(volume).toMatchObject({ name: "data", driver: "local", labels: { a: "b" }, options: TMPFS });
      await lab.reopen();
      expect(lab.volumes.find("data")).toEqual(volume);
    });

    test("create() leaves one that is there as it is", async () => {
      const first = await create("data", { labels: { a: "b" } });
      writeFileSync(join(first.mountpoint, "f"), "x");
      const again = await lab.volumes.create({
        name: "data",
        driver: "local",
        labels: { c: "d" },
        options: null,
      });
      expect(again).toEqual({ volume: first, isNew: false });
      expect(readdirSync(first.mountpoint)).toEqual(["f"]);
    });

    test("create() without a name makes one up and says in a label that nobody chose it", async () => {
      const volume = await create("", { labels: { a: "b" } });
      expect(volume.name).toMatch(/^[0-9a-f]{64}$/);
      expect([isAnonymous(volume), volume.labels?.["a"]]).toEqual([true, "b"]);
    });

    test("two creations of one name at the same time make one volume", async () => {
      const wish = { name: "data", driver: "", labels: null, options: null };
      const both = await Promise.all([lab.volumes.create(wish), lab.volumes.create(wish)]);
      expect(both.filter(({ isNew }) => isNew)).toHaveLength(1);
      expect(both[0].volume).toEqual(both[1].volume);
    });

    test("create() refuses names, drivers and options that cannot be, in Docker's words", async () => {
      const refused: readonly (readonly [string, Partial<VolumeWish>, string])[] = [
        ["a", {}, "create a: volume name is too short, names should be at least two alphanumeric characters"],
        ["a/b", {}, 'create a/b: "a/b" includes invalid characters for a local volume name'],
        ["..", {}, 'create ..: ".." includes invalid characters'],
        ["-xx", {}, "includes invalid characters"],
        ["é1", {}, "includes invalid characters"],
        ["a\nb", {}, "includes invalid characters"],
        ["x".repeat(300), {}, "volume name is too long"],
        [
          "data",
          { driver: "nope" },
          'create data: error looking up volume plugin nope: plugin "nope" not found',
        ],
        ["data", { options: { foo: "bar" } }, 'create data: invalid option: "foo"'],
      ];
      for (const [name, fields, message] of refused)
        expect(await refusal(create(name, fields)), name).toContain(message);
      expect(inRoot()).toEqual([]);
    });

    test("names that mean something to a program are names", async () => {
      for (const name of ["constructor", "toString"]) await create(name);
      expect(names().sort()).toEqual(["constructor", "toString"]);
      expect([...lab.volumes.users().keys()]).toEqual([]);
    });

    test("remove() deletes it at once, and a name is free again", async () => {
      const { mountpoint } = await create("data");
      writeFileSync(join(mountpoint, "f"), "x");
      await lab.volumes.remove("data");
      expect(await refusal(lab.volumes.remove("data"))).toBe("get data: no such volume");
      await create("data");
      expect(readdirSync(mountpoint)).toEqual([]);
      await lab.volumes.settled();
      expect(inRoot()).toEqual(["data"]);
    });

    test("remove() refuses one that a container has, whether it runs or not, or is about to have", async () => {
      await create("data");
      lab.users = [{ id: "c1", isRunning: false, volumes: ["data"] }, running("c2", "data", "other")];
      await lab.volumes.acquire("data", "c3");
      expect(await refusal(lab.volumes.remove("data"))).toBe("remove data: volume is in use - [c3, c1, c2]");
      expect(lab.volumes.users().get("data")).toEqual(["c3", "c1", "c2"]);
      lab.users = [running("c2", "data")];
      await lab.volumes.release("data", "c3");
      expect(await refusal(lab.volumes.remove("data"))).toBe("remove data: volume is in use - [c2]");
      await lab.volumes.remove("data", { except: "c2" });
      expect(names()).toEqual([]);
    });

    test("who uses a volume is known after a crash, because nothing was remembered", async () => {
      await create("data");
      await lab.volumes.acquire("data", "gone");
      lab.users = [running("c1", "data")];
      await lab.reopen();
      expect(lab.volumes.users().get("data")).toEqual(["c1"]);
    });

    test("the first user mounts what the options say, the last one takes it off", async () => {
      await create("data", { options: TMPFS });
      const path = await lab.volumes.acquire("data", "c1");
      await lab.volumes.acquire("data", "c2");
      expect([...lab.host.mounted]).toEqual([
        [
          path,
          { type: "tmpfs", source: "tmpfs", attrSet: 0n, attrClr: 0n, propagation: 0n, options: ["size=1m"] },
        ],
      ]);
      await lab.volumes.release("data", "c1");
      lab.users = [running("c2", "data")];
      await lab.volumes.release("data", "c2");
      expect(lab.host.mounted.size).toBe(1); // recorded as running
      lab.users = [];
      await lab.volumes.release("data", "c2");
      expect(lab.host.mounted.size).toBe(0);
    });

    test("a mount that fails leaves nobody as its user", async () => {
      await create("data", { options: TMPFS });
      lab.host.attach = () => Promise.reject(new Error("no such device"));
      expect(await refusal(lab.volumes.acquire("data", "c1"))).toBe(
        "failed to mount local volume: no such device",
      );
      await lab.volumes.remove("data");
    });

    test("fill() gives an empty volume what the image has, once", async () => {
      lab.host.image.set("/data", ["a", "b"]);
      const { mountpoint } = await create("data");
      await lab.volumes.acquire("data", "c1");
      expect(await lab.volumes.fill("data", "c1", atData())).toEqual({ found: "directory", sizeBytes: 20 });
      expect(readdirSync(mountpoint).sort()).toEqual(["a", "b"]);
      expect(lab.host.syncs).toBe(1);
      writeFileSync(join(mountpoint, "a"), "mine");
      rmSync(join(mountpoint, "b"));
      expect((await lab.volumes.fill("data", "c1", atData())).found).toBe("full");
      expect([readdirSync(mountpoint), readFileSync(join(mountpoint, "a"), "utf8")]).toEqual([["a"], "mine"]);
    });

    test("fill() that ends in the middle leaves an empty volume, and the next one begins anew", async () => {
      lab.host.image.set("/data", ["a", "b"]);
      const { mountpoint } = await create("data");
      lab.host.inTheMiddle = () => {
        expect(readdirSync(mountpoint)).toEqual([]); // nobody sees a half
        throw new Error("killed");
      };
      expect(await refusal(lab.volumes.fill("data", "c1", atData()))).toBe("killed");
      // What a daemon leaves that is killed there.
      mkdirSync(join(lab.root, "data", "_filling"), { recursive: true });
      writeFileSync(join(lab.root, "data", "_filling", "half"), "");
      lab.host.inTheMiddle = undefined;
      await lab.reopen();
      await lab.volumes.settled();
      expect([readdirSync(join(lab.root, "data")), readdirSync(mountpoint)]).toEqual([["_data"], []]);
      expect((await lab.volumes.fill("data", "c1", atData())).found).toBe("directory");
      expect(readdirSync(mountpoint).sort()).toEqual(["a", "b"]);
    });

    test("fill() does not take what somebody wrote meanwhile away from him", async () => {
      lab.host.image.set("/data", ["a"]);
      const { mountpoint } = await create("data");
      lab.host.inTheMiddle = () => writeFileSync(join(mountpoint, "mine"), "");
      expect((await lab.volumes.fill("data", "c1", atData())).found).toBe("full");
      expect(readdirSync(mountpoint)).toEqual(["mine"]);
    });

    test("fill() of a volume that somebody has mounted fills the directory that he sees", async () => {
      lab.host.image.set("/data", ["a"]);
      const { mountpoint } = await create("data");
      lab.users = [running("c1", "data")];
      let seen: string[] = [];
      lab.host.inTheMiddle = () => {
        seen = readdirSync(mountpoint);
      };
      await lab.volumes.fill("data", "c2", atData());
      expect(seen).toEqual(["a"]);
    });

    test("a staged volume exists with the transaction of its container, or not at all", async () => {
      lab.host.image.set("/data", ["a"]);
      const kept = await stage();
      const given = await stage();
      await kept.fill(atData());
      expect(names()).toEqual([]);
      for (const staged of [kept, given]) await staged.place("durable");
      lab.transaction(() => kept.enter("durable"));
      const failing = (): void =>
        lab.transaction(() => {
          given.enter("durable");
          throw new Error("the container cannot be");
        });
      expect(failing).toThrow("the container cannot be");
      given.discard();
      await lab.volumes.settled();
      expect([names(), inRoot()]).toEqual([[kept.volume.name], [kept.volume.name]]);
      await lab.reopen();
      expect(names()).toEqual([kept.volume.name]);
      expect(readdirSync(kept.volume.mountpoint)).toEqual(["a"]);
    });

    test("what a crash left is put right: unfinished things go, content of users stays", async () => {
      for (const name of ["kept", "lost"]) await create(name);
      const strangers = {
        "orphan-full": "_data/f",
        "orphan-empty": "_data",
        ".new-x": "_data",
        ".gone-1": "f",
      };
      for (const [name, path] of Object.entries(strangers)) {
        mkdirSync(join(lab.root, name, "_data"), { recursive: true });
        if (path.endsWith("f")) writeFileSync(join(lab.root, name, path), "x");
      }
      rmSync(join(lab.root, "lost"), { recursive: true });
      await lab.reopen();
      await lab.volumes.settled();
      expect(names().sort()).toEqual(["kept", "orphan-full"]);
      expect(inRoot()).toEqual(["kept", "orphan-full"]);
    });

    test("mounts that a crash left go by who runs", async () => {
      const used = await create("used", { options: TMPFS });
      const idle = await create("idle", { options: TMPFS });
      for (const name of ["used", "idle"]) await lab.volumes.acquire(name, "gone");
      lab.users = [running("c1", "used"), { id: "c2", isRunning: false, volumes: ["idle"] }];
      await lab.reopen();
      expect([used, idle].map(({ mountpoint }) => lab.host.mounted.has(mountpoint))).toEqual([true, false]);
    });

    test("usage() is of content that is here, not of what options mount", async () => {
      const here = await create("here");
      writeFileSync(join(here.mountpoint, "f"), "x");
      expect(await lab.volumes.usage(here, NEVER)).toBe(10);
      expect(await lab.volumes.usage(await create("away", { options: TMPFS }), NEVER)).toBeUndefined();
      await lab.volumes.remove("here");
      expect(await lab.volumes.usage(here, NEVER)).toBeUndefined();
    });
  });
}
