import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { create, docker, IMAGE, LABELS, OURS, removeAll, shell, started } from "./docker.ts";

afterEach(removeAll);

test("createContainer, inspect, start, wait and remove", async () => {
  const container = await docker.createContainer({
    name: `life-${process.pid}`,
    Image: IMAGE,
    Cmd: ["sh", "-c", 'test "$NAME" = value && exit 7'],
    Env: ["NAME=value"],
    WorkingDir: "/tmp",
    User: "1000:1000",
    Labels: LABELS,
    HostConfig: { Memory: 64 << 20, CapDrop: ["ALL"], RestartPolicy: { Name: "no" } },
  });
  const made = await container.inspect();
  assert.equal(made.Name, `/life-${process.pid}`);
  assert.equal(made.State.Status, "created");
  assert.deepEqual(made.Config.Env?.includes("NAME=value"), true);
  assert.equal(made.Config.WorkingDir, "/tmp");
  assert.equal(made.Config.User, "1000:1000");
  assert.equal(made.HostConfig.Memory, 64 << 20);
  assert.deepEqual(made.HostConfig.CapDrop, ["ALL"]);
  await container.start();
  assert.deepEqual(await container.wait(), { StatusCode: 7 });
  const state = (await container.inspect()).State;
  assert.equal(state.Status, "exited");
  assert.equal(state.ExitCode, 7);
  await container.remove();
  await assert.rejects(container.inspect(), { statusCode: 404 });
});

test("listContainers finds by status, label, name and ancestor, and limits", async () => {
  const running = await started("exec sleep 100", { name: `one-${process.pid}` });
  const made = await create(["true"], { name: `two-${process.pid}` });
  const ids = async (options: object): Promise<string[]> =>
    (await docker.listContainers(options)).map(({ Id }) => Id).toSorted();
  assert.deepEqual(await ids({ filters: OURS }), [running.id]);
  assert.deepEqual(await ids({ all: true, filters: OURS }), [running.id, made.id].toSorted());
  assert.deepEqual(await ids({ filters: { ...OURS, status: ["created"] } }), [made.id]);
  assert.deepEqual(await ids({ all: true, filters: { ...OURS, name: [`two-${process.pid}`] } }), [made.id]);
  // as the documentation has it: filters as text
  const filters = JSON.stringify({ ...OURS, ancestor: [IMAGE], status: ["running"] });
  assert.deepEqual(await ids({ filters }), [running.id]);
  assert.deepEqual(await ids({ limit: 1, filters: OURS }), [made.id]);
  const [row] = await docker.listContainers({ filters: OURS, size: true } as object);
  assert.deepEqual(row?.Names, [`/one-${process.pid}`]);
  assert.equal(row?.Image, IMAGE);
  assert.equal(row?.State, "running");
  assert.match(row?.Status ?? "", /^Up /);
  assert.equal(row?.Command, "sh -c 'exec sleep 100'");
  assert.equal(row?.HostConfig.NetworkMode, "bridge");
  await Promise.all([running.remove({ force: true }), made.remove()]);
});

test("stop, restart and kill, each with its signal and exit code", async () => {
  const container = await started(
    'trap "exit 3" TERM; trap "exit 4" USR1; echo ready; while :; do sleep 0.1; done',
  );
  const ready = async (): Promise<void> => {
    while (!(await container.logs({ stdout: true, tail: 1 })).toString().includes("ready"));
  };
  await ready();
  await container.stop({ t: 30 });
  assert.equal((await container.inspect()).State.ExitCode, 3);
  await assert.rejects(container.stop(), { statusCode: 304 });
  await container.start();
  const first = (await container.inspect()).State;
  await assert.rejects(container.start(), { statusCode: 304 });
  await container.restart({ t: 0 });
  const second = (await container.inspect()).State;
  assert.equal(second.Running, true);
  assert.notEqual(second.Pid, first.Pid);
  const gone = container.wait();
  await container.kill({ signal: "SIGKILL" });
  assert.deepEqual(await gone, { StatusCode: 137 });
  await assert.rejects(container.kill(), { statusCode: 409 });
  await container.remove();
});

test("wait with a condition", async () => {
  const container = await shell("exit 5", { HostConfig: { AutoRemove: true } });
  const removed = container.wait({ condition: "removed" });
  await container.start();
  assert.deepEqual(await removed, { StatusCode: 5 });
  await assert.rejects(container.inspect(), { statusCode: 404 });
});

test("rename and update", async () => {
  const container = await started("exec sleep 100");
  await container.rename({ name: `renamed-${process.pid}` });
  assert.equal((await docker.getContainer(`renamed-${process.pid}`).inspect()).Id, container.id);
  const answer = await container.update({ Memory: 48 << 20, MemorySwap: 96 << 20, CpuShares: 512 });
  assert.deepEqual(answer.Warnings ?? [], []);
  const { HostConfig } = await container.inspect();
  assert.equal(HostConfig.Memory, 48 << 20);
  assert.equal(HostConfig.CpuShares, 512);
  await container.remove({ force: true });
});

test("pause, unpause and top", async () => {
  const container = await started("exec sleep 100");
  await container.pause();
  assert.equal((await container.inspect()).State.Paused, true);
  assert.equal((await docker.listContainers({ filters: { ...OURS, status: ["paused"] } })).length, 1);
  await container.unpause();
  assert.equal((await container.inspect()).State.Paused, false);
  const top = await container.top();
  assert.equal(top.Titles.at(-1), "CMD");
  assert.deepEqual(
    top.Processes.map((row: string[]) => row.at(-1)),
    ["sleep 100"],
  );
  const brief = await container.top({ ps_args: "-o pid,comm" });
  assert.deepEqual(brief.Titles, ["PID", "COMMAND"]);
  await container.remove({ force: true });
});

test("stats once, and as a stream", async () => {
  const container = await started("exec sleep 100", { HostConfig: { Memory: 64 << 20 } });
  const once = await container.stats({ stream: false });
  assert.ok(once.memory_stats.usage > 0);
  assert.equal(once.memory_stats.limit, 64 << 20);
  assert.ok(once.cpu_stats.cpu_usage.total_usage > 0);
  assert.ok(once.cpu_stats.system_cpu_usage > 0);
  assert.ok(once.precpu_stats.system_cpu_usage > 0);
  assert.equal(typeof once.networks.eth0?.rx_bytes, "number");
  const stream = await container.stats({ stream: true });
  let seen = 0;
  for await (const line of stream) {
    assert.equal(JSON.parse(String(line)).id, container.id);
    if (++seen === 2) break;
  }
  assert.equal(seen, 2);
  await container.remove({ force: true });
});

test("pruneContainers removes those that have ended", async () => {
  const over = await shell("exit 0");
  const running = await started("exec sleep 100");
  await over.start();
  await over.wait();
  const pruned = await docker.pruneContainers({ filters: OURS });
  assert.deepEqual(pruned.ContainersDeleted, [over.id]);
  assert.equal(typeof pruned.SpaceReclaimed, "number");
  await running.remove({ force: true });
});

test("errors carry a status code, a reason and the engine's message", async () => {
  const error = (promise: Promise<unknown>): Promise<Record<string, unknown>> =>
    promise.then(
      () => assert.fail("no error"),
      (reason: Record<string, unknown>) => reason,
    );
  const missing = await error(docker.getContainer("nobody-has-this-name").inspect());
  assert.equal(missing["statusCode"], 404);
  assert.equal(missing["reason"], "no such container");
  assert.deepEqual(missing["json"], { message: "No such container: nobody-has-this-name" });
  assert.equal(
    missing["message"],
    "(HTTP code 404) no such container - No such container: nobody-has-this-name ",
  );
  const image = await error(docker.createContainer({ Image: "no-such-image:1" }));
  assert.equal(image["statusCode"], 404);
  assert.deepEqual(image["json"], { message: "No such image: no-such-image:1" });
  const taken = await create(["true"], { name: `taken-${process.pid}` });
  const conflict = await error(create(["true"], { name: `taken-${process.pid}` }));
  assert.equal(conflict["statusCode"], 409);
  assert.match(String(conflict["message"]), /is already in use by container/);
  const bad = await error(create(["true"], { name: "no spaces" }));
  assert.equal(bad["statusCode"], 400);
  assert.equal(bad["reason"], "bad parameter");
  const command = await create(["/no/such/program"]);
  const start = await error(command.start());
  assert.equal(start["statusCode"], 400);
  assert.match(String(start["message"]), /no such file or directory/);
  assert.equal((await command.inspect()).State.ExitCode, 127);
  await Promise.all([taken.remove(), command.remove()]);
});
