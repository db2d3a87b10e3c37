import assert from "node:assert/strict";
import { test } from "node:test";
import { GenericContainer, Network, Wait } from "testcontainers";

const IMAGE = "busybox:latest";
const SERVE = ["sh", "-c", "mkdir -p /www; echo page > /www/index.html; exec httpd -f -p 8080 -h /www"];

test("containers of a network reach each other by alias", async () => {
  await using network = await new Network().start();
  await using server = await new GenericContainer(IMAGE)
    .withNetwork(network)
    .withNetworkAliases("web", "www")
    .withCommand(SERVE)
    .withExposedPorts(8080)
    .start();
  await using client = await new GenericContainer(IMAGE)
    .withNetwork(network)
    .withCommand(["sleep", "1000"])
    .start();
  for (const alias of ["web", "www"]) {
    const { output, exitCode } = await client.exec(["wget", "-q", "-O", "-", `http://${alias}:8080/`]);
    assert.deepEqual([output, exitCode], ["page\n", 0]);
  }
  assert.ok(server.getNetworkNames().includes(network.getName()));
  assert.equal(server.getNetworkId(network.getName()), network.getId());
  const { output } = await client.exec([
    "wget",
    "-q",
    "-O",
    "-",
    `http://${server.getIpAddress(network.getName())}:8080/`,
  ]);
  assert.equal(output, "page\n");
});

test("network modes: none and another container's", async () => {
  await using alone = await new GenericContainer(IMAGE)
    .withNetworkMode("none")
    .withCommand(["sleep", "1000"])
    .start();
  assert.equal((await alone.exec(["ls", "/sys/class/net"])).output.trim(), "lo");
  await using server = await new GenericContainer(IMAGE).withCommand(SERVE).withExposedPorts(8080).start();
  await using beside = await new GenericContainer(IMAGE)
    .withNetworkMode(`container:${server.getId()}`)
    .withCommand(["sleep", "1000"])
    .start();
  assert.equal((await beside.exec(["wget", "-q", "-O", "-", "http://127.0.0.1:8080/"])).output, "page\n");
});

test("fixed and UDP ports are published", async () => {
  await using container = await new GenericContainer(IMAGE)
    .withCommand(["sh", "-c", "echo up; exec sleep 1000"])
    .withExposedPorts({ container: 8080, host: 18_473 }, "5353/udp")
    .withWaitStrategy(Wait.forLogMessage("up"))
    .start();
  assert.equal(container.getMappedPort(8080), 18_473);
  assert.ok(container.getMappedPort("5353/udp") > 0);
});
