import { afterEach, beforeEach, expect, test } from "bun:test";
import type { Duplex } from "node:stream";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fail } from "../../base/errors.ts";
import { exampleUse } from "../../linux/testing/example-use.ts";
import type { CreatedTask, ExecOptions } from "./tasks.ts";
import { TaskStartError } from "./tasks.ts";
import { EXEC_STEP, PROCESS, SPEC, TaskWorld, runOptions } from "./testing/task-world.ts";
import { failureOf } from "../../../test/support/failure.ts";

const NEVER = new AbortController().signal;

let world: TaskWorld;

beforeEach(() => {
  world = new TaskWorld();
});

afterEach(() => {
  world[Symbol.dispose]();
});

function requestsOf(id: string): string[] {
  return world.shim(id).requests.map(({ kind }) => kind);
}

function execOptions(execId: string, more: Partial<ExecOptions> = {}): ExecOptions {
  return {
    execId,
    process: { user: { uid: 0, gid: 0 }, args: ["/bin/sh"], cwd: "/" },
    stdin: false,
    consoleSize: { rows: 0, cols: 0 },
    stream: false,
    ...more,
  };
}

// ---- run ----

test("run() makes and starts a task with one request", async () => {
  const task = await world.manager().run(runOptions("c1"), NEVER);
  expect(requestsOf("c1")).toEqual(["create"]);
  expect(world.shim("c1").requests[0]).toMatchObject({ run: true, plan: Buffer.from("run") });
  expect(task).toMatchObject({ id: "c1", pid: PROCESS.pid, terminal: false });
});

test("run() makes a private run directory with the spec and an empty staging directory", async () => {
  await world.manager().run(runOptions("c1"), NEVER);
  expect(statSync(world.directory("c1")).mode & 0o777).toBe(0o700);
  expect(JSON.parse(readFileSync(join(world.directory("c1"), "config.json"), "utf8"))).toEqual(SPEC);
  expect(readdirSync(join(world.directory("c1"), "rootfs"))).toEqual([]);
});

test("run() has config.json in place before the shim is asked for anything", async () => {
  let isThere = false;
  world.onSpawn = (shim) => {
    shim.onRequest = () => {
      isThere = existsSync(join(world.directory("c1"), "config.json"));
    };
  };
  await world.manager().run(runOptions("c1"), NEVER);
  expect(isThere).toBe(true);
});

test("run() hands out the streams that were asked for", async () => {
  const { promise, resolve } = Promise.withResolvers<Duplex | undefined>();
  const options = { stdin: false, stdout: true, stderr: true };
  await world.manager().run(runOptions("c1", { attach: [{ options, deliver: resolve }] }), NEVER);
  const stream = await promise;
  expect(stream).toBeDefined();
  stream?.destroy();
  expect(requestsOf("c1").toSorted()).toEqual(["attach", "create"]);
});

test("run() with something to do before the start does it between the two", async () => {
  const seen: unknown[] = [];
  const beforeStart = async (task: CreatedTask): Promise<void> => {
    seen.push(task.pid, ...requestsOf("c1"));
    await task.keep("dns", 9);
  };
  const task = await world.manager().run(runOptions("c1", { beforeStart }), NEVER);
  expect(seen).toEqual([PROCESS.pid, "create"]);
  expect(requestsOf("c1")).toEqual(["create", "keep", "start"]);
  expect(await task.kept()).toEqual(new Map([["dns", 9]]));
  expect(world.acts).toEqual(["copy own 9"]);
});

test("run() leaves nothing when what was to be done before the start fails", async () => {
  const beforeStart = (): Promise<void> => Promise.reject(new Error("no address left"));
  const error = await failureOf(world.manager().run(runOptions("c1", { beforeStart }), NEVER));
  expect(error).toMatchObject({ message: "no address left" });
  expect(requestsOf("c1")).toEqual(["create"]);
  expect(world.acts).toContain("clear /cg/test/c1");
  expect(existsSync(world.directory("c1"))).toBe(false);
});

test("run() goes on without a stream that the shim refuses", async () => {
  world.onSpawn = (shim) => shim.refusals.set("attach", { errno: 12, op: 0, text: "no memory" });
  const { promise, resolve } = Promise.withResolvers<Duplex | undefined>();
  const options = { stdin: false, stdout: true, stderr: true };
  await world.manager().run(runOptions("c1", { attach: [{ options, deliver: resolve }] }), NEVER);
  expect(await promise).toBeUndefined();
});

test("run() tells a failed execve from a failed set-up step, and leaves nothing", async () => {
  for (const [op, text, stage, message] of [
    [EXEC_STEP, 'exec: "x": not found', "exec", 'exec: "x": not found'],
    [EXEC_STEP, "exec /x", "exec", "exec /x: no such file or directory"],
    [EXEC_STEP - 1, 'cannot mount "p"', "setup", 'cannot mount "p": no such file or directory'],
    [0, 'cannot open "log"', "setup", 'cannot open "log": no such file or directory'],
  ] as const) {
    world.onSpawn = (shim) => shim.refusals.set("create", { errno: 2, op, text });
    const error = await failureOf(world.manager().run(runOptions("c1"), NEVER));
    expect(error).toBeInstanceOf(TaskStartError);
    expect(error).toMatchObject({ stage, errno: "ENOENT", message });
    expect(existsSync(world.directory("c1"))).toBe(false);
  }
  expect(world.acts).toEqual([]);
});

test("run() leaves nothing when the shim dies during the start", async () => {
  world.onSpawn = (shim) => {
    shim.onRequest = () => shim.crash();
  };
  const error = await failureOf(world.manager().run(runOptions("c1"), NEVER));
  expect(error).toMatchObject({ category: "unavailable" });
  expect(world.acts).toEqual(["kill shim c1", "clear /cg/test/c1"]);
  expect(existsSync(world.directory("c1"))).toBe(false);
});

test("run() stops at once when it is aborted, and leaves nothing", async () => {
  const abort = new AbortController();
  world.onSpawn = (shim) => {
    shim.freeze();
    shim.onRequest = () => abort.abort(new Error("no longer wanted"));
  };
  const manager = world.manager();
  const error = await failureOf(manager.run(runOptions("c1"), abort.signal));
  expect(String(error)).toBe("Error: no longer wanted");
  expect(world.acts).toEqual(["kill shim c1", "clear /cg/test/c1"]);
  expect(manager.get("c1")).toBeUndefined();
  expect(existsSync(world.directory("c1"))).toBe(false);
});

test("run() refuses an id that is no file name", async () => {
  for (const id of ["", "..", "a/b", "-x"])
    expect(await failureOf(world.manager().run(runOptions(id), NEVER))).toMatchObject({
      category: "invalid_argument",
    });
});

test("run() refuses a second task under the same id, and takes it over from an ended one", async () => {
  const manager = world.manager();
  const first = await manager.run(runOptions("c1"), NEVER);
  expect(await failureOf(manager.run(runOptions("c1"), NEVER))).toMatchObject({ category: "conflict" });
  world.shim("c1").exit({ exitCode: 0 });
  await first.exited;
  const second = await manager.run(runOptions("c1"), NEVER);
  expect(manager.get("c1")).toBe(second);
});

test("run() clears away what a start that was cut short left under its id", async () => {
  await world.leftover("c1");
  await world.manager().run(runOptions("c1"), NEVER);
  expect(world.acts).toEqual(["clear /cg/test/c1"]);
});

// ---- the end of a task ----

test("exited tells how the main process ended", async () => {
  const task = await world.manager().run(runOptions("c1"), NEVER);
  world.shim("c1").exit({ exitCode: 137, signal: 9, oomKilled: true, exitedAtNs: 12n });
  expect(await task.exited).toEqual({
    exitCode: 137,
    signal: 9,
    oomKilled: true,
    exitedAtNs: 12n,
    lost: false,
  });
});

test("a shim that dies after recording the exit counts as having told it", async () => {
  const task = await world.manager().run(runOptions("c1"), NEVER);
  world.shim("c1").writeExit({ exitCode: 3 });
  world.shim("c1").crash();
  expect(await task.exited).toMatchObject({ exitCode: 3, lost: false });
  expect(world.acts).toEqual(["clear /cg/test/c1"]);
});

test("a shim that dies takes its task with it", async () => {
  const task = await world.manager().run(runOptions("c1"), NEVER);
  world.shim("c1").crash();
  expect(await task.exited).toMatchObject({ exitCode: 137, signal: 9, lost: true });
  expect(world.acts).toEqual(["clear /cg/test/c1"]);
});

test("the main process of a dead shim is killed only if it is the recorded one", async () => {
  const task = await world.manager().run(runOptions("c1"), NEVER);
  // This process has the number but not the start time: its number "was given away".
  writeFileSync(join(world.directory("c1"), "pid"), `{"pid":${process.pid},"startTicks":1}\n`);
  world.shim("c1").crash();
  await task.exited;
  expect(world.acts).toEqual(["clear /cg/test/c1"]);
});

test("an execed process whose shim dies counts as killed", async () => {
  const task = await world.manager().run(runOptions("c1"), NEVER);
  const exec = await task.exec(execOptions("e1"));
  world.shim("c1").crash();
  expect(await exec.exited).toEqual({ exitCode: 137, signal: 9 });
});

test("remove() deletes an ended task's run directory once its shim is through", async () => {
  const manager = world.manager();
  const task = await manager.run(runOptions("c1"), NEVER);
  world.shim("c1").exit({ exitCode: 0 });
  await task.exited;
  await manager.remove("c1");
  expect(existsSync(world.directory("c1"))).toBe(false);
  expect(manager.get("c1")).toBeUndefined();
  await manager.remove("c1");
});

test("remove() refuses a running task", async () => {
  const manager = world.manager();
  await manager.run(runOptions("c1"), NEVER);
  expect(await failureOf(manager.remove("c1"))).toMatchObject({ category: "conflict" });
});

// ---- a running task ----

test("signal() and resize() name the process they are for", async () => {
  const task = await world.manager().run(runOptions("c1"), NEVER);
  await task.signal(15);
  await task.signal(9, "e1");
  await task.resize(24, 80, "e1");
  expect(world.shim("c1").requests.slice(1)).toEqual([
    { kind: "signal", execId: "", signal: 15 },
    { kind: "signal", execId: "e1", signal: 9 },
    { kind: "resize", execId: "e1", window: { rows: 24, cols: 80 } },
  ]);
});

test("signal() throws not_found when the process is gone", async () => {
  const task = await world.manager().run(runOptions("c1"), NEVER);
  world.shim("c1").refusals.set("signal", { errno: 3, op: 0, text: "cannot signal" });
  expect(await failureOf(task.signal(15))).toMatchObject({ category: "not_found" });
  world.shim("c1").exit({ exitCode: 0 });
  await task.exited;
  expect(await failureOf(task.signal(15))).toMatchObject({ category: "not_found" });
});

test("exec() with a stream carries input and output and tells the exit", async () => {
  const task = await world.manager().run(runOptions("c1"), NEVER);
  const exec = await task.exec(execOptions("e1", { stream: true, stdin: true }));
  const shim = world.shim("c1");
  shim.onInputEnd = () => {
    shim.output("answer", "e1");
    shim.execExit("e1", 4);
  };
  exec.stream?.end("question");
  let text = "";
  for await (const chunk of exec.stream ?? []) text += String(chunk);
  expect(text).toBe("answer");
  expect(shim.input.get("e1")).toBe("question");
  expect(await exec.exited).toEqual({ exitCode: 4, signal: 0 });
});

test("exec() hears of an exit that comes before its own answer", async () => {
  const task = await world.manager().run(runOptions("c1"), NEVER);
  const shim = world.shim("c1");
  shim.onRequest = (request) => {
    if (request.kind === "exec") shim.execExit("e1", 5);
  };
  const exec = await task.exec(execOptions("e1", { stream: true }));
  expect(await exec.exited).toEqual({ exitCode: 5, signal: 0 });
});

test("exec() detached goes over the control connection", async () => {
  const task = await world.manager().run(runOptions("c1"), NEVER);
  const exec = await task.exec(execOptions("e1"));
  expect(exec.stream).toBeUndefined();
  world.shim("c1").execExit("e1", 0);
  expect(await exec.exited).toEqual({ exitCode: 0, signal: 0 });
});

test("exec() of a missing program is a start error", async () => {
  const task = await world.manager().run(runOptions("c1"), NEVER);
  world.shim("c1").refusals.set("exec", { errno: 2, op: EXEC_STEP, text: 'cannot execute "nope"' });
  for (const stream of [true, false]) {
    const error = await failureOf(task.exec(execOptions("e1", { stream })));
    expect(error).toBeInstanceOf(TaskStartError);
    expect(error).toMatchObject({ stage: "exec", errno: "ENOENT" });
  }
});

test("exec() and attach() throw conflict when the task has ended or its shim just goes", async () => {
  const task = await world.manager().run(runOptions("c1"), NEVER);
  world.shim("c1").exit({ exitCode: 0 });
  const both = { stdin: false, stdout: true, stderr: true };
  expect(await failureOf(task.exec(execOptions("e1", { stream: true })))).toMatchObject({
    category: "conflict",
  });
  await task.exited;
  expect(await failureOf(task.exec(execOptions("e1")))).toMatchObject({ category: "conflict" });
  expect(await failureOf(task.attach(both))).toMatchObject({
    category: "conflict",
    message: "container c1 is not running",
  });
});

test("pause() and resume() freeze the task's own cgroups, and exec() refuses in between", async () => {
  const task = await world.manager().run(runOptions("c1"), NEVER);
  await task.pause();
  expect(await failureOf(task.exec(execOptions("e1")))).toMatchObject({ category: "conflict" });
  await task.resume();
  await task.exec(execOptions("e1"));
  expect(world.acts).toEqual(["freeze /cg/test/c1", "thaw /cg/test/c1"]);
});

test("use() reads the task's own cgroups, and limit() writes them", async () => {
  const task = await world.manager().run(runOptions("c1"), NEVER);
  world.used = exampleUse(5n);
  expect((await task.use()).cpu.usage.total).toBe(5n);
  await task.limit({ pids: { limit: 9n } });
  expect(world.acts).toEqual(["use /cg/test/c1", "limit /cg/test/c1 to 9"]);
});

test("use() and limit() say that a task has ended, however they come to know", async () => {
  const task = await world.manager().run(runOptions("c1"), NEVER);
  world.refusal = fail("not_found", "the cgroup does not exist");
  expect(await failureOf(task.use())).toMatchObject({ category: "conflict" });
  expect(await failureOf(task.limit({}))).toMatchObject({ category: "conflict" });
  world.refusal = fail("invalid_argument", "too low");
  expect(await failureOf(task.limit({}))).toMatchObject({ category: "invalid_argument" });
  world.shim("c1").exit({ exitCode: 0 });
  await task.exited;
  world.used = exampleUse(5n);
  expect(await failureOf(task.use())).toMatchObject({ category: "conflict" });
});

test("onOom() calls back each time, until it is taken away", async () => {
  const task = await world.manager().run(runOptions("c1"), NEVER);
  const seen: string[] = [];
  const forget = task.onOom(() => seen.push("one"));
  task.onOom(() => seen.push("other"));
  world.shim("c1").runOutOfMemory();
  await task.signal(0);
  forget();
  world.shim("c1").runOutOfMemory();
  await task.signal(0);
  expect(seen).toEqual(["one", "other", "other"]);
});

// ---- after a restart of the daemon ----

test("reconnect() finds a running task again and hears of its exit", async () => {
  await world.leftover("c1", { running: true });
  const manager = world.manager();
  const found = await manager.reconnect(["c1"]);
  const task = found.get("c1");
  expect(task).toMatchObject({ id: "c1", pid: PROCESS.pid });
  expect(manager.get("c1")).toBe(task);
  expect(requestsOf("c1")).toEqual(["subscribe", "state"]);
  world.shim("c1").exit({ exitCode: 6 });
  expect(await task?.exited).toMatchObject({ exitCode: 6, lost: false });
});

test("reconnect() tells the recorded exit of a task that ended meanwhile", async () => {
  await world.leftover("c1");
  writeFileSync(
    join(world.directory("c1"), "exit"),
    '{"exitCode":4,"signal":0,"oomKilled":false,"exitedAtNs":"99","lostLogBytes":"0"}\n',
  );
  const found = await world.manager().reconnect(["c1"]);
  expect(await found.get("c1")?.exited).toMatchObject({ exitCode: 4, exitedAtNs: 99n, lost: false });
  expect(world.acts).toEqual(["clear /cg/test/c1"]);
});

test("reconnect() takes a task without a living shim for killed", async () => {
  await world.leftover("c1");
  writeFileSync(join(world.directory("c1"), "pid"), '{"pid":5000000,"startTicks":7}\n');
  utimesSync(join(world.directory("c1"), "pid"), 1000, 1000);
  const found = await world.manager().reconnect(["c1"]);
  expect(found.get("c1")?.madeAtNs).toBe(1_000_000_000_000n);
  expect(await found.get("c1")?.exited).toMatchObject({ exitCode: 137, lost: true });
  expect(world.acts).toEqual(["clear /cg/test/c1"]);
});

test("reconnect() survives a damaged exit record", async () => {
  await world.leftover("c1");
  writeFileSync(join(world.directory("c1"), "pid"), '{"pid":5000000,"startTicks":7}\n');
  writeFileSync(join(world.directory("c1"), "exit"), '{"exitCode":4');
  const found = await world.manager().reconnect(["c1"]);
  expect(await found.get("c1")?.exited).toMatchObject({ exitCode: 137, lost: true });
});

test("reconnect() clears away a start that was cut short", async () => {
  await world.leftover("created", { running: true });
  world.shim("created").status = "CREATED";
  await world.leftover("nothing");
  mkdirSync(world.directory("empty"));
  const found = await world.manager().reconnect(["created", "nothing", "empty", "never-made"]);
  expect(found.size).toBe(0);
  expect(readdirSync(join(world.root, "tasks"))).toEqual([]);
});

test("reconnect() goes on clearing away what was given up, whatever is left of it", async () => {
  await world.leftover("c1");
  writeFileSync(join(world.directory("c1"), "pid"), '{"pid":5000000,"startTicks":7}\n');
  writeFileSync(join(world.directory("c1"), "given-up"), "");
  expect((await world.manager().reconnect(["c1"])).size).toBe(0);
  expect(readdirSync(join(world.root, "tasks"))).toEqual([]);
});

test("what is given up is marked before anything of it is gone", async () => {
  await world.leftover("c1", { running: true });
  world.shim("c1").status = "CREATED";
  let isMarked = false;
  world.onClear = () => {
    isMarked = existsSync(join(world.directory("c1"), "given-up"));
  };
  await world.manager().reconnect(["c1"]);
  expect(isMarked).toBe(true);
});

test("remove() clears away the cgroups of a shim that was killed after it had told the end", async () => {
  const manager = world.manager();
  await world.leftover("c1", { running: true });
  const found = await manager.reconnect(["c1"]);
  world.shim("c1").exit({ exitCode: 0 });
  await found.get("c1")?.exited;
  world.shim("c1").crash();
  world.leftDirs.add("/cg/test/c1");
  await manager.remove("c1");
  expect(world.acts).toEqual(["clear /cg/test/c1"]);
});

test("reconnect() clears away tasks that nobody knows", async () => {
  await world.leftover("stranger", { spec: { ...SPEC, linux: { cgroupsPath: "/test/stranger" } } });
  await world.leftover("c1", { running: true });
  const found = await world.manager().reconnect(["c1"]);
  expect([...found.keys()]).toEqual(["c1"]);
  expect(readdirSync(join(world.root, "tasks"))).toEqual(["c1"]);
  expect(world.acts).toEqual(["clear /cg/test/stranger"]);
});

test("reconnect() is not held up by a shim that does not answer, and hears it when it does", async () => {
  for (const id of ["c1", "c2", "stuck"]) await world.leftover(id, { running: true });
  world.shim("stuck").freeze();
  world.answerTimeoutMs = 100;
  const found = await world.manager().reconnect(["c1", "c2", "stuck"]);
  expect([...found.keys()].sort()).toEqual(["c1", "c2", "stuck"]);
  expect(found.get("stuck")?.pid).toBe(PROCESS.pid);
  world.shim("stuck").thaw();
  world.shim("stuck").exit({ exitCode: 8 });
  expect(await found.get("stuck")?.exited).toMatchObject({ exitCode: 8, lost: false });
});

test("reconnect() knows that a task is paused", async () => {
  await world.leftover("c1", { running: true });
  world.frozen.add("/cg/test/c1");
  const found = await world.manager().reconnect(["c1"]);
  const task = found.get("c1");
  if (task === undefined) throw new Error("not found");
  expect(await failureOf(task.exec(execOptions("e1")))).toMatchObject({
    message: "container c1 is paused, unpause the container before exec",
  });
});
