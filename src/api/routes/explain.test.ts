import { afterEach, beforeEach, expect, test } from "bun:test";
import { type Answer, ApiHost } from "../testing/api-host.ts";

let host: ApiHost;

beforeEach(async () => {
  host = await ApiHost.start();
});

afterEach(async () => {
  await host[Symbol.asyncDispose]();
});

const explain = async (name: string): Promise<unknown> => {
  const answer: Answer = await host.call("GET", `/containers/${name}/ports/explain`);
  expect(answer.status).toBe(200);
  return answer.json;
};

async function started(name: string, HostConfig: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const id = await host.create(name, { HostConfig });
  expect((await host.call("POST", `/containers/${name}/start`)).status).toBe(204);
  return id;
}

test("who reaches a port of a running container is told, in every network", async () => {
  await host.call("POST", "/networks/create", { Name: "front" });
  const id = await started("web", {
    PortBindings: { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "8080" }] },
  });
  await host.call("POST", "/networks/front/connect", { Container: "web" });
  expect(await explain("web")).toEqual({
    Id: id,
    Name: "web",
    Ports: expect.arrayContaining([
      {
        Port: "80/tcp",
        Network: "bridge",
        IPVersion: 4,
        From: "loopback",
        Reachable: true,
        By: ["127.0.0.1:8080"],
        Why: "published on 127.0.0.1",
      },
      {
        Port: "80/tcp",
        Network: "front",
        IPVersion: 4,
        From: "lan",
        Reachable: false,
        By: [],
        Why: "not published",
      },
    ]),
    Notes: ["network bridge has no IPv6", "network front has no IPv6"],
  });
});

test("what there is nothing to tell of is said", async () => {
  await started("web");
  await started("guest", { NetworkMode: "container:web" });
  await started("bare", { NetworkMode: "host" });
  await started("alone", { NetworkMode: "none" });
  await host.create("idle");
  const notes: [string, string][] = [
    ["web", "no port is exposed or published"],
    ["guest", "the container has the network of web"],
    ["bare", "the container has the host's own network"],
    ["alone", "the container is in no network"],
    ["idle", "the container does not run"],
  ];
  for (const [name, note] of notes)
    expect(await explain(name)).toMatchObject({
      Name: name,
      Ports: [],
      Notes: expect.arrayContaining([expect.stringContaining(note)]),
    });
  expect((await host.call("GET", "/containers/nosuch/ports/explain")).status).toBe(404);
});
