import assert from "node:assert/strict";
import { after, afterEach, test } from "node:test";
import { docker, IMAGE, LABELS, OURS, removeAll, shell, started, text } from "./docker.ts";

afterEach(removeAll);
after(async () => {
  await docker.pruneNetworks({ filters: OURS });
  await docker.pruneVolumes({ filters: { ...OURS, all: ["true"] } });
});

test("createNetwork, inspect, connect with an alias, resolve by name, disconnect, remove", async () => {
  const network = await docker.createNetwork({
    Name: `net-${process.pid}`,
    Driver: "bridge",
    Labels: LABELS,
    IPAM: { Driver: "default", Config: [{ Subnet: "10.93.7.0/24", Gateway: "10.93.7.1" }] },
  });
  const made = await network.inspect();
  assert.equal(made.Name, `net-${process.pid}`);
  assert.equal(made.IPAM?.Config?.[0]?.Subnet, "10.93.7.0/24");
  const server = await started("mkdir /www; echo served > /www/index.html; exec httpd -f -p 80 -h /www");
  await network.connect({
    Container: server.id,
    EndpointConfig: { Aliases: ["web"], IPAMConfig: { IPv4Address: "10.93.7.10" } },
  });
  const address = (await server.inspect()).NetworkSettings.Networks[`net-${process.pid}`];
  assert.equal(address?.IPAddress, "10.93.7.10");
  assert.ok(address?.Aliases?.includes("web"));
  assert.deepEqual(Object.keys((await network.inspect()).Containers ?? {}), [server.id]);
  const client = await docker.createContainer({
    Image: IMAGE,
    Cmd: ["sh", "-c", "until wget -q -O - http://web/; do sleep 0.1; done"],
    Labels: LABELS,
    Tty: true,
    HostConfig: { NetworkMode: `net-${process.pid}` },
  });
  const stream = await client.attach({ stream: true, stdout: true });
  const said = text(stream);
  await client.start();
  assert.match(await said, /served\r\n$/);
  await client.remove();
  await assert.rejects(network.remove(), { statusCode: 403 });
  await network.disconnect({ Container: server.id, Force: true });
  assert.deepEqual(Object.keys((await server.inspect()).NetworkSettings.Networks), ["bridge"]);
  await network.remove();
  await assert.rejects(network.inspect(), { statusCode: 404, reason: "no such network" });
  await server.remove({ force: true });
});

test("listNetworks and pruneNetworks with filters", async () => {
  await docker.createNetwork({ Name: `listed-${process.pid}`, Labels: LABELS });
  const rows = await docker.listNetworks({ filters: OURS });
  assert.deepEqual(
    rows.map(({ Name }) => Name),
    [`listed-${process.pid}`],
  );
  const builtin = await docker.listNetworks({ filters: { type: ["builtin"] } });
  assert.deepEqual(builtin.map(({ Name }) => Name).toSorted(), ["bridge", "host", "none"]);
  assert.deepEqual((await docker.pruneNetworks({ filters: OURS })).NetworksDeleted, [
    `listed-${process.pid}`,
  ]);
});

test("published ports answer on the host", async () => {
  const server = await started(
    "mkdir /www; echo published > /www/index.html; exec httpd -f -p 8080 -h /www",
    {
      ExposedPorts: { "8080/tcp": {} },
      HostConfig: { PortBindings: { "8080/tcp": [{ HostIp: "127.0.0.1", HostPort: "" }] } },
    },
  );
  const [binding] = (await server.inspect()).NetworkSettings.Ports["8080/tcp"] ?? [];
  assert.equal(binding?.HostIp, "127.0.0.1");
  const get = (): Promise<string> =>
    fetch(`http://127.0.0.1:${binding?.HostPort}/`).then(
      (response) => response.text(),
      () => "",
    );
  let page = "";
  while (page === "") page = await get();
  assert.equal(page, "published\n");
  const [row] = await docker.listContainers({ filters: { ...OURS, expose: ["8080/tcp"] } });
  assert.deepEqual(row?.Ports, [
    { IP: "127.0.0.1", PrivatePort: 8080, PublicPort: Number(binding?.HostPort), Type: "tcp" },
  ]);
  await server.remove({ force: true });
});

test("volumes: create, inspect, list, share, prune", async () => {
  const name = `volume-${process.pid}`;
  const made = await docker.createVolume({ Name: name, Labels: LABELS });
  assert.equal(made.name, name);
  const inspected = await docker.getVolume(name).inspect();
  assert.equal(inspected.Driver, "local");
  assert.equal(inspected.Scope, "local");
  assert.match(inspected.Mountpoint, new RegExp(`/volumes/${name}/_data$`));
  const use = async (script: string): Promise<string> => {
    const container = await shell(script, {
      Tty: true,
      HostConfig: { Binds: [`${name}:/data`], AutoRemove: true },
    });
    const stream = await container.attach({ stream: true, stdout: true });
    const said = text(stream);
    const removed = container.wait({ condition: "removed" });
    await container.start();
    await removed;
    return said;
  };
  await use("echo kept > /data/file");
  assert.equal(await use("cat /data/file"), "kept\r\n");
  const user = await shell("true", { HostConfig: { Binds: [`${name}:/data`] } });
  await assert.rejects(docker.getVolume(name).remove(), { statusCode: 409 });
  await user.remove();
  assert.deepEqual(
    (await docker.listVolumes({ filters: OURS })).Volumes.map(({ Name }) => Name),
    [name],
  );
  const pruned = await docker.pruneVolumes({ filters: { ...OURS, all: ["true"] } });
  assert.deepEqual(pruned.VolumesDeleted, [name]);
  await assert.rejects(docker.getVolume(name).inspect(), { statusCode: 404 });
});
