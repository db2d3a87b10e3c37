import assert from "node:assert/strict";
import { test } from "node:test";
import {
  GenericContainer,
  getContainerRuntimeClient,
  LABEL_TESTCONTAINERS_SESSION_ID,
  Wait,
} from "testcontainers";

const IMAGE = "busybox:latest";
const SERVE = "mkdir -p /www; echo page > /www/index.html; exec httpd -f -p 8080 -h /www";

/** A server that opens its port a moment after its start. */
function server(): GenericContainer {
  return new GenericContainer(IMAGE).withCommand(["sh", "-c", `sleep 0.5; ${SERVE}`]).withExposedPorts(8080);
}

test("for listening ports, which is the default", async () => {
  await using container = await server().start();
  const page = await fetch(`http://${container.getHost()}:${container.getFirstMappedPort()}/`);
  assert.equal(await page.text(), "page\n");
});

test("for a log message, also one that is to come twice", async () => {
  await using container = await new GenericContainer(IMAGE)
    .withCommand(["sh", "-c", "echo ready; sleep 0.3; echo ready; touch /twice; exec sleep 1000"])
    .withWaitStrategy(Wait.forLogMessage("ready", 2))
    .start();
  assert.equal((await container.exec(["sh", "-c", "until test -e /twice; do sleep 0.05; done"])).exitCode, 0);
});

test("for HTTP, its status and what it says", async () => {
  await using container = await server()
    .withWaitStrategy(
      Wait.forHttp("/", 8080)
        .forStatusCode(200)
        .forResponsePredicate((body) => body === "page\n"),
    )
    .start();
  assert.ok(container.getMappedPort(8080) > 0);
});

test("for a health check that it brings", async () => {
  await using container = await new GenericContainer(IMAGE)
    .withCommand(["sh", "-c", "sleep 0.3; touch /well; exec sleep 1000"])
    .withHealthCheck({ test: ["CMD-SHELL", "test -e /well"], interval: 200, timeout: 5000, retries: 50 })
    .withWaitStrategy(Wait.forHealthCheck())
    .start();
  assert.equal((await container.exec(["ls", "/well"])).exitCode, 0);
});

test("for a command that succeeds", async () => {
  await using container = await new GenericContainer(IMAGE)
    .withCommand(["sh", "-c", "sleep 0.3; touch /done; exec sleep 1000"])
    .withWaitStrategy(Wait.forSuccessfulCommand("test -e /done"))
    .start();
  assert.equal((await container.exec(["ls", "/done"])).exitCode, 0);
});

test("for one that is to end", async () => {
  const container = await new GenericContainer(IMAGE)
    .withCommand(["sh", "-c", "sleep 0.2; exit 0"])
    .withWaitStrategy(Wait.forOneShotStartup())
    .start();
  await container.stop();
  const failing = new GenericContainer(IMAGE)
    .withCommand(["sh", "-c", "exit 4"])
    .withWaitStrategy(Wait.forOneShotStartup());
  await assert.rejects(failing.start(), /exited with code 4|failed/i);
});

test("for several things at once", async () => {
  await using container = await new GenericContainer(IMAGE)
    .withCommand(["sh", "-c", `echo soon; ${SERVE}`])
    .withExposedPorts(8080)
    .withWaitStrategy(Wait.forAll([Wait.forLogMessage("soon"), Wait.forListeningPorts()]))
    .start();
  assert.ok(container.getFirstMappedPort() > 0);
});

test("in vain: the start fails after its time, and nothing is left", async () => {
  const label = { "waited-in-vain": String(process.pid) };
  const never = new GenericContainer(IMAGE)
    .withLabels(label)
    .withCommand(["sh", "-c", "trap 'exit' TERM; while :; do sleep 0.1; done"])
    .withExposedPorts(8080)
    .withStartupTimeout(1000);
  await assert.rejects(never.start(), /Port .* not bound after 1000ms/);
  const client = await getContainerRuntimeClient();
  const left = await client.container.dockerode.listContainers({
    all: true,
    filters: { label: [`waited-in-vain=${process.pid}`] },
  });
  assert.deepEqual(left, []);
});

test("what it starts carries the session's label", async () => {
  await using container = await server().start();
  assert.match(container.getLabels()[LABEL_TESTCONTAINERS_SESSION_ID] ?? "", /^[0-9a-f]+$/);
});
