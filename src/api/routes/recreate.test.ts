import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { create } from "../../engine/containers/create.ts";
import { takeAllBack } from "../../engine/containers/recreate.ts";
import { start } from "../../engine/containers/start.ts";
import { stop } from "../../engine/containers/stop.ts";
import { decodeContainerCreate } from "../../specs/engine/container.decode.ts";
import { type Answer, ApiHost } from "../testing/api-host.ts";

let host: ApiHost;

beforeEach(async () => {
  host = await ApiHost.start();
});

afterEach(async () => {
  await host[Symbol.asyncDispose]();
});

const post = (path: string, body?: unknown): Promise<Answer> => host.call("POST", path, body);
const recreate = (name: string, body?: unknown): Promise<Answer> =>
  post(`/containers/${name}/recreate`, body);

const names = (): string[] => [...host.store.all()].map(({ name }) => name);
const networksOf = (id: string): unknown =>
  host.network.parts.networks.attachments(id).map(({ network, config }) => [network, config.Aliases]);

describe("recreate", () => {
  test("makes a container with the same name and wishes in the place of one that runs", async () => {
    await post("/networks/create", { Name: "front" });
    const old = await host.started("web", {
      Env: ["A=1", "B=2"],
      Labels: { a: "1" },
      HostConfig: {
        NetworkMode: "front",
        Binds: ["/tmp:/data"],
        PortBindings: { "80/tcp": [{ HostPort: "8080" }] },
      },
      NetworkingConfig: { EndpointsConfig: { front: { Aliases: ["www"] } } },
    });
    const before = host.store.find("web");
    const answer = await recreate("web", {
      Env: ["B=3", "C=4"],
      EnvRemove: ["A", "PATH"],
      Labels: { b: "2" },
    });
    expect(answer.status).toBe(201);
    const next = host.store.find("web");
    expect(answer.json).toEqual({ Id: next.id, Warnings: [] });
    expect(next.id).not.toBe(old);
    expect(names()).toEqual(["web"]);
    expect(next.state.status).toBe("running");
    expect(next.config.Env).toEqual(["B=3", "C=4"]);
    expect(next.config.Labels).toEqual({ a: "1", b: "2" });
    expect(next.record.host).toEqual(before.record.host);
    expect(host.stored("web").record).toEqual(next.record);
    expect(next.record.replaces).toBeUndefined();
    expect(networksOf(next.id)).toEqual([["front", ["www"]]]);
    expect(networksOf(old)).toEqual([]);
    expect(host.tasks.only().id).toBe(next.id);
    expect(host.actions().slice(2)).toEqual([
      "create",
      "kill",
      "die",
      "stop",
      "rename",
      "rename",
      "start",
      "destroy",
    ]);
  });

  test("leaves a stopped container stopped, and takes another image", async () => {
    host.images.add("other:2", { Cmd: ["run"], Env: ["PATH=/other"] });
    await host.create("web");
    expect(await recreate("web", { Image: "other:2" })).toMatchObject({ status: 201 });
    const next = host.store.find("web");
    expect(next.state.status).toBe("created");
    expect(next.config).toMatchObject({ Image: "other:2", Cmd: ["run"], Env: ["PATH=/other"] });
    expect(names()).toEqual(["web"]);
  });

  test("takes the image itself when its name is gone", async () => {
    await host.create("web");
    const { imageId } = host.store.find("web").record;
    await host.call("DELETE", "/images/busybox?force=1");
    host.images.add("kept");
    const answer = await recreate("web");
    expect(answer.status).toBe(404);
    expect(answer.text).toContain(imageId);
    expect(names()).toEqual(["web"]);
  });

  test("puts the old container back when the new one cannot start", async () => {
    const old = await host.started("web");
    host.tasks.failures.push(new Error("no room"));
    const answer = await recreate("web", { Env: ["A=1"] });
    expect(answer).toMatchObject({ status: 500 });
    expect(answer.text).toContain("cannot recreate container web: ");
    expect(answer.text).toContain("no room");
    expect(names()).toEqual(["web"]);
    expect(host.store.find("web")).toMatchObject({ id: old, state: { status: "running" } });
    expect(host.tasks.only().id).toBe(old);
  });

  test("keeps the volumes of the old container, and leaves none of a new one that could not start", async () => {
    host.images.add("more", { Cmd: ["run"], Volumes: { "/extra": {} } });
    await host.started("web", { Volumes: { "/data": {} } });
    const volumes = (): string[] => host.volumes.all().map(({ name }) => name);
    const [data = ""] = volumes();
    host.tasks.failures.push(new Error("no room"));
    expect(await recreate("web", { Image: "more" })).toMatchObject({ status: 500 });
    await host.volumes.settled();
    expect(volumes()).toEqual([data]);
    expect(await recreate("web", { Image: "more" })).toMatchObject({ status: 201 });
    const mounted = host.store.find("web").mounts.map(({ mount }) => [mount.destination, volumes().length]);
    expect(mounted).toEqual([
      ["/data", 2],
      ["/extra", 2],
    ]);
    expect(volumes()).toContain(data);
  });

  test("says so when the old one cannot be put back either, and keeps it", async () => {
    const old = await host.started("web");
    host.tasks.failures.push(new Error("no room"), new Error("still none"));
    const answer = await recreate("web");
    expect(answer.text).toContain("what it replaces cannot be put back: ");
    expect(answer.text).toContain("still none");
    expect(names()).toEqual(["web"]);
    expect(host.store.find("web")).toMatchObject({ id: old, state: { status: "exited" } });
  });

  test("refuses what nothing can take the place of, before anything is done", async () => {
    const id = await host.started("web");
    await host.create("side", { HostConfig: { NetworkMode: `container:${id}` } });
    await host.create("brief", { HostConfig: { AutoRemove: true } });
    await host.started("still");
    await post("/containers/still/pause");
    const cases: [string, unknown, number, string][] = [
      ["web", {}, 409, "container side shares its namespaces"],
      ["brief", {}, 409, "(--rm)"],
      ["still", {}, 409, "it is paused"],
      ["side", { Evn: [] }, 400, "there are Image, Env, EnvRemove, Labels"],
      ["side", { Env: ["A"] }, 400, "must be like NAME=value"],
      ["side", { EnvRemove: ["A=1"] }, 400, "must be a variable's name"],
      ["side", { Image: "nosuch" }, 404, "nosuch"],
      ["nosuch", {}, 404, "No such container: nosuch"],
    ];
    const before = host.actions().length;
    for (const [name, body, status, message] of cases) {
      const answer = await recreate(name, body);
      expect([name, answer.status, answer.text]).toEqual([name, status, expect.stringContaining(message)]);
    }
    expect(host.actions().length).toBe(before);
  });

  test("of one container is done once at a time: the second finds it gone", async () => {
    await host.started("web");
    const answers = await Promise.all([recreate("web"), recreate("web")]);
    expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([201, 409]);
    expect(names()).toEqual(["web"]);
  });
});

describe("a recreation that a crash broke off", () => {
  /** As far as `steps` says. */
  async function brokenOff(...steps: ("stop" | "swap" | "start")[]): Promise<string> {
    const id = await host.started("web");
    const old = host.store.find("web");
    const { Id } = await create(host.deps, "", decodeContainerCreate({ Image: "busybox" }), {
      signal: AbortSignal.timeout(5000),
      replaces: { id, name: "web", wasRunning: true },
    });
    const next = host.store.find(Id);
    if (steps.includes("stop")) await stop(host.deps, old, { signal: "", timeoutSeconds: undefined });
    await old.settling;
    if (steps.includes("swap")) host.store.swapNames(old, next);
    if (steps.includes("start")) await start(host.deps, next);
    expect(host.stored(Id).record.replaces).toEqual({ id, name: "web", wasRunning: true });
    return id;
  }

  for (const steps of [[], ["stop"], ["stop", "swap"], ["stop", "swap", "start"]] as const)
    test(`after ${["make", ...steps].at(-1) ?? ""} is taken back`, async () => {
      const id = await brokenOff(...steps);
      await takeAllBack(host.deps);
      expect(names()).toEqual(["web"]);
      expect(host.store.find("web")).toMatchObject({ id, state: { status: "running" } });
      expect(host.tasks.only().id).toBe(id);
    });

  test("after the old one was removed is done", async () => {
    const id = await brokenOff("stop", "swap", "start");
    const next = host.store.find("web");
    await host.call("DELETE", `/containers/${id}`);
    await takeAllBack(host.deps);
    expect(names()).toEqual(["web"]);
    expect(host.store.find("web")).toBe(next);
    expect(next.record.replaces).toBeUndefined();
    expect(next.state.status).toBe("running");
  });
});
