import { afterEach, beforeEach, expect, test } from "bun:test";
import { TaskStartError } from "../../core/tasks/tasks.ts";
import { ApiHost } from "../testing/api-host.ts";

let host: ApiHost;

beforeEach(async () => {
  host = await ApiHost.start();
});

afterEach(async () => {
  await host[Symbol.asyncDispose]();
});

const frame = (text: string): Buffer =>
  Buffer.concat([Buffer.from([1, 0, 0, 0, 0, 0, 0, text.length]), Buffer.from(text)]);

test("create answers 201 with an id and makes snapshot and row", async () => {
  const answer = await host.call("POST", "/v1.51/containers/create?name=web", {
    Image: "busybox",
    HostConfig: { NetworkMode: "none" },
  });
  expect(answer.status).toBe(201);
  const { id } = host.store.find("web");
  expect(answer.json).toEqual({ Id: id, Warnings: [] });
  expect(id).toMatch(/^[0-9a-f]{64}$/);
  expect(host.snapshots.actives.get(id)).toBe("sha256:c1");
  expect(host.actions()).toEqual(["create"]);
});

test("create names an unknown image and a taken name as Docker does", async () => {
  const id = await host.create("web");
  const create = (body: unknown): Promise<{ status: number; json: unknown }> =>
    host.call("POST", "/containers/create?name=web", body);
  expect(await create({ Image: "nope", Cmd: ["sh"] })).toMatchObject({ status: 404 });
  expect(await create({ Image: "busybox" })).toMatchObject({
    status: 409,
    json: {
      message: `Conflict. The container name "/web" is already in use by container "${id}". You have to remove (or rename) that container to be able to reuse that name.`,
    },
  });
});

test("create refuses what it does not offer by name and leaves nothing", async () => {
  const refused: readonly (readonly [Record<string, unknown>, string])[] = [
    [
      { HostConfig: { Mounts: [{ Type: "cluster", Source: "x", Target: "/x" }] } },
      'mounts of type \\"cluster\\"',
    ],
    [{ HostConfig: { Cgroup: "x" } }, "HostConfig.Cgroup"],
    [{ HostConfig: { LogConfig: { Type: "awslogs" } } }, 'log driver \\"awslogs\\"'],
  ];
  for (const [body, text] of refused) {
    const answer = await host.call("POST", "/containers/create", { Image: "busybox", ...body });
    expect([answer.status, answer.text]).toEqual([501, expect.stringContaining(text)]);
  }
  expect(host.snapshots.actives.size).toBe(0);
  expect([...host.store.all()]).toEqual([]);
});

test("start runs the task with the merged command and answers 204, then 304", async () => {
  const id = await host.create("web", { Cmd: ["echo", "hi"], Env: ["A=1"] });
  expect((await host.call("POST", "/containers/web/start")).status).toBe(204);
  const task = host.tasks.only();
  expect(task.options?.spec.process?.args).toEqual(["echo", "hi"]);
  expect(task.options?.spec.process?.env).toEqual(["A=1", "PATH=/bin"]);
  expect(host.store.find(id).state).toMatchObject({ status: "running", pid: task.pid });
  expect((await host.call("POST", "/containers/web/start")).status).toBe(304);
});

test("an unknown program is 400 with the words that clients turn into exit code 127", async () => {
  await host.create("web", { Cmd: ["nope"] });
  host.tasks.failures.push(new TaskStartError("cannot execute", { stage: "exec", errno: "ENOENT" }));
  const answer = await host.call("POST", "/containers/web/start");
  expect(answer.status).toBe(400);
  expect(answer.json).toEqual({
    message:
      'failed to create task for container: unable to start container process: exec: "nope": executable file not found in $PATH: unknown',
  });
  expect(host.store.find("web").state).toMatchObject({ status: "created", exitCode: 127 });
});

test("a program without permission is 126, a failed setup is 128", async () => {
  await host.create("web", { Cmd: ["/etc/passwd"] });
  host.tasks.failures.push(
    new TaskStartError("cannot execute", { stage: "exec", errno: "EACCES" }),
    new TaskStartError('cannot mount "proc"', { stage: "setup", errno: "EPERM" }),
  );
  const denied = await host.call("POST", "/containers/web/start");
  expect(denied.text).toContain("permission denied");
  expect(host.store.find("web").state.exitCode).toBe(126);
  expect((await host.call("POST", "/containers/web/start")).status).toBe(500);
  expect(host.store.find("web").state.exitCode).toBe(128);
});

test("wait sends its head at once and its answer at the exit", async () => {
  await host.create("web");
  const waiting = host.call("POST", "/containers/web/wait?condition=next-exit");
  await host.call("POST", "/containers/web/start");
  host.tasks.only().exit(3);
  expect((await waiting).json).toEqual({ StatusCode: 3 });
});

test("wait without a condition answers at once for a container that does not run", async () => {
  await host.create("web");
  expect((await host.call("POST", "/containers/web/wait")).json).toEqual({ StatusCode: 0 });
  expect((await host.call("POST", "/containers/web/wait?condition=x")).status).toBe(400);
});

test("--rm: name and row are gone when wait for the removal answers", async () => {
  await host.create("web", { HostConfig: { NetworkMode: "none", AutoRemove: true } });
  const waiting = host.call("POST", "/containers/web/wait?condition=removed");
  await host.call("POST", "/containers/web/start");
  host.tasks.only().exit(7);
  expect((await waiting).json).toEqual({ StatusCode: 7 });
  expect(host.store.isNameTaken("web")).toBe(false);
  expect(host.actions()).toEqual(["create", "start", "die", "destroy"]);
});

test("--rm: who waits after it is gone is told its outcome, by its whole id alone", async () => {
  const id = await host.create("web", { HostConfig: { NetworkMode: "none", AutoRemove: true } });
  const waiting = host.call("POST", "/containers/web/wait?condition=removed");
  await host.call("POST", "/containers/web/start");
  host.tasks.only().exit(7);
  await waiting;
  expect((await host.call("POST", `/containers/${id}/wait`)).json).toEqual({ StatusCode: 7 });
  expect((await host.call("POST", `/containers/${id}/wait?condition=removed`)).json).toEqual({
    StatusCode: 7,
  });
  expect((await host.call("POST", `/containers/${id}/wait?condition=next-exit`)).status).toBe(404);
  expect((await host.call("POST", "/containers/web/wait")).status).toBe(404);
  expect((await host.call("GET", `/containers/${id}/json`)).status).toBe(404);
});

test("a container that was removed by hand is not waited for", async () => {
  const id = await host.create("web");
  expect((await host.call("DELETE", "/containers/web")).status).toBe(204);
  expect((await host.call("POST", `/containers/${id}/wait`)).status).toBe(404);
});

test("--rm: a start that fails removes the container, too", async () => {
  await host.create("web", { HostConfig: { NetworkMode: "none", AutoRemove: true } });
  host.tasks.failures.push(new TaskStartError("no", { stage: "exec", errno: "ENOENT" }));
  expect((await host.call("POST", "/containers/web/start")).status).toBe(400);
  expect((await host.call("GET", "/containers/web/json")).status).toBe(404);
});

test("attach before the start gets everything that the process writes", async () => {
  await host.create("web");
  const client = host.upgrade("POST", "/v1.51/containers/web/attach?stream=1&stdout=1&stderr=1");
  await client.saw("\r\n\r\n");
  expect(client.text).toStartWith("HTTP/1.1 101 UPGRADED\r\n");
  expect(client.text).toContain("Content-Type: application/vnd.docker.multiplexed-stream\r\n");
  await host.call("POST", "/containers/web/start");
  const task = host.tasks.only();
  expect(task.streamsAtStart).toBe(1);
  task.streams[0]?.push(frame("hello"));
  await client.saw("hello");
  task.exit(0);
  await client.ended();
  expect(task.streams[0]?.destroyed).toBe(true);
});

test("wait answers after the output of an attached client, however late that is", async () => {
  await host.create("web");
  const client = host.upgrade("POST", "/v1.51/containers/web/attach?stream=1&stdout=1");
  await client.saw("\r\n\r\n");
  const order: string[] = [];
  const waiting = host.call("POST", "/containers/web/wait?condition=next-exit").then((answer) => {
    order.push("answer");
    return answer;
  });
  await host.call("POST", "/containers/web/start");
  const task = host.tasks.only();
  task.exitEndsStreams = false;
  task.exit(3);
  await Bun.sleep(50);
  order.push("output");
  task.streams[0]?.push(frame("late"));
  task.streams[0]?.push(null);
  expect((await waiting).json).toEqual({ StatusCode: 3 });
  expect(order).toEqual(["output", "answer"]);
  await client.saw("late");
});

test("wait answers although an attached client's output never ends", async () => {
  await host.create("web");
  const client = host.upgrade("POST", "/v1.51/containers/web/attach?stream=1&stdout=1");
  await client.saw("\r\n\r\n");
  const waiting = host.call("POST", "/containers/web/wait?condition=next-exit");
  await host.call("POST", "/containers/web/start");
  const task = host.tasks.only();
  task.exitEndsStreams = false;
  task.exit(3);
  expect((await waiting).json).toEqual({ StatusCode: 3 });
  task.streams[0]?.push(null);
  await client.ended();
});

test("attach passes input on and its end, while output keeps flowing", async () => {
  await host.create("cat", { OpenStdin: true, StdinOnce: true });
  await host.call("POST", "/containers/cat/start");
  const client = host.upgrade("POST", "/v1.51/containers/cat/attach?stream=1&stdin=1&stdout=1");
  await client.saw("\r\n\r\n");
  client.socket.end("typed");
  const stream = host.tasks.only().streams[0];
  let typed = "";
  for await (const chunk of stream?.input ?? []) typed += String(chunk);
  expect(typed).toBe("typed");
  stream?.push(frame("after the end"));
  await client.saw("after the end");
  stream?.push(null);
  await client.ended();
});

test("attach before API 1.42 names the older content type", async () => {
  await host.create("web");
  await host.call("POST", "/containers/web/start");
  const client = host.upgrade("POST", "/v1.41/containers/web/attach?stream=1&stdout=1");
  await client.saw("Content-Type: application/vnd.docker.raw-stream\r\n");
  client.socket.destroy();
});

test("detach keys end the attachment of a terminal and leave the process", async () => {
  await host.create("sh", { OpenStdin: true, Tty: true });
  await host.call("POST", "/containers/sh/start");
  const client = host.upgrade(
    "POST",
    "/v1.51/containers/sh/attach?stream=1&stdin=1&stdout=1&detachKeys=ctrl-a,b",
  );
  await client.saw("raw-stream");
  client.socket.write(Buffer.from([0x78, 1, 0x62]));
  await client.ended();
  expect(host.tasks.only().signals).toEqual([]);
  expect(host.actions()).toContain("detach");
});

test("input that began like the detach keys is passed on when it ends", async () => {
  await host.create("sh", { OpenStdin: true, Tty: true });
  await host.call("POST", "/containers/sh/start");
  const client = host.upgrade("POST", "/v1.51/containers/sh/attach?stream=1&stdin=1&stdout=1");
  await client.saw("raw-stream");
  client.socket.end("x\x10");
  let typed = "";
  for await (const chunk of host.tasks.only().streams[0]?.input ?? []) typed += String(chunk);
  expect(typed).toBe("x\x10");
});

test("a client that goes away takes its stream with it", async () => {
  await host.create("web");
  await host.call("POST", "/containers/web/start");
  const client = host.upgrade("POST", "/v1.51/containers/web/attach?stream=1&stdout=1");
  await client.saw("\r\n\r\n");
  const [stream] = host.tasks.only().streams;
  const closed = new Promise<void>((resolve) => stream?.on("close", () => resolve()));
  client.socket.destroy();
  await closed;
});

test("attach without Upgrade answers 200 and raw bytes to the end of the connection", async () => {
  await host.create("web");
  await host.call("POST", "/containers/web/start");
  const answer = host.call("POST", "/v1.51/containers/web/attach?stream=1&stdout=1");
  const task = host.tasks.only();
  while (task.streams.length === 0) await new Promise((resolve) => setImmediate(resolve));
  task.streams[0]?.push(frame("plain"));
  task.exit(0);
  const { status, headers, text } = await answer;
  expect(status).toBe(200);
  expect(headers["transfer-encoding"]).toBeUndefined();
  expect(text).toContain("plain");
});

test("the log of a container that runs is cleared by its shim", async () => {
  await host.create("web");
  await host.call("POST", "/containers/web/start");
  expect((await host.call("DELETE", "/v1.51/containers/web/logs")).status).toBe(204);
  expect(host.tasks.running.values().next().value?.cleared).toBe(1);
  expect((await host.call("DELETE", "/containers/nope/logs")).status).toBe(404);
});

test("the daemon's log driver is that of containers which name none, and their runs are sent and released", async () => {
  const defaults = { Type: "syslog", Config: { "syslog-address": "udp://192.0.2.1:514" } };
  Object.assign(host.logging, { defaults });
  await host.create("web");
  await host.call("POST", "/containers/web/start");
  const shown = await host.call("GET", "/containers/web/json");
  expect(shown.json).toMatchObject({
    HostConfig: { LogConfig: { Type: "syslog", Config: { "syslog-address": "udp://192.0.2.1:514" } } },
  });
  expect(host.forwarding.followed.map(({ remote }) => remote.kind)).toEqual(["syslog"]);
  await host.call("DELETE", "/containers/web?force=1");
  expect(host.forwarding.released.length).toBe(1);
});

test("logs are framed without a terminal and need a stream to be chosen", async () => {
  await host.create("web");
  host.logText.push("one\n", "two\n");
  const answer = await host.call("GET", "/v1.51/containers/web/logs?stdout=1");
  expect(answer.headers["content-type"]).toBe("application/vnd.docker.multiplexed-stream");
  expect(answer.text).toContain("two\n");
  const refused = await host.call("GET", "/containers/nope/logs");
  expect([refused.status, refused.json]).toEqual([
    400,
    { message: "Bad parameters: you must choose at least one stream" },
  ]);
});

test("remove refuses a running container and takes a forced one down", async () => {
  await host.create("web");
  await host.call("POST", "/containers/web/start");
  const refused = await host.call("DELETE", "/containers/web");
  expect([refused.status, refused.json]).toEqual([
    409,
    {
      message:
        'cannot remove container "/web": container is running: stop the container before removing or force remove',
    },
  ]);
  const task = host.tasks.only();
  expect((await host.call("DELETE", "/containers/web?force=1")).status).toBe(204);
  expect(task.signals).toEqual([9]);
  expect((await host.call("DELETE", "/containers/web")).json).toEqual({
    message: "No such container: web",
  });
  expect(host.actions()).toEqual(["create", "start", "kill", "die", "destroy"]);
});

test("inspect shows the merged configuration and Docker's defaults", async () => {
  const id = await host.create("web", { Cmd: ["a", "b"] });
  const { json } = await host.call("GET", "/v1.51/containers/web/json");
  expect(json).toMatchObject({
    Id: id,
    Name: "/web",
    Path: "a",
    Args: ["b"],
    State: { Status: "created", Running: false, Pid: 0, StartedAt: "0001-01-01T00:00:00Z" },
    HostConfig: {
      NetworkMode: "none",
      ShmSize: 67108864,
      RestartPolicy: { Name: "no", MaximumRetryCount: 0 },
      LogConfig: { Type: "json-file", Config: {} },
      IpcMode: "private",
      CgroupnsMode: "host",
      Runtime: "gantry-runc",
      MaskedPaths: ["/proc/kcore"],
    },
    Config: { Hostname: id.slice(0, 12), Env: ["PATH=/bin"], Labels: {} },
    NetworkSettings: { Networks: { none: { NetworkID: host.network.idOf("none") } } },
  });
});

test("list shows running containers, all of them on demand, newest first", async () => {
  await host.create("one");
  await host.create("two", { Cmd: ["sh", "-c", "echo hi"] });
  await host.call("POST", "/containers/two/start");
  const running = await host.call("GET", "/v1.51/containers/json");
  expect(running.json).toMatchObject([
    { Names: ["/two"], State: "running", Command: "sh -c 'echo hi'", Image: "busybox" },
  ]);
  const brief = await host.call("GET", "/v1.51/containers/json?brief=1");
  const whole: object[] = JSON.parse(running.text);
  const left = ["HostConfig", "NetworkSettings", "Mounts", "Labels"];
  expect(brief.json).toEqual(
    whole.map((row) => Object.fromEntries(Object.entries(row).filter(([key]) => !left.includes(key)))),
  );
  const all = await host.call("GET", "/v1.51/containers/json?all=1&size=1");
  expect(all.json).toMatchObject([{ Names: ["/two"] }, { Names: ["/one"], Status: "Created", SizeRw: 7 }]);
});
