import { afterAll, beforeAll, expect, test } from "bun:test";
import { ApiHost } from "../testing/api-host.ts";

let host: ApiHost;
beforeAll(async () => {
  host = await ApiHost.start();
});
afterAll(() => host[Symbol.asyncDispose]());

const login = (body: unknown): ReturnType<ApiHost["call"]> => host.call("POST", "/v1.51/auth", body);

test("POST /auth says what the registry says", async () => {
  const good = { username: "ann", password: "right", serveraddress: "r:5000" };
  expect(await login(good)).toMatchObject({
    status: 200,
    json: { Status: "Login Succeeded", IdentityToken: "token" },
  });
  expect(await login({ ...good, password: "wrong" })).toMatchObject({
    status: 401,
    json: { message: 'Get "https://r:5000/v2/": unauthorized: incorrect username or password' },
  });
  expect((await login({ serveraddress: "r:5000" })).status).toBe(400);
  expect((await login({ username: 7 })).status).toBe(400);
});

const result = (name: string, starCount: number, isOfficial: boolean) => ({
  name,
  description: `about ${name}`,
  starCount,
  isOfficial,
  isAutomated: true,
});

async function search(
  query: string,
  headers = {},
): Promise<{ status: number; names: unknown; text: string }> {
  const { status, json, text } = await host.call("GET", `/v1.51/images/search?${query}`, undefined, headers);
  return { status, names: Array.isArray(json) ? json.map(({ name }: { name: string }) => name) : json, text };
}

test("GET /images/search gives what is found, and less by filters", async () => {
  host.registries.found = [result("busybox", 100, true), result("mine/busybox", 3, false)];
  expect((await host.call("GET", "/v1.51/images/search?term=busybox")).json).toEqual([
    {
      star_count: 100,
      is_official: true,
      name: "busybox",
      is_automated: false,
      description: "about busybox",
    },
    {
      star_count: 3,
      is_official: false,
      name: "mine/busybox",
      is_automated: false,
      description: "about mine/busybox",
    },
  ]);
  const filtered = (filters: unknown) =>
    search(`term=b&filters=${encodeURIComponent(JSON.stringify(filters))}`);
  expect((await filtered({ stars: ["4", "1"] })).names).toEqual(["busybox"]);
  expect((await filtered({ "is-official": ["false"] })).names).toEqual(["mine/busybox"]);
  expect((await filtered({ "is-automated": ["true"] })).names).toEqual([]);
  expect((await filtered({ stars: ["x"] })).text).toContain("invalid filter 'stars=x'");
  expect((await filtered({ color: ["x"] })).text).toContain("invalid filter 'color'");
});

test("GET /images/search takes a limit and credentials", async () => {
  const header = Buffer.from(JSON.stringify({ username: "ann", password: "p" })).toString("base64url");
  await search("term=b&limit=7", { "X-Registry-Auth": header });
  expect(host.registries.searches.at(-1)).toMatchObject({
    limit: 7,
    credentials: { username: "ann", password: "p" },
  });
  await search("term=b", { "X-Registry-Auth": "not JSON" });
  expect(host.registries.searches.at(-1)).toMatchObject({ limit: 25, credentials: undefined });
  expect((await search("term=b&limit=101")).text).toContain("limit 101 is outside the range of [1, 100]");
  expect((await search("term=b&limit=-1")).text).toContain("invalid limit specified");
});

test("GET /info shows mirrors, ranges and proxies", async () => {
  expect((await host.call("GET", "/v1.51/info")).json).toMatchObject({
    RegistryConfig: {
      Mirrors: ["https://mirror.example/"],
      InsecureRegistryCIDRs: ["::1/128", "127.0.0.0/8"],
      IndexConfigs: {
        "docker.io": {
          Name: "docker.io",
          Secure: true,
          Official: true,
          Mirrors: ["https://mirror.example/"],
        },
        "r:5000": { Name: "r:5000", Secure: false, Official: false, Mirrors: [] },
      },
    },
    HttpsProxy: "http://xxxxx:xxxxx@proxy:3128",
    NoProxy: "local",
  });
});
