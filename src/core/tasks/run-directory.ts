/**
 * The tasks' run directories, `<state>/tasks/<id>/`: the only memory of a task outside its shim. (tasks.ts lists the
 * files.) Nothing here is synced: the directory lies on a tmpfs, and a task does not survive the machine.
 */
import { constants, mkdirSync, openSync, writeFileSync } from "node:fs";
import { type FileHandle, access, open, readdir, rm, rmdir, stat, unlink } from "node:fs/promises";
import { type Socket, connect } from "node:net";
import { join } from "node:path";
import { errnoOf, fail } from "../../base/errors.ts";
import { pathBelowDescriptor } from "../../linux/descriptor-path.ts";
import type { ProcessIdentity } from "../../shim/protocol.ts";
import type { TaskExit } from "./tasks.ts";

const CONFIG = "config.json";
const GIVEN_UP = "given-up";
const RECORD_MAX_BYTES = 4096;
const CONFIG_MAX_BYTES = 16 << 20;
const LOG_TAIL_BYTES = 64 << 10;
/** As a part of a path and as an argument of the shim. */
const ID_PATTERN = /^[a-zA-Z0-9][\w.-]{0,127}$/;

/** Deletes a directory tree: no link is followed, no mount crossed. A missing one is fine. */
export type RemoveTree = (path: string) => Promise<void>;

export class RunDirectories {
  readonly #root: string;
  readonly #rootFd: number;
  readonly #removeTree: RemoveTree;

  /** Makes `root` (mode 0700) when it is missing, and keeps it open for good. */
  constructor(root: string, removeTree: RemoveTree) {
    mkdirSync(root, { recursive: true, mode: 0o700 });
    this.#root = root;
    this.#removeTree = removeTree;
    this.#rootFd = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
  }

  pathOf(id: string): string {
    return join(this.#root, id);
  }

  /** Makes the directory with an empty `rootfs` in it; `conflict` when there is one already. */
  create(id: string): { readonly path: string; readonly staging: string } {
    if (!ID_PATTERN.test(id)) throw fail("invalid_argument", `"${id}" cannot be a task's id`);
    const path = this.pathOf(id);
    const staging = join(path, "rootfs");
    try {
      mkdirSync(path, { mode: 0o700 });
    } catch (cause) {
      if (errnoOf(cause) === "EEXIST")
        throw fail("conflict", `task "${id}" has a run directory already`, cause);
      throw fail("internal", `cannot make the run directory of task "${id}"`, cause);
    }
    mkdirSync(staging, { mode: 0o700 });
    return { path, staging };
  }

  exists(id: string): Promise<boolean> {
    return isThere(this.pathOf(id));
  }

  async list(): Promise<string[]> {
    return (await readdir(this.#root)).filter((name) => ID_PATTERN.test(name));
  }

  /** A connection to the task's shim, its socket not yet connected. */
  connect(id: string): Socket {
    return connect({ path: pathBelowDescriptor(this.#rootFd, `${id}/shim.sock`), allowHalfOpen: true });
  }

  writeConfig(id: string, text: string): void {
    this.writeText(id, CONFIG, text);
  }

  readConfig(id: string): Promise<string | undefined> {
    return this.readText(id, CONFIG);
  }

  writeText(id: string, name: string, text: string): void {
    writeFileSync(join(this.pathOf(id), name), text, { mode: 0o600 });
  }

  /** Undefined when it is missing. Throws `internal` when it is larger than any file of ours. */
  readText(id: string, name: string): Promise<string | undefined> {
    return readBounded(join(this.pathOf(id), name), CONFIG_MAX_BYTES);
  }

  /** The end of a log, its first line perhaps cut. Undefined when it is missing. */
  readTail(id: string, name: string): Promise<string | undefined> {
    return withFile(join(this.pathOf(id), name), async (file, { size }) => {
      const tail = Buffer.alloc(Math.min(size, LOG_TAIL_BYTES));
      const { bytesRead } = await file.read(tail, 0, tail.length, size - tail.length);
      return tail.toString("utf8", 0, bytesRead);
    });
  }

  async has(id: string, name: string): Promise<boolean> {
    return isThere(join(this.pathOf(id), name));
  }

  /** It is no task's from here on. One without a directory is fine. */
  markGivenUp(id: string): void {
    try {
      this.writeText(id, GIVEN_UP, "");
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
    }
  }

  isGivenUp(id: string): Promise<boolean> {
    return this.has(id, GIVEN_UP);
  }

  /** Missing ones are fine. */
  async removeFiles(id: string, names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => rm(join(this.pathOf(id), name), { force: true })));
  }

  removeTree(id: string, name: string): Promise<void> {
    return this.#removeTree(join(this.pathOf(id), name));
  }

  /** The main process, or undefined when none was made. Throws `internal` for a damaged record. */
  async readPid(id: string): Promise<ProcessIdentity | undefined> {
    const record = await this.#readRecord(id, "pid");
    if (record === undefined) return undefined;
    const { pid, startTicks } = record;
    if (!isCount(pid) || pid === 0 || !isCount(startTicks)) throw damaged(id, "pid");
    return { pid, startTicks: BigInt(startTicks) };
  }

  /** When the record of the main process was written, Unix nanoseconds. */
  async madeAtNs(id: string): Promise<bigint> {
    return (await stat(join(this.pathOf(id), "pid"), { bigint: true })).mtimeNs;
  }

  /** How the main process ended, or undefined when it was not recorded. Throws `internal` for a damaged record. */
  async readExit(id: string): Promise<TaskExit | undefined> {
    const record = await this.#readRecord(id, "exit");
    if (record === undefined) return undefined;
    const { exitCode, signal, oomKilled, exitedAtNs } = record;
    if (!isCount(exitCode) || exitCode > 255 || !isCount(signal)) throw damaged(id, "exit");
    if (typeof oomKilled !== "boolean" || typeof exitedAtNs !== "string" || !/^\d{1,20}$/.test(exitedAtNs))
      throw damaged(id, "exit");
    return { exitCode, signal, oomKilled, exitedAtNs: BigInt(exitedAtNs), lost: false };
  }

  /**
   * Deletes the directory with all that is in it, and nothing below a mount. Missing is fine.
   *
   * On crash: the configuration goes first, and without it nobody takes what is left for a task, whose end would be told anew.
   */
  async remove(id: string): Promise<void> {
    const path = this.pathOf(id);
    try {
      await rm(join(path, CONFIG), { force: true });
      for (const entry of await readdir(path, { withFileTypes: true })) {
        const each = join(path, entry.name);
        if (!entry.isDirectory()) await unlink(each);
        else if (entry.name === "rootfs") await rmdir(each);
        else await this.#removeTree(each);
      }
      await rmdir(path);
    } catch (cause) {
      if (errnoOf(cause) === "ENOENT") return;
      throw fail("internal", `cannot remove the run directory of task "${id}"`, cause);
    }
  }

  async #readRecord(id: string, name: string): Promise<Readonly<Record<string, unknown>> | undefined> {
    const text = await readBounded(join(this.pathOf(id), name), RECORD_MAX_BYTES);
    if (text === undefined) return undefined;
    try {
      const record: unknown = JSON.parse(text);
      if (typeof record === "object" && record !== null) return { ...record };
    } catch (cause) {
      throw damaged(id, name, cause);
    }
    throw damaged(id, name);
  }
}

function damaged(id: string, name: string, cause?: unknown): Error {
  return fail("internal", `record "${name}" of task "${id}" is damaged`, cause);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
}

/** Undefined when the file is missing. Throws `internal` when it is longer than `maxBytes` or no regular file. */
function readBounded(path: string, maxBytes: number): Promise<string | undefined> {
  return withFile(path, (file, { size }) => {
    if (size > maxBytes) throw fail("internal", `"${path}" is not what it should be`);
    return file.readFile("utf8");
  });
}

async function withFile(
  path: string,
  read: (file: FileHandle, facts: { readonly size: number }) => Promise<string>,
): Promise<string | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    const facts = await file.stat();
    if (!facts.isFile()) throw fail("internal", `"${path}" is not what it should be`);
    return await read(file, facts);
  } finally {
    await file.close();
  }
}
