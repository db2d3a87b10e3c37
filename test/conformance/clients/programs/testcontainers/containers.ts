import assert from "node:assert/strict";
import { test } from "node:test";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { GenericContainer, getContainerRuntimeClient, Wait, type StartedTestContainer } from "testcontainers";

const IMAGE = "busybox:latest";
const FOREVER = ["sleep", "1000"];

async function sleeper(): Promise<StartedTestContainer> {
  return new GenericContainer(IMAGE).withCommand(FOREVER).start();
}

test("environment, working directory, user, hostname, labels and name reach the container", async () => {
  await using container = await new GenericContainer(IMAGE)
    .withName(`tc-${process.pid}`)
    .withEnvironment({ KEY: "value", EMPTY: "" })
    .withWorkingDir("/tmp")
    .withUser("1000:50")
    .withHostname("somebody")
    .withLabels({ "a.label": "its value" })
    .withCommand(FOREVER)
    .start();
  const { stdout, exitCode } = await container.exec([
    "sh",
    "-c",
    "echo $KEY $(pwd) $(id -u):$(id -g) $(hostname)",
  ]);
  assert.equal(exitCode, 0);
  assert.equal(stdout, "value /tmp 1000:50 somebody\n");
  assert.equal(container.getName(), `/tc-${process.pid}`);
  assert.equal(container.getLabels()["a.label"], "its value");
});

test("exec: output apart and together, exit code, directory, user, environment", async () => {
  await using container = await sleeper();
  const done = await container.exec(["sh", "-c", "echo out; sleep 0.1; echo err >&2; exit 3"]);
  assert.deepEqual(done, { output: "out\nerr\n", stdout: "out\n", stderr: "err\n", exitCode: 3 });
  const options = { workingDir: "/var", user: "user", env: { KEY: "value" } };
  assert.equal(
    (await container.exec(["sh", "-c", "echo $(pwd) $(id -un) $KEY"], options)).output,
    "/var user value\n",
  );
  const missing = await container.exec("no-such-program");
  assert.ok([126, 127].includes(missing.exitCode));
});

test("tmpfs, ulimits, resources, shared memory, capabilities and privilege", async () => {
  await using container = await new GenericContainer(IMAGE)
    .withTmpFs({ "/scratch": "rw,noexec,nosuid,size=1024k" })
    .withUlimits({ nofile: { hard: 1234, soft: 567 } })
    .withResourcesQuota({ memory: 0.0625, cpu: 0.5 })
    .withSharedMemorySize(8 << 20)
    .withAddedCapabilities("NET_ADMIN")
    .withDroppedCapabilities("CHOWN")
    .withCommand(FOREVER)
    .start();
  const say = async (script: string): Promise<string> =>
    (await container.exec(["sh", "-c", script])).output.trim();
  assert.match(
    await say("grep ' /scratch ' /proc/mounts"),
    /^tmpfs \/scratch tmpfs rw,nosuid.*noexec.*size=1024k/,
  );
  assert.equal(await say("ulimit -Sn; ulimit -Hn"), "567\n1234");
  assert.match(await say("grep ' /dev/shm ' /proc/mounts"), /size=8192k/);
  assert.match(await say("touch /tmp/f && chown 1 /tmp/f || echo refused"), /refused$/);
  assert.equal(await say("ip link set lo down && echo taken down"), "taken down");
  const client = await getContainerRuntimeClient();
  const { HostConfig } = await client.container.inspect(client.container.getById(container.getId()));
  assert.equal(HostConfig.Memory, 64 << 20);
  assert.equal(HostConfig.NanoCpus, 500_000_000);
  await using privileged = await new GenericContainer(IMAGE)
    .withPrivilegedMode()
    .withCommand(FOREVER)
    .start();
  assert.equal((await privileged.exec(["mount", "-t", "tmpfs", "tmpfs", "/tmp"])).exitCode, 0);
});

test("logs, and a consumer of them", async () => {
  const seen: string[] = [];
  await using container = await new GenericContainer(IMAGE)
    .withCommand(["sh", "-c", "echo first; echo second >&2; echo third; exec sleep 1000"])
    .withLogConsumer((stream) => stream.on("data", (line) => seen.push(String(line))))
    .withWaitStrategy(Wait.forLogMessage("third"))
    .start();
  const stream = await container.logs();
  let said = "";
  stream.on("data", (chunk) => {
    said += String(chunk);
  });
  while (!said.includes("third")) await once(stream, "data");
  stream.destroy();
  for (const line of ["first", "second", "third"]) {
    assert.ok(said.includes(line));
    assert.ok(seen.join("").includes(line));
  }
  const last = await container.logs({ tail: 1 });
  assert.match(String((await once(last, "data"))[0]), /third|second/);
  last.destroy();
});

test("restart keeps the container's files, stop and remove end it", async () => {
  const container = await new GenericContainer(IMAGE)
    .withExposedPorts(8080)
    .withCommand([
      "sh",
      "-c",
      "mkdir -p /www; echo page > /www/index.html; httpd -f -p 8080 -h /www & trap exit TERM; wait",
    ])
    .start();
  await container.exec(["touch", "/kept"]);
  await container.restart();
  assert.equal((await container.exec(["ls", "/kept"])).exitCode, 0);
  const page = await fetch(`http://${container.getHost()}:${container.getMappedPort(8080)}/`);
  assert.equal(await page.text(), "page\n");
  const client = await getContainerRuntimeClient();
  const stopped = await container.stop({ timeout: 10_000, remove: false });
  const handle = client.container.getById(stopped.getId());
  assert.equal((await client.container.inspect(handle)).State.Running, false);
  await client.container.remove(handle, { removeVolumes: true });
  await assert.rejects(client.container.inspect(handle), { statusCode: 404 });
});

test("reuse finds the same container again", async () => {
  const made = (): GenericContainer =>
    new GenericContainer(IMAGE)
      .withCommand(FOREVER)
      .withLabels({ reused: String(process.pid) })
      .withReuse();
  const first = await made().start();
  const second = await made().start();
  assert.equal(second.getId(), first.getId());
  await using other = await new GenericContainer(IMAGE).withCommand(["sleep", "1001"]).withReuse().start();
  assert.notEqual(other.getId(), first.getId());
  await first.stop();
});

test("commit makes an image of a container", async () => {
  await using container = await sleeper();
  await container.exec(["sh", "-c", "echo kept > /kept"]);
  const name = `tc-committed-${process.pid}`;
  const id = await container.commit({
    repo: name,
    tag: "1",
    changes: ["ENV COMMITTED=yes"],
    deleteOnExit: false,
  });
  assert.match(id, /^sha256:[0-9a-f]{64}$/);
  await using again = await new GenericContainer(`${name}:1`).withCommand(FOREVER).start();
  assert.equal((await again.exec(["sh", "-c", "cat /kept; echo $COMMITTED"])).output, "kept\nyes\n");
  await again.stop();
  const client = await getContainerRuntimeClient();
  await client.container.dockerode.getImage(`${name}:1`).remove({ force: true });
});

test("an image that is nowhere fails the start", async () => {
  const nowhere = new GenericContainer("127.0.0.1:9/no/such:image").withStartupTimeout(10_000);
  await assert.rejects(nowhere.start(), /127\.0\.0\.1:9|not found|no such image/i);
});

test("extra hosts are known by name", async () => {
  await using container = await new GenericContainer(IMAGE)
    .withExtraHosts([{ host: "a.friend", ipAddress: "10.9.8.7" }])
    .withCommand(["sh", "-c", "cat /etc/hosts; exec sleep 1000"])
    .withWaitStrategy(Wait.forLogMessage(/10\.9\.8\.7\s+a\.friend/))
    .start();
  const stream = await container.copyArchiveFromContainer("/etc/hosts");
  assert.match(await text(stream), /10\.9\.8\.7\s+a\.friend/);
});
