/** `--storage-opt size`: what a container writes is limited by its file system, which needs no daemon for that. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import type { Requirement } from "../../support/requires.ts";
import { program } from "../../support/programs.ts";
import { must } from "../../support/run.ts";
import { engineSuite } from "../../support/suite.ts";

interface Disk {
  readonly needs: Requirement;
  /** A file system on a loop device that goes with its mount. */
  readonly format: string;
  /** The mount option. */
  readonly option: string;
  readonly mebibytes: number;
  /** What a program is told that writes too much. */
  readonly full: string;
}

const DISKS = {
  ext4: {
    needs: "ext4 quotas",
    format: "mkfs.ext4 -q -m 0 -O project,quota",
    option: "prjquota",
    mebibytes: 250,
    full: "Disk quota exceeded",
  },
  xfs: {
    needs: "xfs quotas",
    format: "mkfs.xfs -q",
    option: "pquota",
    mebibytes: 400,
    full: "No space left on device",
  },
} as const satisfies Record<string, Disk>;

function mountOf({ format, option, mebibytes }: Disk): string {
  const image = "/dev/shm/gt-size.$$";
  const steps = [
    `truncate -s ${mebibytes}M ${image}`,
    `${format} ${image}`,
    `mount -o loop,${option} ${image} /opt`,
    `rm ${image}`,
  ];
  return steps.join("; ");
}

const KIB = 20 * 1024;
const WRITE = "dd if=/dev/zero of=/big bs=1M count=40 2>&1; sync; du -sk /big | cut -f1";

for (const [file, disk] of Object.entries(DISKS))
  for (const driver of file === "ext4" ? ["overlay2", "vfs"] : ["overlay2"])
    engineSuite(
      `the size of containers' roots, ${driver} on ${file}`,
      {
        needs: [disk.needs],
        host: mountOf(disk),
        flags: ["--storage-driver", driver, "--data-root", "/opt/data"],
      },
      (engine) => {
        const ok = (...args: string[]): Promise<string> => engine().ok(args);
        const run = (...args: string[]): Promise<string> => ok("run", "--rm", "--network", "none", ...args);
        const limited = ["--network", "none", "--storage-opt", "size=20M", "busybox", "sh", "-c"];
        const kibibytes = (said: string): number => Number(said.split("\n").at(-1));
        const inside = (...path: string[]): string => join(`/proc/${engine().pid}/root/opt`, ...path);
        /** Of all projects that have one, in KiB. */
        const limits = async (): Promise<readonly number[]> => {
          const report = ["xfs_quota", "-f", "-x", "-c", "report -pbnN", "/opt"];
          const lines = (await must(["nsenter", "-t", `${engine().pid}`, "-m", ...report])).split("\n");
          const hard = lines.map((line) => /^#\d+\s+\d+\s+\d+\s+(\d+)/.exec(line)?.[1] ?? "0");
          return hard.map(Number).filter((kib) => kib > 0);
        };

        test("a container writes as much as it may, another as much as there is room for", async () => {
          const said = await run(...limited.slice(2), WRITE);
          expect(said).toContain(disk.full);
          expect(kibibytes(said)).toBeGreaterThan(10_000);
          expect(kibibytes(said)).toBeLessThanOrEqual(KIB);
          const twin = await run("busybox", "sh", "-c", WRITE);
          expect(twin).not.toContain(disk.full);
          expect(kibibytes(twin)).toBeGreaterThanOrEqual(2 * KIB);
        });

        test("a container cannot give its files to others, who would then have to pay for them", async () => {
          const bind = ["-v", `${await program("project")}:/project:ro`];
          const attack = ["sh", "-c", "mkdir /mine; echo > /mine/file; /project /mine/file /mine"];
          const attacked = async (...options: string[]): Promise<readonly string[]> =>
            (await run(...bind, ...options, "busybox", ...attack)).split("\n");
          const kept = await attacked("--storage-opt", "size=20M");
          expect(kept.slice(0, 3)).toEqual(["get 0", "set 95", "set with high bits 95"]);
          expect(kept.slice(4)).toEqual(["get flags 0", "set flags 95"]);
          expect(kept[3]).toBe("file_setattr 38");
          // The same, where nobody minds: it is an attack.
          const free = await attacked("--storage-opt", "size=20M", "--security-opt", "seccomp=unconfined");
          expect([free[1], free[2], free.at(-1)]).toEqual(["set 0", "set with high bits 0", "set flags 0"]);
          expect((await attacked("--storage-opt", "size=0"))[1]).toBe("set 0");
        });

        test("the limit outlives the daemon and ends with the container", async () => {
          const id = await ok("run", "-d", ...limited, "while :; do sleep 1; done");
          expect(await limits()).toEqual([KIB]);
          await engine().kill9();
          const written = ["exec", id, "sh", "-c", WRITE];
          await engine().launch();
          const first = await ok(...written);
          expect(first).toContain(disk.full);
          expect(await ok("inspect", "-f", "{{json .HostConfig.StorageOpt}}", id)).toBe('{"size":"20M"}');
          await ok("exec", id, "rm", "/big");
          await ok("restart", "-t", "0", id);
          expect(await ok(...written)).toContain(disk.full);
          const second = await ok("run", "-d", ...limited, "while :; do sleep 1; done");
          expect(await ok("exec", second, "sh", "-c", WRITE)).toContain(disk.full);
          expect(await limits()).toEqual([KIB, KIB]);
          await ok("rm", "-f", id, second);
          expect(await limits()).toEqual([]);
          expect(readdirSync(inside("data", "snapshots", driver, "active"))).toEqual([]);
        });

        test("what is no size, and what is no option, is refused before anything is made", async () => {
          const refused = async (option: string): Promise<string> =>
            (await engine().gantry(["create", "--storage-opt", option, "busybox"])).stderr;
          expect(await refused("size=much")).toContain("invalid size: 'much'");
          expect(await refused("foo=1")).toContain(
            driver === "vfs" ? "Storage opt foo not supported" : "Unknown option foo",
          );
          expect(existsSync(inside("data", "snapshots", driver, "active"))).toBe(true);
          expect(await ok("ps", "-aq")).toBe("");
        });
      },
    );

/** An administrator's project: nothing that belongs to another can be moved to a directory of this one. */
const OWN_PROJECT = "chattr -p 4242 +P /opt";

/** A user and his ids that only the engine sees. */
const OWN_USER = [
  "mkdir /opt/etc; cp -a /etc/. /opt/etc/; mount --bind /opt/etc /etc",
  "echo remapped:x:4711:4711::/:/bin/false >> /etc/passwd; echo remapped:x:4711: >> /etc/group",
  "echo remapped:700000:65536 > /etc/subuid; echo remapped:900000:65536 > /etc/subgid",
].join("; ");

engineSuite(
  "the size of all containers' roots, of other users in another's project",
  {
    needs: [DISKS.ext4.needs],
    host: `${mountOf(DISKS.ext4)}; ${OWN_PROJECT}; ${OWN_USER}`,
    flags: ["--storage-opt", "overlay2.size=20M", "--userns-remap", "remapped", "--data-root", "/opt/data"],
  },
  (engine) => {
    test("is for those that do not say it", async () => {
      const run = ["run", "--rm", "--network", "none"];
      const command = ["busybox", "sh", "-c", WRITE];
      expect(await engine().ok([...run, ...command])).toContain(DISKS.ext4.full);
      expect(await engine().ok([...run, "--storage-opt", "size=30M", ...command])).toContain(DISKS.ext4.full);
      expect(await engine().ok([...run, "--storage-opt", "size=0", ...command])).not.toContain(
        DISKS.ext4.full,
      );
    });
  },
);
