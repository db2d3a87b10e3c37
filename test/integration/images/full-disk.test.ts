/**
 * A disk that fills up while images come in: one clear line, nothing half-listed, the space given back, and the same thing
 * works when there is room. What `load` does on a full tmpfs is in bad-archives.test.ts; here every way in is tried, with
 * room for nothing, for a part of the blob, and for the blob but not for the layer.
 */
import { statfsSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "bun:test";
import { dockerArchive } from "../../../src/core/images/testing/archives.ts";
import { baseLayer, chaosImage, randomLayer } from "../../chaos/chaos-image.ts";
import { expectNoProblems } from "../../chaos/image-truth.ts";
import { expectItRuns, listed } from "../../chaos/image-use.ts";
import { TestRegistry } from "../../support/registry.ts";
import { engineSuite } from "../../support/suite.ts";
import { until } from "../../support/until.ts";

const MIB = 1 << 20;
const SIZE_MIB = 64;
/** Of the layer that does not fit. */
const LAYER_BYTES = 6 * MIB;
const ROOMS = [128 << 10, 3 * MIB, LAYER_BYTES + 2 * MIB];

const DISKS: Readonly<Record<string, string>> = {
  tmpfs: `mount -t tmpfs -o size=${SIZE_MIB}m tmpfs /opt`,
  ext4: [
    `truncate -s ${SIZE_MIB}M /dev/shm/gt-full.$$`,
    "mkfs.ext4 -q -m 0 /dev/shm/gt-full.$$",
    "mount -o loop /dev/shm/gt-full.$$ /opt",
    "rm /dev/shm/gt-full.$$",
  ].join("; "),
};

/** Removes images as soon as the disk is full, and nothing before. */
function policyFile(): string {
  const path = join(process.env["GANTRY_TEST_DIR"] ?? tmpdir(), `full-disk-${process.pid}.json`);
  const marks = { "high-watermark": "90%", "low-watermark": "20%", "min-age": "0s", "keep-last": 0 };
  const images = { ...marks, "keep-references": ["busybox", "kept"] };
  writeFileSync(path, JSON.stringify({ gc: { interval: "24h", images } }));
  return path;
}

interface WayIn {
  readonly name: string;
  readonly args: readonly string[];
  /** The image that it makes. */
  readonly image?: string;
  /** Its layer is unpacked on the small disk, too. */
  readonly isUnpacked: boolean;
  /** What may stay because it is whole, and is not sent again. */
  readonly keptBytes?: number;
}

for (const [disk, host] of Object.entries(DISKS))
  engineSuite(
    `a full disk, ${disk}`,
    { host, flags: ["--data-root", "/opt/data"], registries: true },
    (engine) => {
      const ok = (...args: string[]): Promise<string> => engine().ok(args);
      const small = (...path: string[]): string => join(`/proc/${engine().pid}/root/opt`, ...path);
      const freeBytes = (): number => {
        const { bavail, bsize } = statfsSync(small());
        return bavail * bsize;
      };
      const fillUpTo = (room: number): void => {
        makeRoom(); // of a test that failed
        writeFileSync(small("ballast"), Buffer.alloc(Math.max(0, freeBytes() - room)));
      };
      const makeRoom = (): void => rmSync(small("ballast"), { force: true });

      async function failsThenWorks(way: WayIn): Promise<void> {
        const { name, args, image, isUnpacked, keptBytes = 0 } = way;
        for (const room of isUnpacked ? ROOMS : ROOMS.slice(0, 2)) {
          const there = await listed(engine());
          fillUpTo(room);
          const before = freeBytes();
          const done = await engine().gantry(args);
          expect(done.code, `${name} with room for ${room}`).toBe(1);
          expect(done.stderr).toMatch(/no space left on device/);
          expect(done.stderr.trim().split("\n").length, done.stderr).toBe(1);
          expect(await listed(engine())).toEqual(there);
          await until("the space to be given back", () => freeBytes() > before - keptBytes - (256 << 10));
          makeRoom();
          await expectNoProblems(engine());
        }
        await ok(...args);
        if (image === undefined) return;
        await expectItRuns(engine(), image);
        await ok("rmi", "-f", image);
      }

      const archive = (): string => join(engine().dir, "large.tar");
      async function makeArchive(name: string): Promise<void> {
        const layers = [await baseLayer(), randomLayer("large", 3, LAYER_BYTES / 3)];
        writeFileSync(archive(), dockerArchive([{ names: [name], ...chaosImage(layers, "large") }]));
      }

      test("load", async () => {
        await makeArchive("large:1");
        const args = ["load", "-q", "-i", archive()];
        await failsThenWorks({ name: "load", args, image: "large:1", isUnpacked: true });
      }, 120_000);

      test("pull", async () => {
        await using registry = await TestRegistry.start(engine(), { kind: "gantry", port: 5000 });
        const name = `${registry.host}/large:1`;
        await makeArchive(name);
        await ok("load", "-q", "-i", archive());
        await ok("push", "-q", name);
        await ok("rmi", "-f", name);
        await failsThenWorks({ name: "pull", args: ["pull", "-q", name], image: name, isUnpacked: true });
      }, 120_000);

      test("import", async () => {
        const tar = join(engine().dir, "large-root.tar");
        const layer = randomLayer("large", 3, LAYER_BYTES / 3);
        writeFileSync(tar, layer.blob);
        const args = ["import", tar, "imported:1"];
        await failsThenWorks({ name: "import", args, isUnpacked: true });
        await ok("rmi", "-f", "imported:1");
      }, 120_000);

      test("commit", async () => {
        await ok("run", "-d", "--name", "writer", "--network", "none", "busybox", "sleep", "1000");
        const script = `mkdir /sums; dd if=/dev/urandom of=/data bs=1M count=${LAYER_BYTES / MIB}; sha256sum /data > /sums/data`;
        await ok("exec", "writer", "sh", "-c", script);
        const args = ["commit", "writer", "committed:1"];
        await failsThenWorks({ name: "commit", args, image: "committed:1", isUnpacked: true });
        expect(await ok("inspect", "-f", "{{.State.Status}}", "writer")).toBe("running");
      }, 120_000);

      test("push to a registry on that disk", async () => {
        const options = { kind: "gantry", port: 5000, dataRoot: "/opt/registry" } as const;
        await using registry = await TestRegistry.start(engine(), options);
        const name = `${registry.host}/large:1`;
        await makeArchive(name);
        await ok("load", "-q", "-i", archive());
        const keptBytes = (await baseLayer()).blob.length;
        await failsThenWorks({ name: "push", args: ["push", "-q", name], isUnpacked: false, keptBytes });
        await ok("rmi", "-f", name);
        await ok("pull", "-q", name);
        await expectItRuns(engine(), name);
        await ok("rmi", "-f", name);
        rmSync(small("registry"), { recursive: true, force: true });
      }, 120_000);
    },
  );

for (const [disk, host] of Object.entries(DISKS))
  engineSuite(
    `a full disk with a policy, ${disk}`,
    { host, flags: ["--data-root", "/opt/data", "--config-file", policyFile()], registries: true },
    (engine) => {
      const ok = (...args: string[]): Promise<string> => engine().ok(args);
      const small = (...path: string[]): string => join(`/proc/${engine().pid}/root/opt`, ...path);
      const images = async (): Promise<readonly string[]> =>
        (await ok("images", "--format", "{{.Repository}}:{{.Tag}}")).split("\n").toSorted();

      const archive = (): string => join(engine().dir, "large.tar");
      async function makeArchive(name: string, bytes: number): Promise<void> {
        const layers = [await baseLayer(), randomLayer("large", 3, bytes / 3)];
        writeFileSync(archive(), dockerArchive([{ names: [name], ...chaosImage(layers, name) }]));
      }
      const fillUpTo = (room: number): void => {
        const { bavail, bsize } = statfsSync(small());
        writeFileSync(small("ballast"), Buffer.alloc(Math.max(0, bavail * bsize - room)));
      };

      /** Of an image that may go and one that may not, the first goes for what comes in. */
      async function makesRoom(name: string, args: readonly string[]): Promise<void> {
        for (const room of ROOMS) {
          for (const [other, bytes] of [
            ["idle:1", 2 * LAYER_BYTES],
            ["kept:1", 3 * MIB],
          ] as const) {
            await makeArchive(other, bytes);
            await ok("load", "-q", "-i", archive());
          }
          await makeArchive(name, LAYER_BYTES);
          fillUpTo(room);
          await ok(...args);
          expect(await images(), `with room for ${room}`).toEqual(
            ["busybox:latest", name, "kept:1"].toSorted(),
          );
          rmSync(small("ballast"));
          await expectItRuns(engine(), name);
          await expectNoProblems(engine());
          await ok("rmi", "-f", name, "kept:1");
        }
      }

      afterEach(() => rmSync(small("ballast"), { force: true }));

      test("load: images that the policy gives up go, and it goes on", async () => {
        await makesRoom("large:1", ["load", "-q", "-i", archive()]);
      }, 120_000);

      test("pull: images that the policy gives up go, and it goes on; with none left it is one clear error", async () => {
        await using registry = await TestRegistry.start(engine(), { kind: "gantry", port: 5000 });
        const name = `${registry.host}/large:1`;
        await makeArchive(name, LAYER_BYTES);
        await ok("load", "-q", "-i", archive());
        await ok("push", "-q", name);
        await ok("rmi", "-f", name);
        await makesRoom(name, ["pull", "-q", name]);
        fillUpTo(3 * MIB);
        const done = await engine().gantry(["pull", "-q", name]);
        expect([done.code, done.stderr.trim().split("\n").length]).toEqual([1, 1]);
        expect(done.stderr).toMatch(/no space left on device/);
        rmSync(small("ballast"));
        await expectNoProblems(engine());
      }, 120_000);
    },
  );
