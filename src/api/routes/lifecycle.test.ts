import { afterEach, beforeEach, expect, test } from "bun:test";
import type { FakeTask } from "../../engine/testing/fake-tasks.ts";
import { type Answer, ApiHost } from "../testing/api-host.ts";

let host: ApiHost;

beforeEach(async () => {
  host = await ApiHost.start();
});

afterEach(async () => {
  await host[Symbol.asyncDispose]();
});

async function running(name: string, body: Readonly<Record<string, unknown>> = {}): Promise<FakeTask> {
  const id = await host.create(name, body);
  await host.call("POST", `/containers/${name}/start`);
  const task = host.tasks.running.get(id);
  if (task === undefined) throw new Error("no task");
  return task;
}

/** Everything that was posted before has been dealt with. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test("stop sends the stop signal, then says stopped; a second one is 304", async () => {
  const task = await running("web", { StopSignal: "SIGINT" });
  expect((await host.call("POST", "/containers/web/stop?t=5")).status).toBe(204);
  expect(task.signals).toEqual([2]);
  expect(host.store.find("web").state).toMatchObject({
    status: "exited",
    exitCode: 130,
    stoppedByUser: true,
  });
  expect((await host.call("POST", "/containers/web/stop")).status).toBe(304);
  expect(host.actions()).toEqual(["create", "start", "kill", "die", "stop"]);
});

test("stop kills what ignores its signal", async () => {
  const task = await running("web");
  task.deadly = new Set([9]);
  expect((await host.call("POST", "/containers/web/stop?t=0")).status).toBe(204);
  expect(task.signals).toEqual([15, 9]);
});

test("stop waits for what does not say how long as the daemon is told to", async () => {
  const task = await running("web");
  task.deadly = new Set([9]);
  host.defaultStopSeconds = 0;
  expect((await host.call("POST", "/containers/web/stop")).status).toBe(204);
  expect(task.signals).toEqual([15, 9]);
});

test("stop of a paused container thaws it", async () => {
  const task = await running("web");
  await host.call("POST", "/containers/web/pause");
  task.deadly = new Set();
  const stopped = host.call("POST", "/containers/web/stop?t=-1");
  while (task.isPaused) await turn();
  task.exit(0);
  expect((await stopped).status).toBe(204);
});

test("kill names the container and the reason", async () => {
  await host.create("web");
  const messages = [
    ["/containers/web/kill", 409, /^cannot kill container: web: container [0-9a-f]{64} is not running$/],
    ["/containers/web/kill?signal=FOO", 400, /^cannot kill container: web: invalid signal: FOO$/],
    ["/containers/web/kill?signal=0", 400, /^cannot kill container: web: invalid signal: 0$/],
    ["/containers/web/kill?signal=99", 400, /the linux daemon does not support signal 99$/],
    ["/containers/web/kill?signal=-1", 400, /the linux daemon does not support signal -1$/],
    ["/containers/nope/kill", 404, /^cannot kill container: nope: No such container: nope$/],
  ] as const;
  for (const [path, status, message] of messages) {
    const answer = await host.call("POST", path);
    expect([path, answer.status]).toEqual([path, status]);
    expect(answer.json).toEqual({ message: expect.stringMatching(message) });
  }
});

test("kill with a name, a number or nothing", async () => {
  const task = await running("web");
  await host.call("POST", "/containers/web/kill?signal=hup");
  await host.call("POST", "/containers/web/kill?signal=SIGRTMIN%2B1");
  await host.call("POST", "/containers/web/kill?signal=10");
  await host.call("POST", "/containers/web/kill");
  expect(task.signals).toEqual([1, 35, 10, 9]);
  expect(host.store.find("web").state.status).toBe("exited");
});

test("kill of a process whose shim goes away in the middle of the answer", async () => {
  const task = await running("web");
  task.signal = () => {
    setTimeout(() => task.exit(0), 5);
    return Promise.reject(new Error("connection to the shim broke"));
  };
  expect((await host.call("DELETE", "/containers/web?force=1")).status).toBe(204);
});

test("restart keeps a --rm container", async () => {
  await running("web", { HostConfig: { NetworkMode: "none", AutoRemove: true } });
  expect((await host.call("POST", "/containers/web/restart?t=1")).status).toBe(204);
  expect(host.store.find("web").state.status).toBe("running");
  expect(host.actions()).toEqual(["create", "start", "kill", "die", "stop", "start", "restart"]);
});

test("pause and unpause, each once", async () => {
  const task = await running("web");
  expect((await host.call("POST", "/containers/web/pause")).status).toBe(204);
  expect(task.isPaused).toBe(true);
  const again = await host.call("POST", "/containers/web/pause");
  expect([again.status, again.text]).toEqual([409, expect.stringContaining("is already paused")]);
  expect((await host.call("POST", "/containers/web/start")).status).toBe(409);
  expect((await host.call("POST", "/containers/web/unpause")).status).toBe(204);
  const thawed = await host.call("POST", "/containers/web/unpause");
  expect([thawed.status, thawed.text]).toEqual([409, expect.stringContaining("is not paused")]);
});

test("rename frees the old name and survives a new start of the store", async () => {
  const id = await host.create("old");
  expect((await host.call("POST", "/containers/old/rename?name=new")).status).toBe(204);
  expect((await host.call("GET", "/containers/old/json")).status).toBe(404);
  expect(host.store.find("new").id).toBe(id);
  await host.create("old");
  const cases = [
    ["", 400, "Neither old nor new names may be empty"],
    ["new", 400, "Renaming a container with the same name as its current name"],
    ["a%2Fb", 400, "Error when allocating new name: Invalid container name (/a/b)"],
    ["old", 409, "Conflict. The container name"],
  ] as const;
  for (const [name, status, message] of cases) {
    const answer = await host.call("POST", `/containers/new/rename?name=${name}`);
    expect([answer.status, answer.text]).toEqual([status, expect.stringContaining(message)]);
  }
  expect(host.actions()).toContain("rename");
});

test("resize needs two numbers and a process, and reaches a terminal", async () => {
  await host.create("off");
  expect((await host.call("POST", "/containers/off/resize?h=10&w=10")).status).toBe(409);
  const task = await running("tty", { Tty: true });
  expect((await host.call("POST", "/containers/tty/resize?h=10&w=x")).status).toBe(400);
  expect((await host.call("POST", "/containers/tty/resize?h=99999&w=1")).status).toBe(400);
  expect((await host.call("POST", "/containers/tty/resize?h=40&w=120")).status).toBe(200);
  expect(task.sizes).toEqual([[40, 120, undefined]]);
});

test("top shows the container's processes and no others", async () => {
  const task = await running("web");
  host.runPs = (args) => ({
    exitCode: args.includes("-q") ? 1 : 0,
    stdout: `UID PID CMD\nroot ${task.pid} sleep 10 20\nroot 1 init\n`,
    stderr: "",
  });
  expect((await host.call("GET", "/containers/web/top")).json).toEqual({
    Titles: ["UID", "PID", "CMD"],
    Processes: [["root", String(task.pid), "sleep 10 20"]],
  });
  host.runPs = () => ({ exitCode: 0, stdout: "CMD\nx\n", stderr: "" });
  expect((await host.call("GET", "/containers/web/top?ps_args=-o+args")).json).toEqual({
    message: "Couldn't find PID field in ps output",
  });
  expect((await host.call("GET", "/containers/web/top?ps_args=-o+pid%3DX")).status).toBe(400);
});

test("an exit of `on-failure` is followed by a start, by hand or by a stop it is not", async () => {
  const policy = { NetworkMode: "none", RestartPolicy: { Name: "on-failure", MaximumRetryCount: 1 } };
  const first = await running("web", { HostConfig: policy });
  first.exit(1);
  await turn();
  expect(host.store.find("web").state).toMatchObject({ status: "restarting", exitCode: 1 });
  expect((await host.call("POST", "/containers/web/start")).status).toBe(304);
  const started = Promise.withResolvers<FakeTask>();
  host.tasks.onRun = started.resolve;
  const second = await started.promise;
  await turn();
  expect(host.store.find("web").state).toMatchObject({ status: "running", restartCount: 1 });
  second.exit(1);
  await turn();
  expect(host.store.find("web").state.status).toBe("exited");
});

test("a container that waits for its restart can be stopped and removed", async () => {
  const policy = { NetworkMode: "none", RestartPolicy: { Name: "always" } };
  const task = await running("web", { HostConfig: policy });
  task.exit(1);
  await turn();
  const refused = await host.call("DELETE", "/containers/web");
  expect([refused.status, refused.text]).toEqual([
    409,
    expect.stringContaining("container is restarting: stop the container before removing or force remove"),
  ]);
  expect((await host.call("POST", "/containers/web/stop")).status).toBe(204);
  expect(host.store.find("web").state.status).toBe("exited");
  expect((await host.call("DELETE", "/containers/web")).status).toBe(204);
});

test.each([
  ["stop", "exited"],
  ["kill", "exited"],
  ["restart", "running"],
] as const)("%s is not lost on a container that its policy is just starting", async (verb, status) => {
  await failed("web", { HostConfig: { NetworkMode: "none", RestartPolicy: { Name: "always" } } });
  const begun = Promise.withResolvers<FakeTask>();
  const goOn = Promise.withResolvers<void>();
  host.tasks.onRun = (task) => {
    begun.resolve(task);
    return goOn.promise;
  };
  const task = await begun.promise;
  const answer = host.call("POST", `/containers/web/${verb}`);
  while (!host.store.find("web").state.stoppedByUser) await turn();
  goOn.resolve();
  expect((await answer).status).toBe(204);
  expect(task.signals).toHaveLength(1);
  expect(host.store.find("web").state.status).toBe(status);
});

/** Ended with a failure, and waiting for what its policy does. */
async function failed(name: string, body: Readonly<Record<string, unknown>>): Promise<void> {
  const task = await running(name, body);
  task.exit(1);
  await turn();
}

test("the count of restarts goes up with the exit, and stays after the restart is given up", async () => {
  await failed("web", { HostConfig: { RestartPolicy: { Name: "always" } } });
  expect(host.store.find("web").state).toMatchObject({ status: "restarting", restartCount: 1 });
  await host.call("POST", "/containers/web/kill?signal=USR1");
  expect(host.store.find("web").state).toMatchObject({
    status: "exited",
    exitCode: 1,
    restartCount: 1,
    stoppedByUser: true,
  });
  expect(host.actions()).not.toContain("kill");
  await host.call("POST", "/containers/web/start");
  expect(host.store.find("web").state).toMatchObject({ restartCount: 0, stoppedByUser: false });
});

test("a signal that is not the stop signal does not keep a container from its restart", async () => {
  const HostConfig = { RestartPolicy: { Name: "always" } };
  await failed("web", { StopSignal: "QUIT", HostConfig });
  await host.call("POST", "/containers/web/kill?signal=USR1");
  expect(host.store.find("web").state).toMatchObject({ status: "restarting", stoppedByUser: true });
  await host.call("POST", "/containers/web/kill?signal=QUIT");
  expect(host.store.find("web").state.status).toBe("exited");
});

test("a user's signal ends the policy of one that runs, unless it is some other than its own", async () => {
  const cases = [
    ["always", undefined, "USR1", "exited"],
    ["always", "QUIT", "USR1", "restarting"],
    ["on-failure", "QUIT", "USR1", "restarting"],
    ["unless-stopped", "QUIT", "USR1", "exited"],
    ["always", "QUIT", "QUIT", "exited"],
    ["always", "QUIT", "KILL", "exited"],
  ] as const;
  for (const [index, [Name, StopSignal, signal, status]] of cases.entries()) {
    const HostConfig = { NetworkMode: "none", RestartPolicy: { Name } };
    const task = await running(`web${index}`, { StopSignal, HostConfig });
    await host.call("POST", `/containers/web${index}/kill?signal=${signal}`);
    task.exit(5);
    await turn();
    const container = host.store.find(`web${index}`);
    expect([index, container.state.status]).toEqual([index, status]);
    container.cancelRestart();
  }
});

test("any signal thaws a container without a stop signal of its own", async () => {
  for (const [name, StopSignal, status] of [
    ["thawed", undefined, "running"],
    ["still", "QUIT", "paused"],
  ] as const) {
    await running(name, { StopSignal });
    await host.call("POST", `/containers/${name}/pause`);
    await host.call("POST", `/containers/${name}/kill?signal=WINCH`);
    expect(host.store.find(name).state.status).toBe(status);
  }
});

test("a policy's start that fails leaves the last exit code, and is the last", async () => {
  const task = await running("web", { HostConfig: { RestartPolicy: { Name: "always" } } });
  host.tasks.failures.push(new Error("no room"));
  task.exit(9);
  while (host.store.find("web").state.status !== "exited") await turn();
  expect(host.store.find("web").state).toMatchObject({ exitCode: 9, restartCount: 1 });
  expect(host.store.find("web").state.error).toContain("no room");
  expect(host.store.find("web").restartTimer).toBeUndefined();
});

test("stop asks whether it runs before it looks at the signal", async () => {
  await host.create("web");
  expect((await host.call("POST", "/containers/web/stop?signal=FOO")).status).toBe(304);
  await host.call("POST", "/containers/web/start");
  const refused = await host.call("POST", "/containers/web/stop?signal=FOO");
  expect([refused.status, refused.text]).toEqual([
    500,
    expect.stringContaining("cannot stop container: web: invalid signal: FOO"),
  ]);
});

test("an out-of-memory kill is told before the death", async () => {
  const task = await running("web");
  task.exit(137, { oomKilled: true, signal: 9 });
  await turn();
  expect(host.store.find("web").state.oomKilled).toBe(true);
  expect(host.actions().slice(-2)).toEqual(["oom", "die"]);
});

test("memory that runs out is told each time while the container runs on, and not once more at its end", async () => {
  const task = await running("web");
  task.runOutOfMemory();
  expect(host.store.find("web").state.oomKilled).toBe(true);
  expect((await host.call("GET", "/containers/web/json")).json).toMatchObject({
    State: { Running: true, OOMKilled: true },
  });
  task.runOutOfMemory();
  task.exit(0, { oomKilled: true });
  await turn();
  expect(host.actions().slice(-3)).toEqual(["oom", "oom", "die"]);
  expect(host.store.find("web").state.oomKilled).toBe(true);
  expect((await host.call("POST", "/containers/web/start")).status).toBe(204);
  expect(host.store.find("web").state.oomKilled).toBe(false);
});

test("prune removes what does not run, as far as the filters allow", async () => {
  await running("up");
  await host.create("old", { Labels: { keep: "yes" } });
  const gone = await host.create("gone");
  const filters = encodeURIComponent('{"label!":["keep"]}');
  expect((await host.call("POST", `/containers/prune?filters=${filters}`)).json).toEqual({
    ContainersDeleted: [gone],
    SpaceReclaimed: 7,
  });
  expect([...host.store.all()].map(({ name }) => name).sort()).toEqual(["old", "up"]);
});

test("lookup: a unique beginning of an id will do, an ambiguous one is 400", async () => {
  const id = await host.create("one");
  for (let i = 0; i < 17; i++) await host.create(`more-${i}`);
  expect(host.store.find(id.slice(0, 12)).name).toBe("one");
  const first = "0123456789abcdef"
    .split("")
    .find((digit) => [...host.store.all()].filter((container) => container.id.startsWith(digit)).length > 1);
  const answer = await host.call("GET", `/containers/${first}/json`);
  expect([answer.status, answer.text]).toEqual([400, expect.stringContaining("multiple IDs found")]);
});

test("exec: create, start, output, exit code", async () => {
  const task = await running("web");
  const created = await host.call("POST", "/containers/web/exec", {
    Cmd: ["echo", "hi"],
    AttachStdout: true,
  });
  expect(created.status).toBe(201);
  const [exec] = host.store.find("web").execs.values();
  expect(created.json).toEqual({ Id: exec?.id });
  const client = host.upgrade("POST", `/v1.51/exec/${exec?.id}/start`, '{"Detach":false,"Tty":false}');
  await client.saw("multiplexed-stream\r\n");
  const [started] = task.execs;
  expect(started?.options).toMatchObject({ stream: true, stdin: false, process: { args: ["echo", "hi"] } });
  started?.stream?.push("framed");
  await client.saw("framed");
  started?.exit(4);
  await client.ended();
  const { json } = await host.call("GET", `/exec/${exec?.id}/json`);
  expect(json).toMatchObject({
    Running: false,
    ExitCode: 4,
    Pid: 4321,
    ProcessConfig: { entrypoint: "echo", arguments: ["hi"], tty: false },
  });
  expect(host.actions().slice(-3)).toEqual(["exec_create: echo hi", "exec_start: echo hi", "exec_die"]);
});

test("exec: a client has the head of the answer before there is a process whose output could come with it", async () => {
  const task = await running("web");
  const { promise, resolve } = Promise.withResolvers<void>();
  task.execMayBegin = promise;
  await host.call("POST", "/containers/web/exec", { Cmd: ["echo", "hi"], AttachStdout: true });
  const [exec] = host.store.find("web").execs.values();
  const client = host.upgrade("POST", `/exec/${exec?.id}/start`, "{}");
  await client.saw("\r\n\r\n");
  expect(task.execs).toEqual([]);
  resolve();
  while (task.execs.length === 0) await turn();
  task.execs[0]?.stream?.push("framed");
  await client.saw("framed");
  task.execs[0]?.exit(0);
  await client.ended();
});

test("exec: an unknown program is told inside the stream, its exit code is 127", async () => {
  const task = await running("web");
  task.failExec = { stage: "exec", errno: "ENOENT", message: "no" };
  const { json } = await host.call("POST", "/containers/web/exec", { Cmd: ["nope"], AttachStdout: true });
  const id = [...host.store.find("web").execs.keys()][0];
  expect(json).toEqual({ Id: id });
  const client = host.upgrade("POST", `/v1.51/exec/${id}/start`, "{}");
  await client.ended();
  expect(client.text).toContain(
    'OCI runtime exec failed: exec failed: unable to start container process: exec: "nope": executable file not found in $PATH',
  );
  expect((await host.call("GET", `/exec/${id}/json`)).json).toMatchObject({ Running: false, ExitCode: 127 });
  const detached = await host.call("POST", "/containers/web/exec", { Cmd: ["nope"] });
  const [, second] = [...host.store.find("web").execs.keys()];
  expect(detached.json).toEqual({ Id: second });
  expect((await host.call("POST", `/exec/${second}/start`, { Detach: true })).status).toBe(400);
});

test("exec: the latest thousand that have ended can be inspected, and no more are kept", async () => {
  const task = await running("web");
  task.failExec = { stage: "exec", errno: "ENOENT", message: "no" };
  const ids: string[] = [];
  for (let n = 0; n < 1003; n++) {
    await host.call("POST", "/containers/web/exec", { Cmd: ["nope"] });
    const id = [...host.store.find("web").execs.keys()].at(-1) ?? "";
    await host.call("POST", `/exec/${id}/start`, { Detach: true });
    ids.push(id);
  }
  expect([...host.store.find("web").execs.keys()]).toEqual(ids.slice(3));
  expect((await host.call("GET", `/exec/${ids[2]}/json`)).status).toBe(404);
  expect((await host.call("GET", `/exec/${ids[3]}/json`)).status).toBe(200);
});

test("exec: refused where nothing runs or all is paused, and unknown ones are 404", async () => {
  await host.create("off");
  expect((await host.call("POST", "/containers/off/exec", { Cmd: ["x"] })).status).toBe(409);
  await running("web");
  expect((await host.call("POST", "/containers/web/exec", { Cmd: [] })).json).toEqual({
    message: "No exec command specified",
  });
  await host.call("POST", "/containers/web/pause");
  expect((await host.call("POST", "/containers/web/exec", { Cmd: ["x"] })).json).toEqual({
    message: "Container web is paused, unpause the container before exec",
  });
  for (const [method, path] of [
    ["GET", "/exec/nope/json"],
    ["POST", "/exec/nope/start"],
  ] as const)
    expect((await host.call(method, path, method === "POST" ? {} : undefined)).json).toEqual({
      message: "No such exec instance: nope",
    });
});

test("exec: a size given before the start is the terminal's first one", async () => {
  const task = await running("web");
  await host.call("POST", "/containers/web/exec", { Cmd: ["sh"], Tty: true, AttachStdin: true });
  const [id] = host.store.find("web").execs.keys();
  expect((await host.call("POST", `/exec/${id}/resize?h=33&w=44`)).status).toBe(200);
  const client = host.upgrade("POST", `/v1.51/exec/${id}/start`, '{"Tty":true}');
  await client.saw("raw-stream\r\n");
  expect(task.execs[0]?.options.consoleSize).toEqual({ rows: 33, cols: 44 });
  await host.call("POST", `/exec/${id}/resize?h=50&w=60`);
  expect(task.sizes).toEqual([[50, 60, id]]);
  client.socket.write("\x10\x11");
  await client.ended();
  expect(host.actions()).toContain("exec_detach");
});

test("execs: those of a container are listed, and one is killed by the beginning of its id", async () => {
  await running("web");
  const task = host.tasks.only();
  const exec = async (...Cmd: string[]): Promise<string> => {
    await host.call("POST", "/containers/web/exec", { Cmd });
    return [...host.store.find("web").execs.keys()].at(-1) ?? "";
  };
  const first = await exec("sleep", "1");
  await exec("later");
  await host.call("POST", `/exec/${first}/start`, { Detach: true });
  const listed = async (query = ""): Promise<unknown> => {
    const { json } = await host.call("GET", `/containers/web/execs${query}`);
    return Array.isArray(json)
      ? json.map(({ ProcessConfig, Running }) => [ProcessConfig.entrypoint, Running])
      : json;
  };
  expect(await listed()).toEqual([
    ["sleep", true],
    ["later", false],
  ]);
  const kill = (id: string, query = ""): Promise<Answer> => host.call("POST", `/exec/${id}/kill${query}`);
  expect(await kill(first.slice(0, 12), "?signal=HUP")).toMatchObject({ status: 204 });
  expect(await kill(first)).toMatchObject({ status: 204 });
  expect(task.execs[0]?.signals).toEqual([1, 9]);
  expect(task.signals).toEqual([]);
  await Promise.resolve();
  expect(await listed()).toEqual([["later", false]]);
  expect(await listed("?all=1")).toEqual([
    ["sleep", false],
    ["later", false],
  ]);
  expect(await kill(first)).toMatchObject({
    status: 409,
    json: { message: `exec process ${first} is not running` },
  });
  expect(await kill("nope")).toMatchObject({ status: 404 });
  expect(await kill(first, "?signal=NOPE")).toMatchObject({ status: 400 });
});
