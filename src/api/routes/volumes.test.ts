import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ApiHost } from "../testing/api-host.ts";

let host: ApiHost;

beforeEach(async () => {
  host = await ApiHost.start();
});

afterEach(async () => {
  await host.volumes.settled();
  await host[Symbol.asyncDispose]();
});

const events = (): readonly unknown[] =>
  host.published
    .filter(({ Type }) => Type === "volume")
    .map(({ Action, Actor }) => [Action, Actor.ID, Actor.Attributes]);
const make = (Name: string, fields: Readonly<Record<string, unknown>> = {}) =>
  host.call("POST", "/v1.51/volumes/create", { Name, ...fields });
const list = async (filters: Readonly<Record<string, readonly string[]>>): Promise<readonly string[]> => {
  const answer = await host.call("GET", `/volumes?filters=${encodeURIComponent(JSON.stringify(filters))}`);
  return [...answer.text.matchAll(/"Name":"([^"]+)"/g)].map(([, name = ""]) => name);
};
const path = (name: string): string => join(host.directory, "volumes", name, "_data");

/** A container with `mounts`, as its request says. */
const container = (name: string, fields: Readonly<Record<string, unknown>>, more = {}): Promise<string> =>
  host.create(name, { HostConfig: { NetworkMode: "none", ...fields }, ...more });

test("create answers with the volume, as inspect and list do", async () => {
  const document = {
    CreatedAt: "2026-11-28T23:00:56Z",
    Driver: "local",
    Labels: { a: "b" },
    Mountpoint: path("data"),
    Name: "data",
    Options: null,
    Scope: "local",
  };
  const created = await make("data", { Labels: { a: "b" } });
  expect([created.status, created.json]).toEqual([201, document]);
  expect(Object.keys(Object(created.json))).toEqual(Object.keys(document));
  expect((await host.call("GET", "/volumes/data")).json).toEqual(document);
  expect((await host.call("GET", "/volumes")).json).toEqual({ Volumes: [document], Warnings: null });
  expect((await make("data")).json).toEqual(document);
  expect(events()).toEqual([["create", "data", { driver: "local" }]]);
});

test("create refuses in Docker's words and with its status numbers", async () => {
  const refused: readonly (readonly [string, Readonly<Record<string, unknown>>, number, string])[] = [
    ["a", {}, 400, "create a: volume name is too short"],
    ["v1", { Driver: "nope" }, 404, 'plugin \\"nope\\" not found'],
    ["v1", { DriverOpts: { foo: "x" } }, 400, 'create v1: invalid option: \\"foo\\"'],
    ["v1", { ClusterVolumeSpec: {} }, 503, "swarm manager"],
    ["v1", { Labels: "x" }, 400, "Labels"],
  ];
  for (const [name, fields, status, text] of refused) {
    const answer = await make(name, fields);
    expect([answer.status, answer.text]).toEqual([status, expect.stringContaining(text)]);
  }
  expect(await list({})).toEqual([]);
});

test("list filters by use, driver, label and name", async () => {
  await make("data", { Labels: { a: "b" } });
  await make("other");
  await container("web", { Binds: ["data:/data"] });
  expect(await list({ dangling: ["true"] })).toEqual(["other"]);
  expect(await list({ dangling: ["0"] })).toEqual(["data"]);
  expect(await list({ label: ["a=b"] })).toEqual(["data"]);
  expect(await list({ name: ["the"] })).toEqual(["other"]);
  expect(await list({ driver: ["nope"] })).toEqual([]);
  for (const [filters, message] of [
    ['{"x":{}}', "invalid filter 'x'"],
    ['{"dangling":["maybe"]}', "invalid filter 'dangling=[maybe]'"],
  ] as const) {
    const answer = await host.call("GET", `/volumes?filters=${encodeURIComponent(filters)}`);
    expect([answer.status, answer.json]).toEqual([400, { message }]);
  }
});

test("a container's volumes are made with it, shown by it and kept from being removed", async () => {
  const id = await container("web", {
    Binds: ["data:/data"],
    Mounts: [
      { Type: "volume", Target: "/x", Source: "named", VolumeOptions: { Labels: { k: "v" } } },
      { Type: "volume", Target: "/y" },
    ],
  });
  const [anonymous = ""] = (await list({})).filter((name) => /^[0-9a-f]{64}$/.test(name));
  expect(await list({})).toEqual([anonymous, "data", "named"].sort());
  expect((await host.call("GET", "/containers/web/json")).json).toMatchObject({
    Mounts: [
      {
        Type: "volume",
        Name: "data",
        Source: path("data"),
        Destination: "/data",
        Driver: "local",
        Mode: "z",
        RW: true,
        Propagation: "",
      },
      { Name: "named", Destination: "/x" },
      { Name: anonymous, Source: path(anonymous), Destination: "/y" },
    ],
    HostConfig: {
      Binds: ["data:/data"],
      Mounts: [
        { Type: "volume", Target: "/x", Source: "named", VolumeOptions: { Labels: { k: "v" } } },
        { Type: "volume", Target: "/y" },
      ],
    },
  });
  expect((await host.call("GET", "/volumes/named")).json).toMatchObject({ Labels: { k: "v" } });
  for (const query of ["", "?force=1"]) {
    const answer = await host.call("DELETE", `/volumes/data${query}`);
    expect([answer.status, answer.json]).toEqual([
      409,
      { message: `remove data: volume is in use - [${id}]` },
    ]);
  }
  const filters = encodeURIComponent('{"volume":["data"],"status":["created"]}');
  expect((await host.call("GET", `/containers/json?filters=${filters}`)).json).toMatchObject([{ Id: id }]);
});

test("an image's volumes are anonymous ones, filled with what it has there", async () => {
  host.images.add("db", { Cmd: ["db"], Volumes: { "/var/db": {}, "/nothing": {} } });
  host.volumeHost.image.set("/var/db", ["table"]);
  await host.create("web", { Image: "db" });
  const { mounts } = host.store.find("web");
  const at = new Map(mounts.map(({ point }) => [point?.Destination, point?.Source ?? ""]));
  expect(readdirSync(at.get("/var/db") ?? "")).toEqual(["table"]);
  expect(readdirSync(at.get("/nothing") ?? "")).toEqual([]);
  expect(host.volumeHost.filled[0]).toEqual({
    image: { kind: "overlay", layers: ["/lower"] },
    path: "/var/db",
    ids: undefined,
  });
});

test("nothing is copied into a volume with nocopy, into a part of one, or over a file", async () => {
  host.volumeHost.image.set("/etc", ["passwd"]);
  host.volumeHost.image.set("/file", undefined);
  await container("web", {
    Binds: ["one:/etc:nocopy"],
    Mounts: [{ Type: "volume", Target: "/x", Source: "two", VolumeOptions: { Subpath: "etc" } }],
  });
  expect(host.volumeHost.filled).toEqual([]);
  const refused = await host.call("POST", "/containers/create", {
    Image: "busybox",
    Volumes: { "/file": {} },
  });
  expect([refused.status, refused.json]).toEqual([
    400,
    { message: "cannot mount volume over existing file, file exists /file" },
  ]);
  expect(await list({})).toEqual(["one", "two"]);
});

test("a creation that fails leaves no anonymous volume and nobody's hold on a named one", async () => {
  host.snapshots.persist = () => Promise.reject(new Error("disk full"));
  const answer = await host.call("POST", "/containers/create", {
    Image: "busybox",
    Volumes: { "/a": {} },
    HostConfig: { NetworkMode: "none", Binds: ["data:/data"] },
  });
  expect(answer.status).toBe(500);
  expect(await list({})).toEqual(["data"]);
  expect(await list({ dangling: ["true"] })).toEqual(["data"]);
  await host.volumes.settled();
  expect(readdirSync(join(host.directory, "volumes"))).toEqual(["data"]);
});

test("a driver that is not there, and a container to borrow from, are no missing images", async () => {
  for (const [fields, message] of [
    [
      { Binds: ["data:/data"], VolumeDriver: "nope" },
      'create data: error looking up volume plugin nope: plugin "nope" not found',
    ],
    [{ VolumesFrom: ["gone"] }, "No such container: gone"],
    [{ VolumesFrom: ["x:zz"] }, "invalid mode: zz"],
    [{ Binds: ["a/b:/data"] }, 'create a/b: "a/b" includes invalid characters for a local volume name'],
  ] as const) {
    const answer = await host.call("POST", "/containers/create", {
      Image: "busybox",
      HostConfig: { NetworkMode: "none", ...fields },
    });
    expect([answer.status, answer.text.replaceAll('\\"', '"')]).toEqual([
      400,
      expect.stringContaining(message),
    ]);
  }
  expect(await list({})).toEqual([]);
  expect(await container("web", { VolumeDriver: "nope" })).not.toBe(""); // as Docker: it drives nothing
});

test("a start mounts and an end unmounts, and both are told", async () => {
  await make("data", { DriverOpts: { type: "tmpfs", device: "tmpfs", o: "size=1m" } });
  const id = await container("web", { Binds: ["data:/data:ro"] });
  expect(host.volumeHost.mounted.size).toBe(0);
  const ended = host.call("POST", "/containers/web/wait?condition=next-exit");
  await host.call("POST", "/containers/web/start");
  expect([...host.volumeHost.mounted.keys()]).toEqual([path("data")]);
  host.tasks.only().exit(0);
  await ended;
  expect(host.volumeHost.mounted.size).toBe(0);
  const told = { container: id, driver: "local" };
  expect(events().slice(1)).toEqual([
    ["mount", "data", { ...told, destination: "/data", propagation: "", "read/write": "false" }],
    ["unmount", "data", told],
  ]);
  expect(host.actions()).toEqual(["create", "create", "mount", "start", "unmount", "die"]);
});

test("a start that fails lets go of its volumes", async () => {
  await make("data", { DriverOpts: { type: "tmpfs", device: "tmpfs" } });
  await container("web", { Binds: ["data:/data"] });
  host.tasks.failures.push(new Error("no"));
  expect((await host.call("POST", "/containers/web/start")).status).toBe(500);
  expect(host.volumeHost.mounted.size).toBe(0);
});

test("rm -v takes the container's own volumes along, and no others", async () => {
  await container("lender", { Binds: ["data:/data"] }, { Volumes: { "/own": {} } });
  await container("web", { VolumesFrom: ["lender:ro"] }, { Volumes: { "/mine": {} } });
  const own = (name: string, at: string): string =>
    host.store.find(name).mounts.find(({ mount }) => mount.destination === at)?.point?.Name ?? "";
  const [lent, mine] = [own("lender", "/own"), own("web", "/mine")];
  expect(own("web", "/own")).toBe(lent);
  await host.call("DELETE", "/containers/web?v=1");
  expect(await list({})).toEqual([lent, "data"].sort());
  expect(events().at(-1)).toEqual(["destroy", mine, { driver: "local" }]);
  await host.call("DELETE", "/containers/lender");
  expect(await list({ dangling: ["1"] })).toEqual([lent, "data"].sort());
});

test("--rm takes the container's own volumes along when it ends", async () => {
  await container("web", { AutoRemove: true, Binds: ["data:/data"] }, { Volumes: { "/own": {} } });
  const waiting = host.call("POST", "/containers/web/wait?condition=removed");
  await host.call("POST", "/containers/web/start");
  host.tasks.only().exit(0);
  await waiting;
  expect(await list({})).toEqual(["data"]);
});

test("prune takes unused anonymous volumes, with all also named ones, before 1.42 as well", async () => {
  await make("");
  const [anonymous = ""] = await list({});
  await make("named", { Labels: { keep: "yes" } });
  await make("other");
  await make("mounted", { DriverOpts: { type: "tmpfs", device: "tmpfs" } });
  await make("used");
  await container("web", { Binds: ["used:/data"] });
  writeFileSync(join(path("other"), "f"), "x");
  const prune = async (version: string, filters: object, query = ""): Promise<unknown> => {
    const text = encodeURIComponent(JSON.stringify(filters));
    return (await host.call("POST", `/${version}/volumes/prune?filters=${text}${query}`)).json;
  };
  expect(await prune("v1.51", { all: ["true"] }, "&dry-run=1")).toEqual({
    VolumesDeleted: [anonymous, "named", "other"].sort(),
    SpaceReclaimed: 10,
  });
  expect(await prune("v1.51", {})).toEqual({ VolumesDeleted: [anonymous], SpaceReclaimed: 0 });
  expect(await prune("v1.51", {})).toEqual({ VolumesDeleted: [], SpaceReclaimed: 0 });
  expect(await prune("v1.51", { all: ["1"], "label!": ["keep"] })).toEqual({
    VolumesDeleted: ["other"],
    SpaceReclaimed: 10,
  });
  expect(await prune("v1.41", {})).toEqual({ VolumesDeleted: ["named"], SpaceReclaimed: 0 });
  expect(await list({})).toEqual(["mounted", "used"]);
  expect(await prune("v1.51", { all: ["maybe"] })).toEqual({ message: "invalid filter 'all=[maybe]'" });
  expect(await prune("v1.51", { until: ["1h"] })).toEqual({ message: "invalid filter 'until'" });
  expect(host.published.filter(({ Action }) => Action === "prune")).toHaveLength(4);
});

test("remove: 204, 404 for one that is not there unless forced; update is for swarms", async () => {
  await make("data");
  expect((await host.call("DELETE", "/volumes/data")).status).toBe(204);
  expect(existsSync(path("data"))).toBe(false);
  const gone = await host.call("DELETE", "/volumes/data");
  expect([gone.status, gone.json]).toEqual([404, { message: "get data: no such volume" }]);
  expect((await host.call("DELETE", "/volumes/data?force=1")).status).toBe(204);
  const update = await host.call("PUT", "/volumes/data?version=1", { Spec: {} });
  expect([update.status, update.json]).toEqual([
    503,
    { message: "volume update only valid for cluster volumes, but swarm is unavailable" },
  ]);
});

test("system df tells who has a volume and how big it is; those with options are not ours", async () => {
  await make("data");
  await make("mounted", { DriverOpts: { type: "tmpfs", device: "tmpfs" } });
  writeFileSync(join(path("data"), "f"), "x");
  await container("web", { Binds: ["data:/a", "data:/b"] });
  expect((await host.call("GET", "/system/df?type=volume")).json).toMatchObject({
    Volumes: [{ Name: "data", UsageData: { RefCount: 1, Size: 10 } }],
    Images: null,
  });
  expect((await host.call("GET", "/info")).json).toMatchObject({ Plugins: { Volume: ["local"] } });
});
