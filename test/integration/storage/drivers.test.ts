/** One and the same story on every storage driver: what is made of an image, a container and the daemon's end. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "bun:test";
import { BUSYBOX_ROOT_FILES, layeredArchive } from "../../support/layered-image.ts";
import type { Requirement } from "../../support/requires.ts";
import { must } from "../../support/run.ts";
import { engineSuite } from "../../support/suite.ts";

interface Driver {
  readonly name: string;
  readonly needs?: readonly Requirement[];
  /** Shell text; DATA is where the data root's file system can be mounted. */
  readonly host?: string;
  readonly flags?: readonly string[];
}

/** An image file on a file system that does not care what is in it, mounted through a loop device that goes with the mount. */
const BTRFS = [
  "truncate -s 600M /dev/shm/gt-btrfs.$$",
  "mkfs.btrfs -q /dev/shm/gt-btrfs.$$",
  "mount -o loop /dev/shm/gt-btrfs.$$ /opt",
  "rm /dev/shm/gt-btrfs.$$",
].join("; ");

const DRIVERS: readonly Driver[] = [
  { name: "overlay2" },
  { name: "erofs", needs: ["erofs"] },
  { name: "vfs" },
  { name: "btrfs", needs: ["btrfs"], host: BTRFS, flags: ["--data-root", "/opt/data"] },
];

const RUNC = ["/usr/sbin/runc", "/usr/bin/runc"].find((path) => existsSync(path));

for (const { name, needs = [], host, flags = [] } of DRIVERS)
  engineSuite(
    `the storage driver ${name}`,
    {
      needs,
      flags: [
        "--storage-driver",
        name,
        ...(RUNC === undefined ? [] : ["--add-runtime", `runc=${RUNC}`]),
        ...flags,
      ],
      ...(host === undefined ? {} : { host }),
    },
    (engine) => {
      const ok = (...args: string[]) => engine().ok(args);
      const run = (...args: string[]) => ok("run", "--rm", "--network", "none", ...args);

      test("is the one that info names", async () => {
        expect(await ok("info", "-f", "{{.Driver}}")).toBe(name);
      });

      test("gives each container its own root, which it can change in every way", async () => {
        const script = [
          "echo mine > /etc/passwd",
          "rm /bin/wget && mv /bin/vi /bin/ve && ln /bin/busybox /bin/second",
          "mkdir -p /a/b && echo deep > /a/b/c && chown 12:34 /a/b/c && chmod 4711 /a/b/c",
          "cat /etc/passwd /a/b/c && stat -c '%a %u %g' /a/b/c && ls /bin/wget /bin/ve 2>&1",
          "exit 0",
        ].join("\n");
        expect(await run("busybox", "sh", "-c", script)).toBe(
          "mine\ndeep\n4711 12 34\nls: /bin/wget: No such file or directory\n/bin/ve",
        );
        expect(await run("busybox", "sh", "-c", "head -n 1 /etc/passwd; ls /bin/wget")).toBe(
          "root:x:0:0:root:/root:/bin/sh\n/bin/wget",
        );
      });

      test("tells, packs and exports what a container wrote, the same as every other", async () => {
        const container = await ok("run", "-d", "--network", "none", "busybox", "sleep", "1000");
        expect(await ok("diff", container)).toBe("");
        const script =
          "mkdir /a; echo new > /a/file; ln /a/file /a/second; ln -s file /a/soft; chmod 4711 /bin/busybox; rm -r /etc; touch -d @5 /a/file /a";
        await ok("exec", container, "sh", "-c", script);
        expect((await ok("diff", container)).split("\n").filter((line) => !/^. \/etc/.test(line))).toEqual([
          "A /a",
          "A /a/file",
          "A /a/second",
          "A /a/soft",
          "C /bin",
          "C /bin/busybox",
        ]);
        const exported = join(engine().dir, "exported.tar");
        await ok("export", "-o", exported, container);
        await ok("commit", container, "packed:1");
        await ok("rm", "-f", container);
        const second = await ok("run", "-d", "--network", "none", "packed:1", "sleep", "1000");
        expect(
          await ok("exec", second, "sh", "-c", "cat /a/second; stat -c %a:%h /bin/busybox /a/file"),
        ).toBe("new\n4711:1\n644:2");
        expect(await ok("image", "diff", "packed:1")).toContain("C /bin/busybox");
        const again = join(engine().dir, "again.tar");
        await ok("export", "-o", again, second);
        const names = (archive: string) =>
          must(["sh", "-c", 'tar -tvf "$0" | grep -v " \\(etc\\|dev\\|bin\\)/$"', archive]);
        expect(await names(again)).toBe(await names(exported));
        await ok("rm", "-f", second);
        await ok("rmi", "packed:1");
      });

      test("keeps what a stopped container wrote, through a daemon's end", async () => {
        const script = "[ -e /kept ] && exit 7; echo kept > /kept";
        const id = await ok("run", "-d", "--network", "none", "busybox", "sh", "-c", script);
        expect(await ok("wait", id)).toBe("0");
        await engine().kill9();
        await engine().launch();
        await ok("start", id);
        expect(await ok("wait", id)).toBe("7");
        expect(await ok("inspect", "-f", "{{.GraphDriver.Name}}", id)).toBe(name);
        expect(await run("busybox", "sh", "-c", "ls /kept 2>/dev/null; echo")).toBe("");
      });

      test("shows layers merged: whiteouts, opaque directories, and what replaces what", async () => {
        await ok("load", "-q", "-i", await layeredArchive());
        const listing = await run("layered", "sh", "-c", "cd /test && find . | sort | xargs echo");
        expect(listing).toBe(". ./both ./both/low ./both/up ./file ./hidden ./hidden/new ./turned");
        expect(await run("layered", "sh", "-c", "cat /test/file /test/turned; ls /bin/busybox")).toBe(
          `upper\na file\n${BUSYBOX_ROOT_FILES}`,
        );
        await ok("rmi", "layered");
      });

      test("runs read-only roots and other users", async () => {
        const script = "id -u; touch /x 2>&1 || true";
        expect(await run("--read-only", "-u", "1000", "busybox", "sh", "-c", script)).toBe(
          "1000\ntouch: /x: Read-only file system",
        );
      });

      test.if(RUNC !== undefined)("is good for another runtime's containers", async () => {
        expect(await run("--runtime", "runc", "-u", "user", "-w", "/", "busybox", "id", "-un")).toBe("user");
        expect(await run("--runtime", "runc", "busybox", "sh", "-c", "echo new > /new; cat /new")).toBe(
          "new",
        );
      });

      test("leaves nothing of layers, staging and trash when the images are gone", async () => {
        await ok("load", "-q", "-i", await layeredArchive());
        await ok("rmi", "layered");
        if (host !== undefined) return; // its data root is seen by the engine alone
        const root = join(engine().dir, "data", "snapshots", name);
        expect(existsSync(root)).toBe(true);
        expect(readdirSync(join(root, "layers")).length).toBe(1); // busybox
      });
    },
  );

const OWN_ETC = "mkdir /opt/etc; cp -a /etc/. /opt/etc/; mount --bind /opt/etc /etc";
const OWN_USER = `mount -t tmpfs tmpfs /opt; ${OWN_ETC}; printf 'remapped:x:4711:4711::/:/bin/false\\n' >> /etc/passwd; printf 'remapped:x:4711:\\n' >> /etc/group; printf 'remapped:700000:65536\\n' > /etc/subuid; cp /etc/subuid /etc/subgid`;

for (const { name, needs = [] } of DRIVERS.filter(({ host }) => host === undefined))
  engineSuite(
    `userns-remap on ${name}`,
    { needs, flags: ["--storage-driver", name, "--userns-remap", "remapped"], host: OWN_USER },
    (engine) => {
      test("a container owns its files and can change them", async () => {
        const script =
          "stat -c %u:%g /bin/busybox / && chown 5:6 /etc/passwd && stat -c %u:%g /etc/passwd && : > /new";
        const { stdout, stderr } = await engine().gantry([
          "run",
          "--rm",
          "--network",
          "none",
          "busybox",
          "sh",
          "-c",
          script,
        ]);
        expect(`${stdout}${stderr}`).toBe("0:0\n0:0\n5:6\n");
      });
    },
  );

const directory = mkdtempSync(join(process.env["GANTRY_TEST_DIR"] ?? tmpdir(), "gt-drivers-"));
const config = join(directory, "daemon.json");
const choose = (driver: string): void => writeFileSync(config, JSON.stringify({ "storage-driver": driver }));
choose("overlay2");
afterAll(() => rmSync(directory, { recursive: true }));

engineSuite("another storage driver", { flags: ["--config-file", config] }, (engine) => {
  const ok = (...args: string[]) => engine().ok(args);
  const restartWith = async (driver: string): Promise<void> => {
    await engine().shutdown();
    choose(driver);
    await engine().launch();
    expect(await ok("info", "-f", "{{.Driver}}")).toBe(driver);
  };
  const layersOf = (driver: string): number =>
    readdirSync(join(engine().dir, "data", "snapshots", driver, "layers")).length;

  test("has the images that are here, and unpacks them when a container wants them", async () => {
    await ok("load", "-q", "-i", await layeredArchive());
    const before = await ok("images", "--no-trunc", "--format", "{{.Repository}} {{.ID}}");
    const kept = await ok("create", "--network", "none", "layered", "cat", "/test/file");
    await restartWith("vfs");
    try {
      expect(await ok("images", "--no-trunc", "--format", "{{.Repository}} {{.ID}}")).toBe(before);
      expect(layersOf("vfs")).toBe(0);
      const run = ["run", "--rm", "--network", "none", "layered", "cat", "/test/file"];
      expect(await Promise.all([ok(...run), ok(...run)])).toEqual(["upper", "upper"]);
      const unpacked = layersOf("vfs");
      expect(unpacked).toBe(layersOf("overlay2"));
      expect((await ok("image", "diff", "layered")).length).toBeGreaterThan(0);
      await ok("save", "-o", join(engine().dir, "saved.tar"), "layered");
      // What a container wrote is with the driver that it was made with.
      expect((await engine().gantry(["start", kept])).code).toBe(1);
    } finally {
      await restartWith("overlay2");
    }
    await ok("start", kept);
    expect(await ok("logs", "-f", kept)).toBe("upper");
    await ok("rm", "-f", kept);
    await ok("rmi", "layered");
  }, 60_000);
});
