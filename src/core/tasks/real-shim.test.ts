/** The manager with the real shim and the kernel. The containers see the host's /usr, read-only. */
import type { Duplex } from "node:stream";
import { updateCgroup } from "../../linux/cgroup-update.ts";
import { readCgroupUse } from "../../linux/cgroup-use.ts";
import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  rmdirSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NO_LOG } from "../../base/log.ts";
import { cgroupDirs } from "../../linux/cgroup-paths.ts";
import { pathOfDescriptor } from "../../linux/descriptor-path.ts";
import { readHostFacts } from "../../linux/host-facts.ts";
import { loadNative } from "../../linux/native-addon.ts";
import { processesRunning } from "../../linux/process-identity.ts";
import { clear, empty, freeze, isFrozen, isLeft, thaw } from "../../linux/task-cgroup.ts";
import type { Spec } from "../../specs/oci-runtime/spec.ts";
import { TaskManager } from "./manager.ts";
import { RunDirectories } from "./run-directory.ts";
import { runtimePlanner } from "./runtime-planner.ts";
import { systemdScopes } from "./scopes.ts";
import { shimArguments, shimSpawner } from "./spawn-shim.ts";
import type { CreatedTask, ExecOptions, RunOptions, Task } from "./tasks.ts";
import { failureOf } from "../../../test/support/failure.ts";

const build = join(import.meta.dirname, "../../../build");
const paths = { shim: join(build, "gantry-shim"), addon: join(build, "gantry.node") };
const isRoot = process.getuid?.() === 0;
const isBuilt = existsSync(paths.shim) && existsSync(paths.addon);
if (!isRoot || !isBuilt) console.log(`skipped: ${isRoot ? "native part is not built" : "not root"}`);
const testReal = test.skipIf(!isRoot || !isBuilt);

const NEVER = new AbortController().signal;
const GROUP = `/gantry-test-${process.pid}`;

let root = "";
const started: { readonly manager: TaskManager; readonly task: Task }[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "real-shim-"));
  const lower = join(root, "lower");
  mkdirSync(join(lower, "usr"), { recursive: true });
  for (const name of ["bin", "lib", "lib64"]) symlinkSync(`usr/${name}`, join(lower, name));
});

afterEach(async () => {
  for (const { manager, task } of started.splice(0)) {
    await task.signal(9).catch(() => {});
    await task.exited;
    await manager.remove(task.id);
  }
  rmSync(root, { recursive: true });
});

afterAll(() => {
  if (!isRoot || !isBuilt) return;
  for (const { dir } of cgroupDirs(readHostFacts().cgroup, GROUP)) if (existsSync(dir)) rmdirSync(dir);
});

/** A manager as of a freshly started daemon. */
function newManager(answerTimeoutMs = 2000): TaskManager {
  const native = loadNative(paths);
  return new TaskManager({
    directories: new RunDirectories(join(root, "tasks"), async () => {}),
    foreign: {
      find: async () => undefined,
      make: () => Promise.reject(new Error("there are no other runtimes here")),
    },
    planner: runtimePlanner(readHostFacts()),
    scopes: systemdScopes(readHostFacts()),
    cgroups: { clear, empty, freeze, isFrozen, isLeft, thaw, update: updateCgroup, use: readCgroupUse },
    pidfds: native,
    spawnShim: shimSpawner(pathOfDescriptor(native.sealedExecutable(paths.shim)), "ignore"),
    answerTimeoutMs,
    log: NO_LOG,
  });
}

function specOf(id: string, args: readonly string[]): Spec {
  return {
    ociVersion: "1.2.0",
    process: { user: { uid: 0, gid: 0 }, args, cwd: "/", env: ["PATH=/usr/bin"] },
    mounts: [{ destination: "/usr", type: "bind", source: "/usr", options: ["rbind", "ro"] }],
    linux: {
      cgroupsPath: `${GROUP}/${id}`,
      namespaces: [{ type: "pid" }, { type: "mount" }, { type: "ipc" }, { type: "uts" }, { type: "network" }],
    },
  };
}

function runOptions(id: string, args: readonly string[], more: Partial<RunOptions> = {}): RunOptions {
  const [upper, work] = [join(root, id, "upper"), join(root, id, "work")];
  for (const directory of [upper, work]) mkdirSync(directory, { recursive: true });
  return {
    id,
    spec: specOf(id, args),
    rootfs: { kind: "overlay", lowers: [join(root, "lower")], upper, work },
    log: {
      path: join(root, `${id}.log`),
      maxBytes: 0,
      maxFiles: 1,
      compress: false,
      exact: false,
      attrs: "",
    },
    stdin: false,
    stdinOnce: false,
    consoleSize: { rows: 0, cols: 0 },
    init: false,
    runtime: undefined,
    attach: [],
    ...more,
  };
}

async function run(manager: TaskManager, options: RunOptions): Promise<Task> {
  const task = await manager.run(options, NEVER);
  started.push({ manager, task });
  return task;
}

function execOptions(execId: string, args: readonly string[], more: Partial<ExecOptions> = {}): ExecOptions {
  return {
    execId,
    process: { user: { uid: 0, gid: 0 }, args, cwd: "/", env: ["PATH=/usr/bin"] },
    stdin: false,
    consoleSize: { rows: 0, cols: 0 },
    stream: true,
    ...more,
  };
}

/** What the kernel and the disk still know of a task. */
function tracesOf(id: string): string[] {
  return [
    ...processesRunning(shimArguments(id)).map((pid) => `shim ${pid}`),
    ...cgroupDirs(readHostFacts().cgroup, `${GROUP}/${id}`)
      .map(({ dir }) => dir)
      .filter(existsSync),
    ...readdirSync(join(root, "tasks")),
  ];
}

/** Only its parent can reap it; as a zombie it is dead, too. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

testReal("run() executes the program, and the log and the exit code tell of it", async () => {
  const task = await run(newManager(), runOptions("c1", ["sh", "-c", "echo hello; exit 3"]));
  expect(await task.exited).toMatchObject({ exitCode: 3, signal: 0, oomKilled: false, lost: false });
  expect(readFileSync(join(root, "c1.log"), "utf8")).toStartWith(
    '{"log":"hello\\n","stream":"stdout","time":"',
  );
});

testReal("what a shim keeps is there for the next daemon, and for nobody else", async () => {
  const native = loadNative(paths);
  const [pid, fd] = [{ init: 0 }, native.memfd("kept", Buffer.from("still here"))];
  const beforeStart = async (created: CreatedTask): Promise<void> => {
    pid.init = created.pid;
    // It waits: the program is not the container's yet, its namespaces are.
    expect(readlinkSync(`/proc/${created.pid}/ns/mnt`)).not.toBe(readlinkSync("/proc/self/ns/mnt"));
    await created.keep("thing", fd);
  };
  const task = await run(newManager(), runOptions("c1", ["sleep", "100"], { beforeStart }));
  native.closeFd(fd);
  expect(task.pid).toBe(pid.init);
  const next = newManager();
  const [found] = (await next.reconnect(["c1"])).values();
  const copy = (await found?.kept())?.get("thing") ?? -1;
  expect(readFileSync(`/proc/self/fd/${copy}`, "utf8")).toBe("still here");
  native.closeFd(copy);
  const opened = readdirSync(`/proc/${task.pid}/fd`).map((number) =>
    readlinkSync(`/proc/${task.pid}/fd/${number}`),
  );
  expect(opened.filter((target) => target.includes("memfd"))).toEqual([]);
});

testReal("run() of a missing program says so, and leaves nothing", async () => {
  const failure = await failureOf(newManager().run(runOptions("c1", ["nope"]), NEVER));
  expect(failure).toMatchObject({
    name: "TaskStartError",
    stage: "exec",
    errno: "ENOENT",
    message: 'exec: "nope": executable file not found in $PATH',
  });
  expect(tracesOf("c1")).toEqual([]);
});

testReal("run() with a set-up step that fails says so, and leaves nothing", async () => {
  const options = runOptions("c1", ["sh"]);
  const mounts = [{ destination: "/x", type: "bind", source: join(root, "missing"), options: ["bind"] }];
  const failure = await failureOf(newManager().run({ ...options, spec: { ...options.spec, mounts } }, NEVER));
  expect(failure).toMatchObject({ name: "TaskStartError", stage: "setup", errno: "ENOENT" });
  expect(tracesOf("c1")).toEqual([]);
});

testReal("a client attached before the start misses nothing", async () => {
  let text = "";
  const seen = Promise.withResolvers<void>();
  const deliver = (stream: Duplex | undefined): void => {
    stream?.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1", 8);
    });
    stream?.on("end", () => seen.resolve());
    stream?.end("typed\n");
  };
  const attach = [{ options: { stdin: true, stdout: true, stderr: true }, deliver }];
  await run(newManager(), runOptions("c1", ["cat"], { stdin: true, stdinOnce: true, attach }));
  await seen.promise;
  expect(text).toBe("typed\n");
});

testReal("exec() carries input and output, and tells the exit", async () => {
  const task = await run(newManager(), runOptions("c1", ["sleep", "1000"]));
  const exec = await task.exec(execOptions("e1", ["sh", "-c", "cat >&2; exit 5"], { stdin: true }));
  exec.stream?.end("in\n");
  let bytes = Buffer.alloc(0);
  for await (const chunk of exec.stream ?? []) bytes = Buffer.concat([bytes, Buffer.from(chunk)]);
  expect(bytes.toString("latin1")).toBe("\x02\0\0\0\0\0\0\x03in\n");
  expect(await exec.exited).toEqual({ exitCode: 5, signal: 0 });
  const missing = await failureOf(task.exec(execOptions("e2", ["nope"])));
  expect(missing).toMatchObject({ name: "TaskStartError", stage: "exec", errno: "ENOENT" });
});

testReal("a paused task does not run on, and dies when it is killed", async () => {
  const task = await run(newManager(), runOptions("c1", ["sleep", "1000"]));
  await task.pause();
  const dirs = cgroupDirs(readHostFacts().cgroup, `${GROUP}/c1`).map(({ dir }) => dir);
  expect(await isFrozen(dirs)).toBe(true);
  await task.resume();
  expect(await isFrozen(dirs)).toBe(false);
  await task.signal(9);
  expect(await task.exited).toMatchObject({ exitCode: 137, signal: 9 });
});

testReal("remove() leaves nothing of an ended task", async () => {
  const manager = newManager();
  const task = await manager.run(runOptions("c1", ["true"]), NEVER);
  await task.exited;
  await manager.remove("c1");
  expect(tracesOf("c1")).toEqual([]);
});

testReal("a killed shim takes its container with it, a paused one, too", async () => {
  for (const isPaused of [false, true]) {
    const manager = newManager();
    const task = await run(manager, runOptions("c1", ["sh", "-c", "sleep 1000 & sleep 1000"]));
    if (isPaused) await task.pause();
    for (const pid of processesRunning(shimArguments("c1"))) process.kill(pid, "SIGKILL");
    expect(await task.exited).toMatchObject({ exitCode: 137, lost: true });
    expect(isAlive(task.pid)).toBe(false);
    await manager.remove("c1");
    expect(tracesOf("c1")).toEqual([]);
  }
});

testReal("another daemon finds the running task again", async () => {
  const first = await newManager().run(
    runOptions("c1", ["sh", "-c", "read x; exit 7"], { stdin: true }),
    NEVER,
  );
  const manager = newManager();
  const task = (await manager.reconnect(["c1"])).get("c1");
  if (task === undefined) throw new Error("not found");
  started.push({ manager, task });
  expect(task.pid).toBe(first.pid);
  const stream = await task.attach({ stdin: true, stdout: true, stderr: true });
  stream.end("\n");
  stream.resume();
  expect(await task.exited).toMatchObject({ exitCode: 7, lost: false });
});

testReal("a stopped shim does not hold up the reconnection, and is heard when it goes on", async () => {
  await newManager().run(runOptions("stuck", ["sleep", "1000"]), NEVER);
  await newManager().run(runOptions("c1", ["sleep", "1000"]), NEVER);
  const [shim = 0] = processesRunning(shimArguments("stuck"));
  process.kill(shim, "SIGSTOP");
  const manager = newManager(100);
  const found = await manager.reconnect(["stuck", "c1"]);
  for (const task of found.values()) started.push({ manager, task });
  expect([...found.keys()].sort()).toEqual(["c1", "stuck"]);
  await found.get("c1")?.signal(9);
  process.kill(shim, "SIGCONT");
  await found.get("stuck")?.signal(9);
  expect(await found.get("stuck")?.exited).toMatchObject({ exitCode: 137, lost: false });
});

testReal("another daemon clears away what nobody knows", async () => {
  const task = await newManager().run(runOptions("c1", ["sleep", "1000"]), NEVER);
  await newManager().reconnect([]);
  expect(isAlive(task.pid)).toBe(false);
  expect(tracesOf("c1")).toEqual([]);
});
