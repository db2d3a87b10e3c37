/** Which files of a container are looked at, what is refused, and who waits for whom; the files are played. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { messageOf } from "../../base/errors.ts";
import { KeyedLock } from "../../base/keyed-lock.ts";
import { NO_LOG } from "../../base/log.ts";
import type { ContainerFiles, ContainerTree, PathAnswer, PathFacts } from "../../linux/container-files.ts";
import { fakeHostPaths } from "../testing/fake-host-paths.ts";
import { FakeTask } from "../testing/fake-tasks.ts";
import { type ArchiveDeps, readPath, statPath, writePath } from "./archive.ts";
import type { Container } from "./container.ts";

const DIRECTORY: PathFacts = {
  mode: 0o040755,
  sizeBytes: 0,
  mtimeNs: 0n,
  linkTarget: "",
  access: "writable",
};

let work: string;
let trees: ContainerTree[];
let answer: PathAnswer;
/** What happens while the files are looked at. */
let meanwhile: () => Promise<void> | void;
let unpack: (signal: AbortSignal) => Promise<void>;
let actions: string[];
let container: Container;
let deps: ArchiveDeps;

beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), "gantry-archive-"));
  trees = [];
  actions = [];
  answer = DIRECTORY;
  meanwhile = () => {};
  unpack = async () => {};
  const see = async (tree: ContainerTree): Promise<PathAnswer> => {
    trees.push(tree);
    await meanwhile();
    return answer;
  };
  const files: ContainerFiles = {
    look: (tree) => see(tree),
    take: async (tree) => ({ answer: await see(tree), archive: nothing() }),
    match: async (tree) => {
      await see(tree);
      return [];
    },
    put: async (tree, _path, _options, signal) => ({
      answer: await see(tree),
      unpack: () => unpack(signal),
      [Symbol.asyncDispose]: async () => {},
    }),
  };
  deps = {
    files,
    locks: new KeyedLock(),
    events: { publish: ({ Action }) => void actions.push(Action) },
    uploadedArchive: () => nothing(),
    snapshots: {
      mount: () => ({ kind: "overlay", lowers: ["/lower"], upper: "/upper", work: "/work" }),
    },
    volumes: {
      acquire: (name) => Promise.resolve(`/volumes/${name}/_data`),
      release: () => Promise.resolve(),
    },
    containersDir: work,
    hostPaths: fakeHostPaths,
    remap: undefined,
    log: NO_LOG,
    treesDir: join(work, "trees"),
    showTree: () => Promise.resolve(),
    unmountTree: () => Promise.resolve(),
  };
  // Of a container only this is looked at.
  const parts: Pick<Container, "id" | "mounts" | "task" | "writers" | "settling"> = {
    id: "c1",
    mounts: [],
    task: undefined,
    writers: new Set(),
    settling: undefined,
  };
  container = Object.assign(Object.create(null), parts, {
    name: "web",
    config: { Image: "busybox", Labels: {} },
    host: { ReadonlyRootfs: false, UsernsMode: "" },
  });
});

afterEach(() => rmSync(work, { recursive: true }));

async function* nothing(): AsyncGenerator<Uint8Array> {}

const target = (path = "/d") => ({ container, reference: "web", path });
const signal = new AbortController().signal;
const kinds = (): readonly string[] => trees.map(({ kind }) => kind);
const write = (path?: string): Promise<void> =>
  writePath(deps, target(path), { noOverwriteDirNonDir: false }, Readable.from([]), signal);

describe("the files of a container", () => {
  test("that runs are those of its process, else its layers", async () => {
    await statPath(deps, target(), signal);
    container.task = new FakeTask("c1", 77, undefined);
    await statPath(deps, target(), signal);
    expect(trees).toEqual([
      {
        kind: "stopped",
        root: { layers: ["/lower"], upper: "/upper", work: "/work" },
        readOnly: false,
        binds: [],
      },
      { kind: "process", pid: 77 },
    ]);
  });

  test("that ended meanwhile are looked for again where it has them now", async () => {
    container.task = new FakeTask("c1", 77, undefined);
    meanwhile = () => {
      container.task = undefined;
      meanwhile = () => {};
      throw new Error("no such process");
    };
    const { archive } = await readPath(deps, target(), signal);
    expect(await Array.fromAsync(archive)).toEqual([]);
    expect(kinds()).toEqual(["process", "stopped"]);
    expect(actions).toEqual(["archive-path"]);
  });

  test.each([
    ["ENOENT", "not_found", "Could not find the file /d in container web"],
    ["EXDEV", "not_found", "Could not find the file /d in container web"],
    ["ENOTDIR", "invalid_argument", "lstat /d: not a directory"],
    ["ELOOP", "invalid_argument", "lstat /d: too many levels of symbolic links"],
  ])("that are not there are said in Docker's words: %s", async (errno, category, message) => {
    answer = { errno };
    const error: unknown = await readPath(deps, target(), signal).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ category, message });
    expect(actions).toEqual([]);
  });

  test.each([
    [{ mode: 0o100644 }, "invalid_argument", "extraction point is not a directory"],
    [{ access: "read-only root" }, "forbidden", "container rootfs is marked read-only"],
    [{ access: "read-only mount" }, "forbidden", "mounted volume is marked read-only"],
  ] as const)("refuse an archive: %p", async (facts, category, message) => {
    answer = { ...DIRECTORY, ...facts };
    unpack = () => expect.unreachable();
    const error: unknown = await write().catch((caught: unknown) => caught);
    expect(error).toMatchObject({ category, message });
    expect(actions).toEqual([]);
  });
});

describe("an archive", () => {
  test("into one that does not run holds its lock", async () => {
    const order: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    unpack = async () => {
      await promise;
      order.push("unpacked");
    };
    const writing = write();
    const starting = deps.locks.run("c1", async () => void order.push("started"));
    resolve();
    await Promise.all([writing, starting]);
    expect(order).toEqual(["unpacked", "started"]);
    expect(actions).toEqual(["extract-to-dir"]);
  });

  test("into a running one holds no lock, ends with its task, and is waited for", async () => {
    const task = new FakeTask("c1", 77, undefined);
    container.task = task;
    unpack = (stop) =>
      new Promise((_resolve, reject) => stop.addEventListener("abort", () => reject(stop.reason)));
    const writing = write().then(String, messageOf);
    await deps.locks.run("c1", async () => expect(container.writers.size).toBe(1));
    task.exit(0);
    expect(await writing).toBe("container web stopped");
    expect(container.writers.size).toBe(0);
  });
});
