import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { ApiHost } from "../../api/testing/api-host.ts";
import { until } from "../../../test/support/until.ts";
import { FakeNetwork } from "../testing/fake-network.ts";
import { FakeTask } from "../testing/fake-tasks.ts";
import type { Container } from "./container.ts";
import type { Health } from "./health.ts";
import type { RuntimeState } from "./record.ts";
import { restore } from "./restore.ts";
import { ContainerStore } from "./store.ts";

let host: ApiHost;

beforeEach(async () => {
  host = await ApiHost.start();
});

afterEach(async () => {
  await host[Symbol.asyncDispose]();
});

const DEFAULTS = {
  cgroupVersion: 1,
  maskedPaths: [],
  readonlyPaths: [],
  hostname: "h",
  runtime: "gantry-runc",
  network: "bridge",
} as const;

interface Restored {
  readonly store: ContainerStore;
  readonly due: Container[];
}

/** What a new daemon makes of the rows and of the tasks that it finds. */
async function restart(...tasks: FakeTask[]): Promise<Restored> {
  return restartIn(host.network, ...tasks);
}

async function restartIn(network: FakeNetwork, ...tasks: FakeTask[]): Promise<Restored> {
  const store = new ContainerStore(host.metadata, DEFAULTS);
  const due: Container[] = [];
  host.tasks.left = new Map(tasks.map((task) => [task.id, task]));
  await restore({
    ...host.deps,
    events: host.events,
    store,
    network: network.parts,
    predefine: network.predefine,
    sweepLinks: () => Promise.resolve(),
    restartDue: (container) => {
      due.push(container);
      return Promise.resolve();
    },
  });
  await new Promise((resolve) => setImmediate(resolve));
  return { store, due };
}

async function container(
  name: string,
  state: Partial<RuntimeState>,
  hostConfig: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const id = await host.create(name, { HostConfig: { NetworkMode: "none", ...hostConfig } });
  host.store.setState(host.store.find(name), state);
  return id;
}

test("a running container is adopted, and its later exit recorded", async () => {
  const id = await container("web", { status: "running", startedNs: 5n, pid: 10 });
  const task = new FakeTask(id, 77, undefined);
  const { store } = await restart(task);
  expect(store.find("web").state).toMatchObject({ status: "running", pid: 77, startedNs: 5n });
  task.exit(9);
  await new Promise((resolve) => setImmediate(resolve));
  expect(store.find("web").state).toMatchObject({ status: "exited", exitCode: 9, pid: 0 });
});

test("limits that were being changed when the daemon died are the kernel's afterwards", async () => {
  const limited = { Memory: 64 << 20, CpuShares: 99 };
  const id = await container("web", { status: "running", pid: 10, limitsChanging: true }, limited);
  const other = await container("other", { status: "running", pid: 11 }, limited);
  const tasks = [new FakeTask(id, 77, undefined), new FakeTask(other, 78, undefined)];
  const { store } = await restart(...tasks);
  expect(tasks.map(({ limits }) => limits.map(({ memory, cpu }) => [memory?.limit, cpu?.shares]))).toEqual([
    [[BigInt(64 << 20), 99]],
    [],
  ]);
  expect(store.find("web").state).toMatchObject({ status: "running", limitsChanging: false });
});

test("a container whose limits the kernel does not take goes on as it is", async () => {
  const id = await container("web", { status: "running", pid: 10, limitsChanging: true });
  const task = new FakeTask(id, 77, undefined);
  task.failLimit = () => new Error("busy");
  const { store } = await restart(task);
  expect(store.find("web").state).toMatchObject({ status: "running", pid: 77, limitsChanging: true });
});

test("the firewall has at no time less than what goes on, and at the end nothing of what does not", async () => {
  await host.call("POST", "/networks/create", { Name: "front" });
  const ids = await Promise.all(
    ["8080", "8081"].map(async (HostPort, index) => {
      const published = { NetworkMode: "front", PortBindings: { "80/tcp": [{ HostPort }] } };
      const id = await host.create(`web${index}`, { HostConfig: published });
      await host.call("POST", `/containers/web${index}/start`);
      return id;
    }),
  );
  const network = new FakeNetwork(host.metadata);
  await restartIn(network, new FakeTask(ids[0] ?? "", 77, undefined));
  const ports = network.firewalls.map(({ publications }) =>
    publications.map(({ hostPort }) => hostPort).sort((a, b) => a - b),
  );
  for (const each of ports) expect(each).toContain(8080);
  expect(ports.at(-1)).toEqual([8080]);
  for (const { networks } of network.firewalls) expect(networks).toHaveLength(2);
});

test("a task whose start was never recorded is adopted, too", async () => {
  const id = await container("web", { status: "exited", startedNs: 5n, finishedNs: 9n, exitCode: 3 });
  const task = new FakeTask(id, 77, undefined);
  task.madeAtNs = 10n;
  const { store } = await restart(task);
  const { state } = store.find("web");
  expect(state).toMatchObject({ status: "running", pid: 77, startedNs: 10n, exitCode: 0 });
});

test("one that ended meanwhile gets the exit code that its shim kept", async () => {
  const id = await container("web", { status: "running", startedNs: 5n });
  const task = new FakeTask(id, 77, undefined);
  task.exit(42);
  const { store } = await restart(task);
  expect(store.find("web").state).toMatchObject({ status: "exited", exitCode: 42 });
});

function deaths(): readonly Readonly<Record<string, string>>[] {
  return host.published.filter(({ Action }) => Action === "die").map(({ Actor }) => Actor.Attributes);
}

test("an end that the row has is told once, whether the daemon came to tell it or not", async () => {
  const finishedNs = BigInt(Date.now()) * 1_000_000n;
  const startedNs = finishedNs - 3_500_000_000n;
  const state = { status: "exited", startedNs, finishedNs, exitCode: 42 } as const;
  const id = await container("web", state);
  const task = new FakeTask(id, 77, undefined);
  task.madeAtNs = startedNs + 1000n;
  task.exit(42);
  for (let daemon = 0; daemon < 2; daemon++) {
    const { store } = await restart(task);
    expect(store.find("web").state).toMatchObject(state);
    expect(host.tasks.removed).toEqual(Array(daemon + 1).fill(id));
    expect(deaths()).toEqual([expect.objectContaining({ exitCode: "42", execDuration: "3", name: "web" })]);
  }
});

test("an end whose start the row does not have is not the one before", async () => {
  const id = await container("web", { status: "exited", startedNs: 5n, finishedNs: 9n, exitCode: 3 });
  const task = new FakeTask(id, 77, undefined);
  task.madeAtNs = 10n;
  task.exit(4);
  const { store } = await restart(task);
  expect(store.find("web").state).toMatchObject({ status: "exited", exitCode: 4, startedNs: 10n });
  expect(deaths()).toHaveLength(1);
});

test("one of which nothing is left has ended with 255", async () => {
  await container("web", { status: "running", startedNs: 5n });
  const { store } = await restart();
  expect(store.find("web").state).toMatchObject({ status: "exited", exitCode: 255 });
});

test("a paused one stays paused", async () => {
  const id = await container("web", { status: "paused", startedNs: 5n });
  const task = new FakeTask(id, 77, undefined);
  task.isPaused = true;
  const { store } = await restart(task);
  expect(store.find("web").state.status).toBe("paused");
  expect(task.isPaused).toBe(true);
});

test("the task knows better than the row whether it is paused", async () => {
  const tasks = await Promise.all(
    (["running", "paused"] as const).map(async (status) => {
      const task = new FakeTask(await container(`was-${status}`, { status, startedNs: 5n }), 77, undefined);
      task.isPaused = status === "running";
      return task;
    }),
  );
  const { store } = await restart(...tasks);
  expect(store.find("was-running").state.status).toBe("paused");
  expect(store.find("was-paused").state.status).toBe("running");
});

test("one that was paused to be committed goes on, however far that had come", async () => {
  const state = { startedNs: 5n, pausedToCommit: true };
  for (const status of ["running", "paused"] as const) {
    const id = await container(`commit-${status}`, { ...state, status });
    const task = new FakeTask(id, 77, undefined);
    task.isPaused = true;
    const { store } = await restart(task);
    expect(task.isPaused).toBe(false);
    expect(store.find(`commit-${status}`).state).toMatchObject({ status: "running", pausedToCommit: false });
  }
});

test("--rm is honoured", async () => {
  const id = await container("web", { status: "running", startedNs: 5n }, { AutoRemove: true });
  const task = new FakeTask(id, 77, undefined);
  task.exit(0);
  const { store } = await restart(task);
  expect([...store.all()]).toEqual([]);
});

test("a created one is left alone, whatever its policy", async () => {
  await container("web", {}, { RestartPolicy: { Name: "always" } });
  const { store } = await restart();
  expect(store.find("web").state.status).toBe("created");
});

function onFailure(MaximumRetryCount: number): Readonly<Record<string, unknown>> {
  return { RestartPolicy: { Name: "on-failure", MaximumRetryCount } };
}

test("what is known of its health goes on with a task, and ends with one that is lost", async () => {
  const health: Health = { status: "healthy", failingStreak: 1, log: [], wasHealthy: true };
  const up = await host.create("up", { Healthcheck: { Test: ["CMD", "check"] } });
  host.store.setState(host.store.find("up"), { status: "running", startedNs: 5n, health });
  await container("lost", { status: "running", startedNs: 5n, health });
  const { store } = await restart(new FakeTask(up, 77, undefined));
  expect(store.find("up").state.health).toEqual(health);
  expect(store.find("up").health).toBeDefined();
  expect(store.find("lost").health).toBeUndefined();
  expect(store.find("lost").state.health).toEqual({ ...health, status: "unhealthy" });
});

test("policies decide what is started again", async () => {
  const ended = { status: "exited", startedNs: 5n, exitCode: 0 } as const;
  const stopped = { ...ended, stoppedByUser: true };
  await container("always", ended, { RestartPolicy: { Name: "always" } });
  await container("always-stopped", stopped, { RestartPolicy: { Name: "always" } });
  await container("unless", ended, { RestartPolicy: { Name: "unless-stopped" } });
  await container("unless-stopped", stopped, { RestartPolicy: { Name: "unless-stopped" } });
  await container("failed", { ...ended, exitCode: 1 }, { RestartPolicy: { Name: "on-failure" } });
  await container("succeeded", ended, { RestartPolicy: { Name: "on-failure" } });
  await container("plain", ended);
  await container("last-try", { ...ended, exitCode: 1, restartCount: 1 }, onFailure(2));
  await container("no-more-tries", { ...ended, exitCode: 1, restartCount: 2 }, onFailure(2));
  await container("failed-stopped", { ...stopped, exitCode: 137 }, onFailure(0));
  const { store } = await restart();
  const waiting = [...store.all()].filter(({ state }) => state.status === "restarting");
  for (const each of waiting) each.cancelRestart();
  for (const { state } of waiting) expect(state).toMatchObject({ restartCount: 0, stoppedByUser: false });
  expect(waiting.map(({ name }) => name).sort()).toEqual([
    "always",
    "always-stopped",
    "failed",
    "last-try",
    "unless",
  ]);
});

test("a half-removed one is removed", async () => {
  await container("web", { status: "removing" });
  const { store } = await restart();
  expect([...store.all()]).toEqual([]);
});

test("a half-removed one goes with its task, and with its volumes if they were to go", async () => {
  const tasks: FakeTask[] = [];
  for (const removesVolumes of [true, false]) {
    const name = `web-${removesVolumes}`;
    const id = await host.create(name, { HostConfig: { NetworkMode: "none" }, Volumes: { "/scratch": {} } });
    const finishedNs = BigInt(Date.now()) * 1_000_000n;
    host.store.setState(host.store.find(name), { status: "removing", finishedNs, removesVolumes });
    const task = new FakeTask(id, 77, undefined);
    task.exit(0);
    tasks.push(task);
  }
  const { store } = await restart(...tasks);
  await until("the removals", () => [...store.all()].length === 0);
  expect(host.tasks.removed.toSorted()).toEqual(tasks.map(({ id }) => id).toSorted());
  expect(deaths()).toHaveLength(2);
  const { json } = await host.call("GET", "/volumes");
  expect(json).toMatchObject({ Volumes: [{ Name: expect.any(String) }] });
});

test("snapshots and directories without a container are deleted, others kept", async () => {
  const id = await container("web", {});
  const orphan = "e".repeat(64);
  await host.snapshots.prepare(orphan, undefined);
  mkdirSync(join(host.deps.containersDir, orphan));
  mkdirSync(join(host.deps.containersDir, "not-an-id"));
  await restart();
  expect([...host.snapshots.actives.keys()]).toEqual([id]);
  expect(existsSync(join(host.deps.containersDir, orphan))).toBe(false);
  expect(existsSync(join(host.deps.containersDir, id))).toBe(true);
  expect(existsSync(join(host.deps.containersDir, "not-an-id"))).toBe(true);
});

test("what only a nobody's snapshot stood on is collected, once that is gone", async () => {
  const id = await container("web", {});
  const found: string[][] = [];
  Object.assign(host.deps.images, {
    collect: () => {
      found.push([...host.snapshots.actives.keys()]);
      return Promise.resolve({ removedLayers: [] });
    },
  });
  await restart();
  expect(found).toEqual([]);
  await host.snapshots.prepare("e".repeat(64), undefined);
  await restart();
  expect(found).toEqual([[id]]);
});

test("rows that cannot be read do not keep the others from coming back", async () => {
  await container("good", {});
  const documents = [
    "",
    "null",
    "[]",
    '{"config":5,"host":{}}',
    '{"host":{}}',
    '{"createdNs":"x","config":{},"host":{}}',
  ];
  const insert = host.metadata.prepare("INSERT INTO containers (id, name, document) VALUES (?, ?, ?)");
  host.metadata.transaction("process", () =>
    documents.forEach((document, index) => insert.run(String(index).repeat(64), `bad${index}`, document)),
  );
  const { store } = await restart();
  expect([...store.all()].map(({ name }) => name)).toEqual(["good"]);
});
