/**
 * A disk that keeps a log of all that is written to it. QEMU's storage daemon shows it as a file (FUSE) in front of a file
 * and a log; a loop device makes a disk of it whose flushes the daemon sees. Nothing of it is seen outside the engine's
 * mount namespace but the loop device, which goes when it is unmounted.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Engine } from "../../support/engine.ts";
import { must } from "../../support/run.ts";
import { until } from "../../support/until.ts";

export interface FileSystem {
  readonly make: readonly string[];
  /** Those that keep least after a cut. */
  readonly mountOptions: string;
}

export const FILE_SYSTEMS: Readonly<Record<string, FileSystem>> = {
  // Without these two, a file that was renamed before it was synced is there after all.
  ext4: {
    make: "mkfs.ext4 -q -F -E nodiscard,lazy_itable_init=0,lazy_journal_init=0".split(" "),
    mountOptions: "noauto_da_alloc,data=writeback,nodiscard",
  },
  xfs: { make: "mkfs.xfs -q -f -K".split(" "), mountOptions: "nodiscard" },
  btrfs: { make: "mkfs.btrfs -q -f -K".split(" "), mountOptions: "nodiscard" },
};

/** Why there is no recording it here; undefined: one can. */
export function whyNotOn(fileSystem: string): string | undefined {
  const { make } = FILE_SYSTEMS[fileSystem] ?? {};
  if (make === undefined)
    return `unknown file system "${fileSystem}": there are ${Object.keys(FILE_SYSTEMS).join(", ")}`;
  if (!existsSync("/dev/fuse")) return "there is no /dev/fuse";
  const programs = ["qemu-storage-daemon", make[0] ?? "", "losetup"];
  const missing = programs.filter((name) => spawnSync("sh", ["-c", `command -v ${name}`]).status !== 0);
  if (missing.length > 0) return `not installed: ${missing.join(", ")}`;
  const known = readFileSync("/proc/filesystems", "utf8").split("\n");
  return known.includes(`\t${fileSystem}`) ? undefined : `the kernel has no ${fileSystem}`;
}

export class RecordedDisk implements AsyncDisposable {
  /** In memory: what is on the disk is what was written through the log, whatever this machine's own disk does. */
  readonly directory: string;
  readonly log: string;
  readonly file: string;
  readonly #engine: Engine;
  readonly #daemon: ChildProcess;
  #mountpoint: string | undefined;

  private constructor(engine: Engine, directory: string, daemon: ChildProcess) {
    this.#engine = engine;
    this.directory = directory;
    this.log = join(directory, "log");
    this.file = join(directory, "disk");
    this.#daemon = daemon;
  }

  static async start(engine: Engine, bytes: number): Promise<RecordedDisk> {
    const directory = mkdtempSync("/dev/shm/gt-disk-");
    for (const name of ["disk", "log", "recorded"]) writeFileSync(join(directory, name), "", { mode: 0o600 });
    truncateSync(join(directory, "disk"), bytes);
    const [program = "", ...arguments_] = await engine.inHost(daemonCommand(directory));
    const daemon = spawn(program, arguments_, { stdio: ["ignore", "ignore", "inherit"] });
    const disk = new RecordedDisk(engine, directory, daemon);
    try {
      await until("the recording disk", async () => {
        if (daemon.exitCode !== null) throw new Error(`the recording disk ended with ${daemon.exitCode}`);
        const size = ["stat", "-c", "%s", join(directory, "recorded")];
        return (await must(await engine.inHost(size))).trim() === String(bytes);
      });
      return disk;
    } catch (error) {
      await disk[Symbol.asyncDispose]();
      throw error;
    }
  }

  async mount(fileSystem: FileSystem, mountpoint: string): Promise<void> {
    const disk = join(this.directory, "recorded");
    // Made by way of the log, too: it is all there is when the disk is made again.
    await must(await this.#engine.inHost([...fileSystem.make, disk]));
    await mountDisk(this.#engine, fileSystem, disk, mountpoint);
    this.#mountpoint = mountpoint;
    // As the engine makes a data root of its own.
    await must(await this.#engine.inHost(["chmod", "0710", mountpoint]));
  }

  /** How long the log is now: a client that has an answer by now relies on no later write. */
  get logBytes(): number {
    return statSync(this.log).size;
  }

  /** After this nothing is recorded, and `file` is what was recorded. */
  async finish(): Promise<void> {
    if (this.#mountpoint !== undefined) await unmountDisk(this.#engine, this.#mountpoint);
    this.#mountpoint = undefined;
    await this.#end();
  }

  async #end(): Promise<void> {
    if (this.#daemon.exitCode !== null || this.#daemon.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => this.#daemon.once("exit", () => resolve()));
    this.#daemon.kill("SIGTERM");
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.finish();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function daemonCommand(directory: string): readonly string[] {
  const file = (name: string): string => `driver=file,filename=${join(directory, name)}`;
  const options: readonly (readonly [string, string])[] = [
    // A discarded range reads as zeroes, which is how the log is understood.
    ["--blockdev", `${file("disk")},node-name=disk,discard=unmap`],
    ["--blockdev", `${file("log")},node-name=log`],
    ["--blockdev", "driver=blklogwrites,node-name=recorded,file=disk,log=log,log-sector-size=512"],
    [
      "--export",
      `type=fuse,id=recorded,node-name=recorded,mountpoint=${join(directory, "recorded")},writable=on`,
    ],
  ];
  return ["setpriv", "--pdeathsig", "KILL", "qemu-storage-daemon", ...options.flat()];
}

/** Where the engine sees it, and nobody else. */
export async function mountDisk(
  engine: Engine,
  { mountOptions }: FileSystem,
  disk: string,
  mountpoint: string,
): Promise<void> {
  await must(await engine.inHost(["mount", "-o", `loop,${mountOptions}`, disk, mountpoint]));
}

export async function unmountDisk(engine: Engine, mountpoint: string): Promise<void> {
  await must(await engine.inHost(["umount", mountpoint]), { timeoutMs: 60_000 });
}
