import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { PassThrough } from "node:stream";
import {
  docker,
  halves,
  IMAGE,
  LABELS,
  objects,
  OURS,
  readUntil,
  removeAll,
  shell,
  splitFrames,
  started,
  text,
} from "./docker.ts";

afterEach(removeAll);

test("attach with hijack: standard input goes in, both outputs come out apart", async () => {
  const container = await shell("cat; echo done >&2", { OpenStdin: true, StdinOnce: true });
  const stream = await container.attach({
    stream: true,
    stdin: true,
    stdout: true,
    stderr: true,
    hijack: true,
  });
  const said = halves(stream);
  await container.start();
  stream.write("one\n");
  stream.end("two\n");
  assert.deepEqual(await said, { stdout: "one\ntwo\n", stderr: "done\n" });
  assert.deepEqual(await container.wait(), { StatusCode: 0 });
  await container.remove();
});

test("attach without hijack reads what comes", async () => {
  const container = await shell("echo out; echo err >&2");
  const stream = await container.attach({ stream: true, stdout: true, stderr: true });
  const said = halves(stream);
  await container.start();
  assert.deepEqual(await said, { stdout: "out\n", stderr: "err\n" });
  await container.remove();
});

test("attach to a terminal is not multiplexed, and can be resized", async () => {
  const container = await shell("read line; stty size; echo got $line", { Tty: true, OpenStdin: true });
  const stream = await container.attach({
    stream: true,
    stdin: true,
    stdout: true,
    stderr: true,
    hijack: true,
  });
  const said = text(stream);
  await container.start();
  await container.resize({ h: 31, w: 101 });
  stream.write("hello\n");
  assert.equal(await said, "hello\r\n31 101\r\ngot hello\r\n");
  await container.remove({ force: true });
});

test("logs as a buffer: tail, timestamps, since, one half", async () => {
  const container = await started("echo one; echo two >&2; echo three");
  await container.wait();
  const all = splitFrames(await container.logs({ stdout: true, stderr: true }));
  assert.deepEqual(all, { stdout: "one\nthree\n", stderr: "two\n" });
  assert.deepEqual(splitFrames(await container.logs({ stderr: true })), { stdout: "", stderr: "two\n" });
  const last = splitFrames(await container.logs({ stdout: true, stderr: true, tail: 2 }));
  assert.equal((last.stdout + last.stderr).split("\n").length, 3);
  const stamped = splitFrames(await container.logs({ stdout: true, timestamps: true })).stdout;
  assert.match(stamped, /^\d{4}-\d\d-\d\dT[\d:.]+Z one\n\d{4}-\d\d-\d\dT[\d:.]+Z three\n$/);
  const later = Math.floor(Date.now() / 1000) + 1000;
  assert.equal((await container.logs({ stdout: true, stderr: true, since: later })).length, 0);
  await container.remove();
});

test("logs that are followed end with the container", async () => {
  const container = await started("echo begun; read line; echo $line", { OpenStdin: true, StdinOnce: true });
  const logs = await container.logs({ follow: true, stdout: true, stderr: true });
  const said = halves(logs);
  const stdin = await container.attach({ stream: true, stdin: true, hijack: true });
  stdin.end("end\n");
  assert.deepEqual(await said, { stdout: "begun\nend\n", stderr: "" });
  await container.remove();
});

test("exec without a terminal: output, input, environment, directory, user, exit code", async () => {
  const container = await started("exec sleep 100");
  const exec = await container.exec({
    Cmd: ["sh", "-c", "cat; echo $NAME $(pwd) $(id -u) >&2; exit 9"],
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Env: ["NAME=value"],
    WorkingDir: "/tmp",
    User: "user",
  });
  assert.equal((await exec.inspect()).Running, false);
  const stream = await exec.start({ hijack: true, stdin: true });
  const said = halves(stream);
  stream.end("typed\n");
  assert.deepEqual(await said, { stdout: "typed\n", stderr: "value /tmp 1000\n" });
  const over = await exec.inspect();
  assert.equal(over.ExitCode, 9);
  assert.equal(over.Running, false);
  assert.equal(over.ContainerID, container.id);
  assert.deepEqual(over.ProcessConfig.entrypoint, "sh");
  // without hijack, only reading
  const plain = await container.exec({ Cmd: ["echo", "plain"], AttachStdout: true, AttachStderr: true });
  assert.equal((await halves(await plain.start({}))).stdout, "plain\n");
  // detached
  const apart = await container.exec({ Cmd: ["touch", "/tmp/made"] });
  (await apart.start({ Detach: true })).resume();
  while ((await apart.inspect()).Running);
  assert.equal((await apart.inspect()).ExitCode, 0);
  await container.remove({ force: true });
});

test("exec on a terminal, resized", async () => {
  const container = await started("exec sleep 100");
  const exec = await container.exec({
    Cmd: ["sh", "-c", "echo ready; read line; stty size"],
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Tty: true,
  });
  const stream = await exec.start({ hijack: true, stdin: true, Tty: true });
  assert.equal(await readUntil(stream, "ready"), "ready\r\n");
  await exec.resize({ h: 22, w: 77 });
  stream.write("go\n");
  assert.match(await text(stream), /22 77\r\n$/);
  assert.equal((await exec.inspect()).ExitCode, 0);
  await container.remove({ force: true });
});

test("run with one stream (a terminal) and with two", async () => {
  const one = new PassThrough();
  const [ended, container] = await docker.run(IMAGE, ["sh", "-c", "echo to the terminal; exit 2"], one, {
    Labels: LABELS,
  });
  assert.deepEqual(ended, { StatusCode: 2 });
  assert.equal(String(one.read()), "to the terminal\r\n");
  await container.remove();
  const [out, err] = [new PassThrough(), new PassThrough()];
  const [code] = await docker.run(IMAGE, ["sh", "-c", "echo out; echo err >&2"], [out, err], {
    Tty: false,
    Labels: LABELS,
    HostConfig: { AutoRemove: true },
  });
  assert.deepEqual(code, { StatusCode: 0 });
  assert.deepEqual([String(out.read()), String(err.read())], ["out\n", "err\n"]);
});

test("getEvents tells a container's life, filtered", async () => {
  const since = Math.floor(Date.now() / 1000);
  const stream = await docker.getEvents({ since, filters: { ...OURS, type: ["container"] } });
  const container = await shell("exit 6");
  await container.start();
  await container.wait();
  await container.remove();
  const seen: string[] = [];
  for await (const event of objects<{
    Action: string;
    Actor: { ID: string; Attributes: Record<string, string> };
  }>(stream)) {
    if (event.Actor.ID !== container.id) continue;
    seen.push(event.Action);
    if (event.Action === "die") assert.equal(event.Actor.Attributes["exitCode"], "6");
    if (event.Action === "destroy") break;
  }
  assert.deepEqual(seen, ["create", "start", "die", "destroy"]);
  // those of the past end by themselves
  const until = Math.floor(Date.now() / 1000) + 1;
  const past = await docker.getEvents({
    since,
    until,
    filters: { container: [container.id], event: ["die"] },
  });
  const died: number[] = [];
  for await (const event of objects<{ time: number }>(past)) died.push(event.time);
  assert.equal(died.length, 1);
});
