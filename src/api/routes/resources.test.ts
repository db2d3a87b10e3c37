import { afterEach, beforeEach, expect, test } from "bun:test";
import { ApiHost } from "../testing/api-host.ts";

let host: ApiHost;

beforeEach(async () => {
  host = await ApiHost.start();
});

afterEach(async () => {
  await host[Symbol.asyncDispose]();
});

test("images: list, with the counts and names of the version asked for", async () => {
  await host.create("web");
  expect((await host.call("GET", "/v1.51/images/json")).json).toMatchObject([
    { RepoTags: ["busybox:latest"], RepoDigests: [], Containers: 1, SharedSize: -1, ParentId: "" },
  ]);
  host.images.untag("docker.io/library/busybox:latest");
  expect((await host.call("GET", "/v1.42/images/json")).json).toMatchObject([
    { RepoTags: ["<none>:<none>"], Containers: -1, VirtualSize: 100 },
  ]);
});

test("images: a reference filter shows matching names only", async () => {
  const image = host.images.resolve("busybox");
  host.images.tag(image, "docker.io/library/other:v1");
  const filters = encodeURIComponent('{"reference":{"oth*":true}}');
  expect((await host.call("GET", `/v1.51/images/json?filters=${filters}`)).json).toMatchObject([
    { RepoTags: ["other:v1"] },
  ]);
});

test("images: inspect by a name with slashes, and its configuration by version", async () => {
  host.images.add("registry.local:5000/team/app", { Cmd: ["run"], Labels: { a: "b" } });
  const now = await host.call("GET", "/v1.51/images/registry.local:5000/team/app:latest/json");
  expect(now.json).toMatchObject({
    RepoTags: ["registry.local:5000/team/app:latest"],
    Config: { Cmd: ["run"], Labels: { a: "b" } },
    RootFS: { Type: "layers", Layers: ["sha256:d1"] },
  });
  expect(now.text).not.toContain("AttachStdin");
  const then = await host.call("GET", "/v1.49/images/registry.local:5000/team/app:latest/json");
  expect(then.text).toContain('"AttachStdin":false');
});

test("images: history, newest first", async () => {
  expect((await host.call("GET", "/v1.51/images/busybox/history")).json).toMatchObject([
    { CreatedBy: "/bin/sh", Tags: ["busybox:latest"], Id: host.images.resolve("busybox").id },
  ]);
});

test("images: the last name takes the image along, unless a container needs it", async () => {
  await host.create("web");
  const refused = await host.call("DELETE", "/v1.51/images/busybox");
  expect([refused.status, refused.text]).toEqual([
    409,
    expect.stringContaining('unable to remove repository reference \\"busybox\\" (must force)'),
  ]);
  await host.call("DELETE", "/containers/web");
  const { id } = host.images.resolve("busybox");
  expect((await host.call("DELETE", "/v1.51/images/busybox")).json).toEqual([
    { Untagged: "busybox:latest" },
    { Deleted: id },
    { Deleted: "sha256:c1" },
  ]);
  expect((await host.call("DELETE", "/v1.51/images/busybox")).status).toBe(404);
});

test("images: load and import take the body and answer lines of JSON", async () => {
  const loaded = await host.call("POST", "/v1.51/images/load", "name:tiny", {
    "Content-Type": "application/x-tar",
  });
  expect(loaded.text).toBe('{"stream":"Loaded image: tiny:latest\\n"}\r\n');
  const query = "fromSrc=-&repo=root&tag=v2&changes=CMD+%5B%22sh%22%5D&changes=ENV+A%3D1";
  const imported = await host.call("POST", `/v1.51/images/create?${query}`, "tar", {
    "Content-Type": "application/x-tar",
  });
  expect(imported.text).toBe(`${JSON.stringify({ status: host.images.resolve("root:v2").id })}\r\n`);
  expect(host.actions()).toEqual(["load", "tag", "import"]);
});

test("images: an archive to import is fetched by its URL, with Docker's lines", async () => {
  host.registries.files.set("http://files.example/root.tar", Buffer.from("tar"));
  const path = "/v1.51/images/create?repo=root&fromSrc=";
  const imported = await host.call("POST", `${path}files.example%2Froot.tar`);
  const { id } = host.images.resolve("root");
  expect(
    imported.text
      .split("\r\n")
      .filter(Boolean)
      .map((line): unknown => JSON.parse(line)),
  ).toContainEqual({
    status: "Downloading from http://files.example/root.tar",
  });
  expect(imported.text).toContain('{"status":"Importing","progressDetail":{"current":3,"total":3}');
  expect(imported.text).toEndWith(`${JSON.stringify({ status: id })}\r\n`);
  const missing = await host.call("POST", `${path}http%3A%2F%2Ffiles.example%2Fno`);
  expect([missing.status, missing.json]).toEqual([
    404,
    { message: "failed to GET http://files.example/no with status 404 Not Found: no" },
  ]);
  expect((await host.call("POST", `${path}http%3A%2F%2F%5B`)).status).toBe(400);
  expect((await host.call("POST", `${path}http%3A%2F%2Fa&changes=NOPE`)).status).toBe(400);
});

test("images: a pull that cannot begin is a status, but hello-world comes with the engine", async () => {
  const pulled = await host.call("POST", "/v1.51/images/create?fromImage=hello-world&tag=latest");
  expect(pulled.status).toBe(200);
  expect(host.images.resolve("hello-world").tags).toEqual(["docker.io/library/hello-world:latest"]);
  const again = await host.call("POST", "/v1.51/images/create?fromImage=hello-world");
  expect(again.text).toContain("Image is up to date");
  const refused = await host.call("POST", "/v1.51/images/create?fromImage=alpine&tag=latest");
  expect([refused.status, refused.json]).toEqual([500, { message: "no route to docker.io" }]);
});

test("images: tag needs a name", async () => {
  expect((await host.call("POST", "/v1.51/images/busybox/tag?repo=")).status).toBe(400);
  expect((await host.call("POST", "/v1.51/images/busybox/tag?repo=a/b&tag=c")).status).toBe(201);
});

test("networks: none, host and bridge, found by name and beginning of the id, not removable", async () => {
  const { json } = await host.call("GET", "/v1.51/networks");
  expect(json).toMatchObject([
    {
      Name: "bridge",
      Driver: "bridge",
      IPAM: { Config: [{ Subnet: "172.17.0.0/16", Gateway: "172.17.0.1" }] },
    },
    { Name: "host", Driver: "host" },
    { Name: "none", Driver: "null", Scope: "local" },
  ]);
  const id = host.network.idOf("host");
  expect((await host.call("GET", `/networks/${id.slice(0, 10)}`)).json).toMatchObject({
    Name: "host",
    Id: id,
  });
  expect((await host.call("GET", "/networks/nope")).json).toEqual({ message: "network nope not found" });
  expect((await host.call("DELETE", "/networks/none")).status).toBe(403);
});

test("events: the past as JSON lines with exact nanoseconds, up to a point in time", async () => {
  await host.create("web", { Labels: { a: "b" } });
  await host.create("other");
  const filters = encodeURIComponent('{"container":["web"]}');
  const until = ((Date.now() + 20) / 1000).toFixed(3);
  const { text } = await host.call("GET", `/v1.51/events?since=1&until=${until}&filters=${filters}`);
  const event = host.published[0];
  expect(text.trim().split("\n")).toHaveLength(1);
  expect(text).toContain(`"timeNano":${event?.timeNano}}`);
  expect(JSON.parse(text)).toMatchObject({
    Type: "container",
    Action: "create",
    status: "create",
    from: "busybox",
    scope: "local",
    Actor: { Attributes: { a: "b", name: "web", image: "busybox" } },
  });
});

test("info counts containers by state", async () => {
  await host.create("one");
  await host.create("two");
  await host.call("POST", "/containers/two/start");
  expect((await host.call("GET", "/v1.51/info")).json).toMatchObject({
    Containers: 2,
    ContainersRunning: 1,
    ContainersStopped: 1,
    Images: 1,
    Driver: "overlay2",
    Name: "testhost",
    LiveRestoreEnabled: true,
  });
});

test("list filters", async () => {
  await host.create("alpha", { Labels: { role: "db", tier: "1" }, ExposedPorts: { "80/tcp": {} } });
  await host.create("beta", { Labels: { role: "web" } });
  await host.call("POST", "/containers/beta/start");
  host.tasks.only().exit(3);
  await host.create("gamma");
  await host.call("POST", "/containers/gamma/start");
  const names = async (filters: unknown): Promise<unknown> => {
    const text = encodeURIComponent(JSON.stringify(filters));
    const { json } = await host.call("GET", `/containers/json?all=1&filters=${text}`);
    return Array.isArray(json)
      ? json.map((entry: { readonly Names: readonly string[] }) => entry.Names[0]).join(" ")
      : json;
  };
  expect(await names({ status: ["exited", "created"] })).toBe("/beta /alpha");
  expect(await names({ exited: ["3"] })).toBe("/beta");
  expect(await names({ label: ["role"] })).toBe("/beta /alpha");
  expect(await names({ label: ["role=db", "tier"] })).toBe("/alpha");
  expect(await names({ label: ["role=web", "tier=1"] })).toBe("");
  expect(await names({ name: ["^/al"] })).toBe("/alpha");
  expect(await names({ name: ["a$"] })).toBe("/gamma /beta /alpha");
  expect(await names({ name: ["^beta$"] })).toBe("/beta");
  expect(await names({ ancestor: ["busybox"], expose: ["70-90"] })).toBe("/alpha");
  expect(await names({ ancestor: ["nope"] })).toBe("");
  expect(await names({ before: ["beta"] })).toBe("/alpha");
  expect(await names({ since: ["beta"] })).toBe("/gamma");
  expect(await names({ network: ["none"], status: ["running"] })).toBe("/gamma");
  expect(await names({ status: ["a"] })).toEqual({ message: "invalid filter 'status=a'" });
  expect(await names({ exited: ["a"] })).toMatchObject({ message: expect.stringContaining("exited=a") });
  expect(await names({ foo: ["a"] })).toEqual({ message: "invalid filter 'foo'" });
});
