import { afterEach, beforeEach, expect, test } from "bun:test";
import { settled } from "../../base/testing/fake-clock.ts";
import type { FakeExec, FakeTask } from "../../engine/testing/fake-tasks.ts";
import { ApiHost } from "../testing/api-host.ts";

let host: ApiHost;

beforeEach(async () => {
  host = await ApiHost.start();
});

afterEach(async () => {
  await host[Symbol.asyncDispose]();
});

const SECOND = 1e9;
const CHECK = { Test: ["CMD-SHELL", "check"], Interval: 10 * SECOND, Timeout: 5 * SECOND, Retries: 2 };

function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (within, key) => (typeof within === "object" && within !== null ? Reflect.get(within, key) : undefined),
    value,
  );
}

async function inspect(...path: readonly string[]): Promise<unknown> {
  return at((await host.call("GET", "/containers/web/json")).json, ...path);
}

function health(): Promise<unknown> {
  return inspect("State", "Health");
}

async function running(body: Readonly<Record<string, unknown>> = {}): Promise<FakeTask> {
  await host.create("web", { Healthcheck: CHECK, ...body });
  await host.call("POST", "/containers/web/start");
  return host.tasks.only();
}

/** Lets time pass until the next probe runs. */
async function nextProbe(task: FakeTask, ms = 10_000): Promise<FakeExec> {
  const count = task.execs.length;
  await host.clock.pass(ms - 1);
  expect(task.execs).toHaveLength(count);
  await host.clock.pass(1);
  const exec = task.execs[count];
  if (exec === undefined) throw new Error("no probe runs");
  return exec;
}

async function end(exec: FakeExec, exitCode: number, output = ""): Promise<void> {
  if (output !== "") exec.stream?.push(framed(output));
  exec.exit(exitCode);
  await settled();
}

function framed(text: string, stream = 1): Buffer {
  const head = Buffer.alloc(8);
  head[0] = stream;
  head.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([head, Buffer.from(text)]);
}

async function statusText(): Promise<string> {
  const answer = await host.call("GET", "/containers/json?all=1");
  return String(at(answer.json, 0, "Status"));
}

function healthEvents(): readonly string[] {
  return host.actions().filter((action) => action.startsWith("health_status"));
}

test("a container is starting, then healthy, then unhealthy after so many failures", async () => {
  const task = await running();
  expect(await health()).toEqual({ Status: "starting", FailingStreak: 0, Log: [] });
  expect(await statusText()).toMatch(/^Up .* \(health: starting\)$/);
  await end(await nextProbe(task), 0, "fine\n");
  expect(await health()).toMatchObject({
    Status: "healthy",
    FailingStreak: 0,
    Log: [{ ExitCode: 0, Output: "fine\n" }],
  });
  expect(await statusText()).toMatch(/ \(healthy\)$/);
  await end(await nextProbe(task), 1);
  expect(await health()).toMatchObject({ Status: "healthy", FailingStreak: 1 });
  await end(await nextProbe(task), 1);
  expect(await health()).toMatchObject({ Status: "unhealthy", FailingStreak: 2 });
  expect(await statusText()).toMatch(/ \(unhealthy\)$/);
  expect(healthEvents()).toEqual(["health_status: healthy", "health_status: unhealthy"]);
});

test("a probe is an exec: its events are told in order, and it is not kept", async () => {
  const task = await running({ User: "7", WorkingDir: "/w", Env: ["A=1"] });
  const exec = await nextProbe(task);
  expect(exec.options).toMatchObject({ stdin: false, stream: true });
  expect(exec.options.process).toMatchObject({ args: ["/bin/sh", "-c", "check"], terminal: false });
  expect(await inspect("ExecIDs")).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)]);
  await end(exec, 0);
  expect(await inspect("ExecIDs")).toBeNull();
  expect(host.store.find("web").execs.size).toBe(0);
  expect(host.actions().slice(-4)).toEqual([
    "exec_create: /bin/sh -c check",
    "exec_start: /bin/sh -c check",
    "exec_die",
    "health_status: healthy",
  ]);
});

test("the next probe waits for the end of the last", async () => {
  const task = await running({ Healthcheck: { ...CHECK, Timeout: 60 * SECOND } });
  const exec = await nextProbe(task);
  await host.clock.pass(30_000);
  expect(task.execs).toHaveLength(1);
  await end(exec, 0);
  await nextProbe(task);
});

test("a probe that takes too long is killed, and has failed with what it said", async () => {
  const task = await running();
  const exec = await nextProbe(task);
  exec.stream?.push(framed("before\n"));
  await host.clock.pass(4999);
  expect(await health()).toMatchObject({ Log: [] });
  await host.clock.pass(1);
  expect(await exec.process.exited).toMatchObject({ exitCode: 137 });
  expect(await health()).toMatchObject({
    FailingStreak: 1,
    Log: [{ ExitCode: -1, Output: "Health check exceeded timeout (5s): before\n" }],
  });
});

test("output that does not end with its probe is waited for, but not for long", async () => {
  const task = await running();
  const exec = await nextProbe(task);
  exec.stream?.push(framed("from a child"));
  exec.endProcess(0);
  await settled();
  await host.clock.pass(1999);
  expect(await health()).toMatchObject({ Status: "starting" });
  await host.clock.pass(1);
  expect(await health()).toMatchObject({
    Status: "healthy",
    Log: [{ Output: "from a child" }],
  });
  expect(exec.stream?.destroyed).toBe(true);
});

test("4096 bytes of both streams are kept, in the order they came", async () => {
  const task = await running();
  const exec = await nextProbe(task);
  const frames = Buffer.concat([framed("out\n"), framed("err\n", 2), framed("x".repeat(10_000))]);
  for (let at = 0; at < frames.length; at += 7) exec.stream?.push(frames.subarray(at, at + 7));
  await end(exec, 0);
  expect(at(await health(), "Log", 0, "Output")).toBe(`out\nerr\n${"x".repeat(4088)}...`);
});

test("a program that is not there has failed, in Docker's words", async () => {
  const task = await running();
  task.failExec = { message: 'exec: "check": no such file', stage: "exec", errno: "ENOENT" };
  await host.clock.pass(10_000);
  expect(await health()).toMatchObject({
    FailingStreak: 1,
    Log: [{ ExitCode: -1, Output: expect.stringMatching(/^OCI runtime exec failed: exec failed: /) }],
  });
  expect(host.actions()).not.toContain("exec_die");
  expect(host.store.find("web").execs.size).toBe(0);
});

test("a check without a command has failed", async () => {
  await running({ Healthcheck: { Test: ["CMD"], Interval: SECOND } });
  await host.clock.pass(1000);
  expect(await health()).toMatchObject({
    Log: [{ ExitCode: -1, Output: expect.stringMatching(/^healthcheck for container \w+ has no command$/) }],
  });
});

test("in the start period probes come more often, and failures do not count", async () => {
  const task = await running({
    Healthcheck: { ...CHECK, StartPeriod: 3 * SECOND, StartInterval: SECOND, Retries: 1 },
  });
  for (let i = 0; i < 2; i++) await end(await nextProbe(task, 1000), 1);
  expect(await health()).toMatchObject({ Status: "starting", FailingStreak: 0 });
  await end(await nextProbe(task, 1000), 1);
  expect(await health()).toMatchObject({ Status: "unhealthy", FailingStreak: 1 });
  await nextProbe(task, 10_000);
});

test("a paused container is not probed, and a probe that runs is killed", async () => {
  const task = await running();
  await end(await nextProbe(task), 0);
  const exec = await nextProbe(task);
  await host.call("POST", "/containers/web/pause");
  expect(await exec.process.exited).toMatchObject({ exitCode: 137 });
  await settled();
  expect(await health()).toMatchObject({ Status: "unhealthy", FailingStreak: 0 });
  expect(await statusText()).toMatch(/\(Paused\)$/);
  await host.clock.pass(60_000);
  expect(task.execs).toHaveLength(2);
  await host.call("POST", "/containers/web/unpause");
  await end(await nextProbe(task), 0);
  expect(healthEvents()).toEqual(["health_status: healthy", "health_status: healthy"]);
});

test("the end of the container ends its checks; a start begins anew and keeps the log", async () => {
  const task = await running();
  await end(await nextProbe(task), 0, "first");
  await nextProbe(task);
  await host.call("POST", "/containers/web/stop?t=0");
  expect(await health()).toMatchObject({ Status: "unhealthy" });
  await host.clock.pass(60_000);
  expect(task.execs).toHaveLength(2);
  await host.call("POST", "/containers/web/start");
  expect(await health()).toMatchObject({
    Status: "starting",
    FailingStreak: 0,
    Log: [{ Output: "first" }],
  });
  await nextProbe(host.tasks.only());
});

test("without a check there is no health", async () => {
  for (const [index, Healthcheck] of [undefined, { Test: ["NONE"] }, { Test: [] }].entries()) {
    const id = await host.create(`plain${index}`, { Healthcheck });
    await host.call("POST", `/containers/${id}/start`);
    expect((await host.call("GET", `/containers/${id}/json`)).text).not.toContain('"Health":');
  }
  expect(host.clock.timers).toBe(0);
});

test("an image's check is inherited, field by field", async () => {
  host.images.add("checked", { Cmd: ["sh"], Healthcheck: { Test: ["CMD", "image"], Retries: 7 } });
  await host.create("web", { Image: "checked", Healthcheck: { Interval: 2 * SECOND } });
  const text = (await host.call("GET", "/containers/web/json")).text;
  expect(text).toContain('"Healthcheck":{"Test":["CMD","image"],"Interval":2000000000,"Retries":7}');
  await host.call("POST", "/containers/web/start");
  expect((await nextProbe(host.tasks.only(), 2000)).options.process.args).toEqual(["image"]);
});

test("lists are filtered by health", async () => {
  const task = await running();
  await host.create("plain");
  const named = async (health: string): Promise<string[]> => {
    const filters = encodeURIComponent(JSON.stringify({ health: [health] }));
    const answer = await host.call("GET", `/containers/json?all=1&filters=${filters}`);
    return Array.isArray(answer.json) ? answer.json.map((entry) => String(at(entry, "Names", 0))) : [];
  };
  expect(await named("starting")).toEqual(["/web"]);
  expect(await named("none")).toEqual(["/plain"]);
  await end(await nextProbe(task), 0);
  expect(await named("starting")).toEqual([]);
  expect(await named("healthy")).toEqual(["/web"]);
});

test("what cannot be is refused in Docker's words", async () => {
  const refused: readonly (readonly [object, string])[] = [
    [{ Healthcheck: { Interval: 1 } }, "Interval in Healthcheck cannot be less than 1ms"],
    [{ Healthcheck: { Retries: -1 } }, "Retries in Healthcheck cannot be negative"],
    [{ Healthcheck: { Interval: 1.5 } }, "Healthcheck.Interval"],
    [{ Healthcheck: { Interval: 2 ** 53 } }, "at most 53 bits"],
    [{ Healthcheck: { Test: ["CMD", "a\0b"] } }, "a NUL byte is not allowed"],
    [{ Healthcheck: CHECK, HostConfig: { HealthOnFailure: "reboot" } }, "must be one of"],
    [{ Healthcheck: CHECK, Labels: { "gantry.health-on-failure": "reboot" } }, "must be one of"],
    [{ HostConfig: { HealthOnFailure: "kill" } }, "needs a health check"],
    [{ Healthcheck: CHECK, HostConfig: { HealthOnFailure: "restart", AutoRemove: true } }, "conflicting"],
  ];
  for (const [body, text] of refused) {
    const answer = await host.call("POST", "/containers/create", { Image: "busybox", ...body });
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining(text)]);
  }
});

test("an interval for the start period is no wish of a client before 1.44", async () => {
  for (const [minor, expected] of [
    [43, false],
    [44, true],
  ] as const) {
    const body = { Image: "busybox", Healthcheck: { ...CHECK, StartInterval: SECOND } };
    await host.call("POST", `/v1.${minor}/containers/create?name=v${minor}`, body);
    const { text } = await host.call("GET", `/containers/v${minor}/json`);
    expect(text.includes("StartInterval")).toBe(expected);
  }
});

test("what was found outlives the daemon, and probing goes on", async () => {
  const task = await running();
  await end(await nextProbe(task), 0, "found");
  await end(await nextProbe(task), 1);
  const stored = host.store.find("web").state.health;
  const row = host.metadata.prepare("SELECT document FROM container_states").get();
  expect(JSON.parse(String(row?.["document"]))).toMatchObject({
    health: { status: "healthy", failingStreak: 1, wasHealthy: true },
  });
  host.healthChecks.stop();
  host.healthChecks.watch(host.store.find("web"), task);
  expect(host.store.find("web").state.health).toEqual(stored);
  await end(await nextProbe(task), 1);
  expect(await health()).toMatchObject({ Status: "unhealthy", FailingStreak: 2 });
});

test("a probe that a killed daemon has begun is ended, and the next one is not in its way", async () => {
  const task = await running();
  const first = await nextProbe(task);
  host.healthChecks.stop();
  const left = await task.exec(first.options);
  host.healthChecks.watch(host.store.find("web"), task);
  expect(await left.exited).toMatchObject({ exitCode: 137 });
  await host.clock.pass(20);
  await end(await nextProbe(task, 9_980), 0);
  expect(await health()).toMatchObject({ Status: "healthy" });
});

test("a daemon that ends kills the probe that runs, and begins no other", async () => {
  const task = await running();
  const exec = await nextProbe(task);
  host.healthChecks.stop();
  expect(await exec.process.exited).toMatchObject({ exitCode: 137 });
  await host.clock.pass(60_000);
  expect(task.execs).toHaveLength(1);
  expect(await health()).toMatchObject({ Status: "starting", Log: [] });
});

test("steady health is not written again and again", async () => {
  const task = await running();
  await end(await nextProbe(task), 0);
  const written = (): unknown => host.metadata.prepare("SELECT document FROM container_states").get();
  const before = written();
  await end(await nextProbe(task), 0, "again");
  expect(written()).toEqual(before);
  expect(await health()).toMatchObject({ Log: [{}, { Output: "again" }] });
});

test("a thousand containers wait on one timer", async () => {
  await running();
  for (let i = 0; i < 20; i++) {
    await host.create(`web${i}`, { Healthcheck: CHECK });
    await host.call("POST", `/containers/web${i}/start`);
  }
  expect(host.clock.timers).toBe(1);
});

async function becomesUnhealthy(task: FakeTask): Promise<void> {
  for (let i = 0; i < 2; i++) await end(await nextProbe(task), 1);
}

test("on failure: none does nothing", async () => {
  const task = await running({ HostConfig: { HealthOnFailure: "none" } });
  await becomesUnhealthy(task);
  expect(task.signals).toEqual([]);
});

test("on failure: kill ends it, and its policy decides", async () => {
  const task = await running({
    HostConfig: { HealthOnFailure: "kill", RestartPolicy: { Name: "on-failure" } },
  });
  await becomesUnhealthy(task);
  expect(task.signals).toEqual([9]);
  const container = host.store.find("web");
  expect(container.state).toMatchObject({ status: "restarting", exitCode: 137, stoppedByUser: false });
  container.cancelRestart();
});

test("on failure: stop leaves it stopped, whatever its policy", async () => {
  const task = await running({
    StopSignal: "SIGINT",
    HostConfig: { HealthOnFailure: "stop", RestartPolicy: { Name: "always" } },
  });
  await becomesUnhealthy(task);
  expect(task.signals).toEqual([2]);
  expect(host.store.find("web").state).toMatchObject({ status: "exited", stoppedByUser: true });
});

test("on failure: restart starts it again without a policy, with pauses that grow until it was well", async () => {
  let task = await running({ HostConfig: { HealthOnFailure: "restart" } });
  const container = host.store.find("web");
  const hasRunLong = (): void =>
    host.store.setState(container, { startedNs: container.state.startedNs - 60_000_000_000n });
  for (const [index, delayMs] of [100, 200, 400].entries()) {
    hasRunLong();
    await becomesUnhealthy(task);
    expect(task.signals).toEqual([15]);
    expect(container.state).toMatchObject({ status: "restarting", restartCount: index + 1 });
    expect(container.restartDelayMs).toBe(delayMs);
    container.cancelRestart();
    await host.deps.restartDue(container);
    task = host.tasks.only();
  }
  await end(await nextProbe(task), 0);
  hasRunLong();
  await becomesUnhealthy(task);
  expect(container.restartDelayMs).toBe(100);
  container.cancelRestart();
});

test("on failure: one that a user is stopping is left to him", async () => {
  const task = await running({ HostConfig: { HealthOnFailure: "restart" } });
  task.deadly = new Set();
  const stopping = host.call("POST", "/containers/web/stop?t=-1");
  while (task.signals.length === 0) await settled();
  await becomesUnhealthy(task);
  expect(task.signals).toEqual([15]);
  task.exit(0);
  expect((await stopping).status).toBe(204);
  expect(host.store.find("web").state.status).toBe("exited");
});

test("on failure: what is being ended is not ended again", async () => {
  const task = await running({ StopTimeout: -1, HostConfig: { HealthOnFailure: "restart" } });
  task.deadly = new Set();
  await becomesUnhealthy(task);
  await end(await nextProbe(task), 1);
  expect(task.signals).toEqual([15]);
  task.exit(0);
  await settled();
  const container = host.store.find("web");
  expect(container.state.status).toBe("restarting");
  container.cancelRestart();
});

test("on failure: a user's label says it, an image's does not", async () => {
  const Labels = { "gantry.health-on-failure": "kill" };
  host.images.add("labelled", { Cmd: ["sh"], Labels });
  await host.create("web", { Image: "labelled", Healthcheck: CHECK });
  expect((await host.call("GET", "/containers/web/json")).text).not.toContain("HealthOnFailure");
  await host.create("mine", { Healthcheck: CHECK, Labels });
  expect((await host.call("GET", "/containers/mine/json")).text).toContain('"HealthOnFailure":"kill"');
});
