import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { networkSettings, NO_SANDBOX } from "../../engine/networks/endpoint-documents.ts";
import { membershipsOf } from "../../engine/networks/places.ts";
import type { NetworkSettings } from "../../specs/engine/container.ts";
import { until } from "../../../test/support/until.ts";
import { ApiHost, type Answer } from "../testing/api-host.ts";

let host: ApiHost;

beforeEach(async () => {
  host = await ApiHost.start();
});

afterEach(async () => {
  await host[Symbol.asyncDispose]();
});

const post = (path: string, body?: unknown): Promise<Answer> => host.call("POST", path, body);

/** As the engine shows them; that the API does is one test's matter. */
function settings(name: string): NetworkSettings {
  const { id } = host.store.find(name);
  return networkSettings(membershipsOf(host.network.parts.networks, id), NO_SANDBOX);
}

async function started(name: string, more: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const id = await host.create(name, { HostConfig: {}, ...more });
  expect(await post(`/containers/${name}/start`)).toMatchObject({ status: 204 });
  return id;
}

const stop = (name: string): Promise<Answer> => post(`/containers/${name}/stop`);

const networkEvents = (): string[] =>
  host.published
    .filter(({ Type }) => Type === "network")
    .map(({ Action, Actor }) => `${Action} ${Actor.Attributes["name"] ?? ""}`);

describe("networks", () => {
  test("one is made, shown, listed and removed", async () => {
    const made = await post("/networks/create", { Name: "front", Labels: { a: "b" }, EnableIPv6: true });
    expect(made.status).toBe(201);
    const id = host.network.idOf("front");
    expect(made.json).toEqual({ Id: id, Warning: "" });
    expect((await host.call("GET", "/networks/front")).json).toMatchObject({
      Id: id,
      Driver: "bridge",
      EnableIPv6: true,
      IPAM: {
        Config: [
          { Subnet: "172.18.0.0/16", Gateway: "172.18.0.1" },
          { Subnet: expect.stringMatching(/^fd[0-9a-f:]+::\/64$/) },
        ],
      },
      Labels: { a: "b" },
      Containers: {},
    });
    expect((await host.call("DELETE", "/networks/front")).status).toBe(204);
    expect((await host.call("GET", "/networks/front")).status).toBe(404);
    expect(networkEvents()).toEqual(["create front", "destroy front"]);
    expect(host.network.deeds.slice(-4)).toEqual([
      "raise front",
      "apply firewall",
      "lower front",
      "apply firewall",
    ]);
  });

  test("one that the kernel refuses is not there, and its subnet is free again", async () => {
    host.network.failing = "raise front";
    expect((await post("/networks/create", { Name: "front" })).status).toBe(500);
    host.network.failing = "";
    expect((await host.call("GET", "/networks/front")).status).toBe(404);
    await post("/networks/create", { Name: "other" });
    expect((await host.call("GET", "/networks/other")).text).toContain("172.18.0.0/16");
  });

  test("names are taken once, and one in use stays", async () => {
    await post("/networks/create", { Name: "front" });
    expect(await post("/networks/create", { Name: "front" })).toMatchObject({ status: 409 });
    await started("web", { HostConfig: { NetworkMode: "front" } });
    const refused = await host.call("DELETE", "/networks/front");
    expect(refused.status).toBe(403);
    expect(refused.text).toContain(`network front has active endpoints (name:\\"web\\"`);
    await stop("web");
    expect((await host.call("DELETE", "/networks/front")).status).toBe(204);
  });

  test("prune takes those that nobody asks for", async () => {
    for (const Name of ["used", "idle", "kept"])
      await post("/networks/create", { Name, Labels: Name === "kept" ? { keep: "" } : {} });
    await host.create("web", { HostConfig: { NetworkMode: "used" } });
    const filters = encodeURIComponent(JSON.stringify({ "label!": ["keep"] }));
    const dry = await post(`/networks/prune?dry-run=1&filters=${filters}`);
    expect(dry.json).toEqual({ NetworksDeleted: ["idle"] });
    expect((await post(`/networks/prune?filters=${filters}`)).json).toEqual({ NetworksDeleted: ["idle"] });
  });
});

describe("a container in networks", () => {
  test("is on the bridge unless it says otherwise, with an address while it runs", async () => {
    await started("web");
    expect(settings("web").Networks).toMatchObject({
      bridge: {
        IPAddress: "172.17.0.2",
        Gateway: "172.17.0.1",
        MacAddress: "02:42:ac:11:00:02",
        NetworkID: host.network.idOf("bridge"),
        DNSNames: null,
      },
    });
    expect(host.network.deeds).toContain("attach eth0 bridge default");
    expect((await host.call("GET", "/containers/web/json")).json).toMatchObject({
      HostConfig: { NetworkMode: "bridge" },
      NetworkSettings: { IPAddress: "172.17.0.2", Networks: { bridge: { IPPrefixLen: 16 } } },
    });
    await started("web2");
    expect(settings("web2").Networks["bridge"]?.IPAddress).toBe("172.17.0.3");
    await stop("web");
    expect(settings("web").Networks["bridge"]?.IPAddress).toBe("");
    await started("web3");
    expect(settings("web3").Networks["bridge"]?.IPAddress).toBe("172.17.0.2");
  });

  test("comes and goes in Docker's order of events", async () => {
    await started("web");
    await stop("web");
    expect(host.published.map(({ Type, Action }) => `${Type} ${Action}`)).toEqual([
      "container create",
      "network connect",
      "container start",
      "container kill",
      "network disconnect",
      "container die",
      "container stop",
    ]);
  });

  test("has its files written with its addresses", async () => {
    const id = await started("web", { HostConfig: { ExtraHosts: ["gate:host-gateway"] } });
    const hosts = readFileSync(`${host.directory}/containers/${id}/hosts`, "utf8");
    expect(hosts).toEndWith(
      `172.17.0.1\tgate\n172.17.0.1\thost.docker.internal\n172.17.0.2\t${id.slice(0, 12)}\n`,
    );
    expect(readFileSync(`${host.directory}/containers/${id}/resolv.conf`, "utf8")).toContain(
      "nameserver 192.0.2.53\n",
    );
  });

  test("asks the name server of a user's network, which knows its members", async () => {
    await post("/networks/create", { Name: "front" });
    const wishes = { EndpointsConfig: { front: { Aliases: ["shop"] } } };
    const id = await started("web", { HostConfig: { NetworkMode: "front" }, NetworkingConfig: wishes });
    expect(readFileSync(`${host.directory}/containers/${id}/resolv.conf`, "utf8")).toContain("127.0.0.11");
    const names = host.network.views.get(id)?.().networks[0]?.addresses;
    expect([...(names?.keys() ?? [])]).toEqual(["web", "shop", id.slice(0, 12)]);
    await stop("web");
    expect(host.network.views.has(id)).toBe(false);
  });

  test("starts in a network that is made after it, and not without", async () => {
    await host.create("web", { HostConfig: { NetworkMode: "later" } });
    expect(await post("/containers/web/start")).toMatchObject({
      status: 404,
      json: { message: "network later not found" },
    });
    await post("/networks/create", { Name: "later" });
    expect((await post("/containers/web/start")).status).toBe(204);
    expect(settings("web").Networks["later"]?.IPAddress).toBe("172.18.0.2");
  });

  test("gives everything back when its start fails", async () => {
    host.network.failing = "attach";
    await host.create("web", { HostConfig: { PortBindings: { "80/tcp": [{ HostPort: "8080" }] } } });
    expect((await post("/containers/web/start")).status).toBe(500);
    host.network.failing = "";
    expect(host.network.parts.networks.endpoints()).toEqual([]);
    expect(host.network.firewall.publications).toEqual([]);
    expect((await post("/containers/web/start")).status).toBe(204);
    expect(settings("web").Networks["bridge"]?.IPAddress).toBe("172.17.0.2");
  });

  test("may have an address, and no other may", async () => {
    await post("/networks/create", { Name: "front", IPAM: { Config: [{ Subnet: "10.5.0.0/24" }] } });
    const at = (IPv4Address: string) => ({
      HostConfig: { NetworkMode: "front" },
      NetworkingConfig: { EndpointsConfig: { front: { IPAMConfig: { IPv4Address } } } },
    });
    await started("web", at("10.5.0.2"));
    await host.create("twin", at("10.5.0.2"));
    expect(await post("/containers/twin/start")).toMatchObject({
      status: 403,
      json: { message: "Address already in use" },
    });
    const outside = await post("/containers/create", { Image: "busybox", ...at("10.6.0.2") });
    expect(outside.status).toBe(400);
    expect(outside.text).toContain("no configured subnet or ip-range contain the IP address 10.6.0.2");
  });
});

test("a running container that is renamed is found by its new name alone", async () => {
  await post("/networks/create", { Name: "front" });
  const id = await started("web", { HostConfig: { NetworkMode: "front" } });
  await post("/containers/web/rename?name=shop");
  const names = host.network.views.get(id)?.().networks[0]?.addresses;
  expect([...(names?.keys() ?? [])]).toEqual(["shop", id.slice(0, 12)]);
});

describe("published ports", () => {
  const publish = (HostPort: string) => ({
    HostConfig: { PortBindings: { "80/tcp": [{ HostIp: "", HostPort }] } },
  });

  test("lead to the container as long as it runs", async () => {
    await started("web", publish("8080"));
    expect(settings("web").Ports).toEqual({
      "80/tcp": [
        { HostIp: "0.0.0.0", HostPort: "8080" },
        { HostIp: "::", HostPort: "8080" },
      ],
    });
    expect(host.network.firewall.publications).toEqual([
      {
        protocol: "tcp",
        hostIp: "0.0.0.0",
        hostPort: 8080,
        containerIp: "172.17.0.2",
        containerPort: 80,
        bridge: "gantry0",
      },
    ]);
    // The container has no IPv6, so a program takes what comes by IPv6 to it.
    expect(host.network.deeds).toContain("forward to port 80");
    expect([...((await host.store.find("web").task?.kept())?.keys() ?? [])]).toEqual(["forwarder"]);
    await stop("web");
    await host.store.find("web").settling;
    expect(host.network.firewall.publications).toEqual([]);
  });

  test("clash before anything runs", async () => {
    await started("web", publish("8080"));
    await host.create("twin", publish("8080"));
    const refused = await post("/containers/twin/start");
    expect(refused.text).toContain("Bind for 0.0.0.0:8080 failed: port is already allocated");
    host.network.taken.add("tcp/9090");
    await host.create("third", publish("9090"));
    expect((await post("/containers/third/start")).text).toContain(
      "failed to bind host port for 0.0.0.0:9090:172.17.0.3:80/tcp: address already in use",
    );
    expect(host.network.parts.networks.endpoints()).toHaveLength(1);
    expect(
      (await host.call("GET", "/containers/json?filters=%7B%22publish%22%3A%5B%228080%22%5D%7D")).json,
    ).toHaveLength(1);
  });

  test("one that is asked for twice is two", async () => {
    const twice = { "80/tcp": [{ HostPort: "" }, { HostPort: "" }] };
    await started("web", { HostConfig: { PortBindings: twice } });
    expect(settings("web").Ports["80/tcp"]).toHaveLength(4);
    await host.create("fixed", {
      HostConfig: { PortBindings: { "80/tcp": [{ HostPort: "8080" }, { HostPort: "8080" }] } },
    });
    expect((await post("/containers/fixed/start")).text).toContain("port is already allocated");
  });

  test("go around those that are taken when there is a choice", async () => {
    await started("web", publish("8080-8081"));
    await started("twin", publish("8080-8081"));
    expect(settings("twin").Ports).toMatchObject({ "80/tcp": [{ HostPort: "8081" }, { HostPort: "8081" }] });
  });
});

test("who is told of a container's end can have its ports", async () => {
  const published = { HostConfig: { PortBindings: { "80/tcp": [{ HostPort: "8080" }] } } };
  await started("web", published);
  const gate = Promise.withResolvers<void>();
  host.network.firewallGate = gate.promise;
  let isTold = false;
  const removed = host.call("DELETE", "/containers/web?force=1").finally(() => {
    isTold = true;
  });
  const { id } = host.store.find("web");
  await until("the process to end", () => host.store.get(id)?.task === undefined);
  await Bun.sleep(20);
  expect(isTold).toBe(false);
  gate.resolve();
  await removed;
  await started("next", published);
});

describe("connect and disconnect", () => {
  beforeEach(async () => {
    await post("/networks/create", { Name: "front" });
  });

  test("a running container", async () => {
    const id = await started("web");
    expect((await post("/networks/front/connect", { Container: "web" })).status).toBe(200);
    expect(settings("web").Networks["front"]?.IPAddress).toBe("172.18.0.2");
    expect(host.network.deeds.at(-1)).toBe("attach eth1 front");
    expect(host.network.views.has(id)).toBe(true);
    const files = `${host.directory}/containers/${id}`;
    expect(readFileSync(`${files}/hosts`, "utf8")).toEndWith(`172.18.0.2\t${id.slice(0, 12)}\n`);
    expect(readFileSync(`${files}/resolv.conf`, "utf8")).toContain("127.0.0.11");
    expect(await post("/networks/front/connect", { Container: "web" })).toMatchObject({ status: 403 });

    expect((await post("/networks/bridge/disconnect", { Container: "web" })).status).toBe(200);
    expect(host.network.deeds.slice(-2)).toEqual(["detach eth0 bridge", "route eth1"]);
    expect(Object.keys(settings("web").Networks)).toEqual(["front"]);
    expect(readFileSync(`${files}/hosts`, "utf8")).not.toContain("172.17.0.2");
    expect(networkEvents()).toEqual(["create front", "connect bridge", "connect front", "disconnect bridge"]);
  });

  test("a list tells what has changed since the last one", async () => {
    const listed = async (): Promise<unknown> => {
      const { json } = await host.call("GET", "/containers/json");
      const [row = {}]: {
        Names?: string[];
        NetworkSettings?: { Networks: Record<string, { IPAddress: string }> };
      }[] = JSON.parse(JSON.stringify(json));
      const networks = Object.entries(row.NetworkSettings?.Networks ?? {});
      return [row.Names, networks.map(([name, { IPAddress }]) => `${name} ${IPAddress}`)];
    };
    await started("web");
    expect(await listed()).toEqual([["/web"], ["bridge 172.17.0.2"]]);
    await post("/networks/front/connect", { Container: "web" });
    expect(await listed()).toEqual([["/web"], ["bridge 172.17.0.2", "front 172.18.0.2"]]);
    await post("/networks/bridge/disconnect", { Container: "web" });
    expect(await listed()).toEqual([["/web"], ["front 172.18.0.2"]]);
    await host.call("POST", "/containers/web/rename?name=site");
    expect(await listed()).toEqual([["/site"], ["front 172.18.0.2"]]);
    await host.call("POST", "/containers/site/stop");
    const { json } = await host.call("GET", "/containers/json?all=1");
    expect(JSON.stringify(json)).toContain('"IPAddress":""');
  });

  test("names are asked for in the order in which packets would leave", async () => {
    await post("/networks/create", { Name: "back" });
    const id = await started("web", { HostConfig: { NetworkMode: "front" } });
    await post("/networks/back/connect", { Container: "web" });
    const order = () =>
      host.network.views
        .get(id)?.()
        .networks.map(({ name }) => name);
    expect(order()).toEqual(["back", "front"]);
    await post("/networks/back/disconnect", { Container: "web" });
    await post("/networks/back/connect", { Container: "web", EndpointConfig: { GwPriority: -1 } });
    expect(order()).toEqual(["front", "back"]);
  });

  test("published ports follow the way out", async () => {
    await started("web", { HostConfig: { PortBindings: { "80/tcp": [{ HostPort: "8080" }] } } });
    await post("/networks/front/connect", { Container: "web", EndpointConfig: { GwPriority: 5 } });
    expect(host.network.firewall.publications).toMatchObject([{ hostPort: 8080, containerIp: "172.18.0.2" }]);
    await post("/networks/front/disconnect", { Container: "web" });
    expect(host.network.firewall.publications).toMatchObject([{ hostPort: 8080, containerIp: "172.17.0.2" }]);
  });

  test("one that fails late takes the ports back to where they were", async () => {
    await started("web", { HostConfig: { PortBindings: { "80/tcp": [{ HostPort: "8080" }] } } });
    host.network.failing = "forward";
    const wish = { Container: "web", EndpointConfig: { GwPriority: 5 } };
    expect((await post("/networks/front/connect", wish)).status).toBe(500);
    host.network.failing = "";
    expect(host.network.firewall.publications).toMatchObject([{ hostPort: 8080, containerIp: "172.17.0.2" }]);
    expect(Object.keys(settings("web").Networks)).toEqual(["bridge"]);
    expect((await post("/containers/web/restart")).status).toBe(204);
  });

  test("one that is in no network any more leaves nothing behind it", async () => {
    const id = await started("web", { HostConfig: { NetworkMode: "front" } });
    await post("/networks/front/disconnect", { Container: "web" });
    expect(host.network.views.has(id)).toBe(true);
    await stop("web");
    await host.store.find("web").settling;
    expect(host.network.views.has(id)).toBe(false);
  });

  test("published ports of a version of IP without a way out are anybody's", async () => {
    await post("/networks/create", { Name: "six", EnableIPv6: true });
    const ports = { PortBindings: { "80/tcp": [{ HostPort: "8080" }] } };
    const id = await started("web", { HostConfig: { NetworkMode: "six", ...ports } });
    expect(host.network.firewall.publications).toHaveLength(2);
    await post("/networks/front/connect", { Container: "web" });
    await post("/networks/six/disconnect", { Container: "web" });
    expect(host.network.firewall.publications).toMatchObject([
      { hostIp: "0.0.0.0", containerIp: "172.18.0.2" },
    ]);
    await post("/networks/front/disconnect", { Container: "web" });
    expect(host.network.firewall.publications).toEqual([]);
    expect(host.store.find("web").task?.id).toBe(id);
    await started("other", { HostConfig: { NetworkMode: "six", ...ports } });
  });

  test.each(["connect", "disconnect"])(
    "%s of a container that ends meanwhile takes nothing from who comes next",
    async (verb) => {
      const id = await started("web");
      if (verb === "disconnect") await post("/networks/front/connect", { Container: "web" });
      host.network.meanwhile = async () => {
        host.network.meanwhile = () => Promise.resolve();
        const { task } = host.store.find("web");
        host.tasks.running.get(id)?.exit(0);
        await task?.exited;
        await host.store.find("web").settling;
        await started("next", { HostConfig: { NetworkMode: "front" } });
        if (verb === "connect") throw new Error("it has ended");
      };
      await post(`/networks/front/${verb}`, { Container: "web" });
      const third = await started("third", { HostConfig: { NetworkMode: "front" } });
      expect(third).toHaveLength(64);
      const addresses = ["next", "third"].map((name) => settings(name).Networks["front"]?.IPAddress);
      expect(addresses).toEqual(["172.18.0.2", "172.18.0.3"]);
    },
  );

  test("one that fails leaves all as it was", async () => {
    await started("web");
    host.network.failing = "attach eth1";
    expect((await post("/networks/front/connect", { Container: "web" })).status).toBe(500);
    host.network.failing = "";
    expect(Object.keys(settings("web").Networks)).toEqual(["bridge"]);
    expect((await host.call("DELETE", "/networks/front")).status).toBe(204);
  });

  test("a container that does not run, for its next start", async () => {
    await host.create("web", { HostConfig: {} });
    await post("/networks/front/connect", { Container: "web", EndpointConfig: { Aliases: ["shop"] } });
    expect(networkEvents()).toEqual(["create front"]);
    await post("/containers/web/start");
    expect(Object.keys(settings("web").Networks)).toEqual(["bridge", "front"]);
    expect(settings("web").Networks["front"]?.DNSNames).toContain("shop");
    await stop("web");
    expect((await post("/networks/front/disconnect", { Container: "web" })).status).toBe(200);
    const again = await post("/networks/front/disconnect", { Container: "web" });
    expect(again).toMatchObject({ status: 403 });
    expect(again.text).toContain("is not connected to the network front");
    expect((await post("/networks/front/disconnect", { Container: "gone", Force: true })).status).toBe(403);
  });

  test("host and none exclude others", async () => {
    await started("web", { HostConfig: { NetworkMode: "none" } });
    expect((await post("/networks/front/connect", { Container: "web" })).text).toContain(
      "private (none) mode",
    );
    expect((await post("/networks/host/connect", { Container: "web" })).status).toBe(400);
  });
});

test("a container in another's network has its files, and leaves nothing behind it", async () => {
  const id = await started("web");
  const guest = await started("guest", { HostConfig: { NetworkMode: "container:web" } });
  expect(host.store.find("guest").host.NetworkMode).toBe(`container:${id}`);
  expect(settings("guest").Networks).toEqual({});
  await stop("web");
  await host.store.find("web").settling;
  expect(host.network.deeds.at(-1)).toBe("detach eth0 bridge");
  expect(host.store.find("guest").task?.id).toBe(guest);
  const refused = await post("/containers/create", {
    Image: "busybox",
    HostConfig: { NetworkMode: "container:guest", PortBindings: { "80/tcp": [] } },
  });
  expect(refused.text).toContain("conflicting options: port publishing and the container type network mode");
});

test("legacy links name their targets in the hosts file", async () => {
  const db = await started("db");
  const id = await started("web", { HostConfig: { Links: ["db:store"] } });
  expect(readFileSync(`${host.directory}/containers/${id}/hosts`, "utf8")).toContain(
    `172.17.0.2\tstore ${db.slice(0, 12)} db\n`,
  );
  expect((await host.call("GET", "/containers/web/json")).json).toMatchObject({
    HostConfig: { Links: ["/db:/web/store"] },
  });
  const refused = await host.call("DELETE", "/containers/web?link=1");
  expect([refused.status, refused.text]).toEqual([
    409,
    '{"message":"Conflict, cannot remove the default link name of the container"}\n',
  ]);
  await stop("db");
  await started("thief");
  await post("/containers/db/start");
  expect(readFileSync(`${host.directory}/containers/${id}/hosts`, "utf8")).toEndWith(
    `172.17.0.4\tstore ${db.slice(0, 12)} db\n`,
  );
  for (const path of ["web/other", "nobody/store", "db/store"])
    expect((await host.call("DELETE", `/containers/${path}?link=1`)).text).toContain(
      `No such container: ${path}`,
    );
  expect((await host.call("DELETE", "/containers/web/store")).status).toBe(404);
  await host.create("twice", { HostConfig: { Links: ["db:one", "db:two"] } });
  expect((await host.call("DELETE", "/containers/twice%2Fone?link=1")).status).toBe(204);
  expect(host.stored("twice").host.Links).toEqual(["db:two"]);
  expect((await host.call("DELETE", "/containers/web/store?link=1")).status).toBe(204);
  expect(readFileSync(`${host.directory}/containers/${id}/hosts`, "utf8")).not.toContain("store");
  expect((await host.call("GET", "/containers/web/json")).json).toMatchObject({
    HostConfig: { Links: null },
  });
  expect((await host.call("GET", "/containers/db/json")).status).toBe(200);
  await stop("db");
  await host.create("late", { HostConfig: { Links: ["db:store"] } });
  expect((await post("/containers/late/start")).text).toContain(
    "Cannot link to a non running container: /db AS /late/store",
  );
});
