/** Who gets to see a password or a token, and who does not. */
import { expect, test } from "bun:test";
import { rejection } from "../../base/testing/rejection.ts";
import { client, manifestBytes, MANIFEST_TYPE, never, repositoryAt, USER } from "./testing/client.ts";
import { MemoryRegistry } from "./testing/memory-registry.ts";
import { answer, failureOf, collect, type Scripted } from "./testing/scripted-registry.ts";
import { openServers } from "./testing/open-servers.ts";

const { serve } = openServers();

const BASIC = `Basic ${Buffer.from(`${USER.username}:${USER.password}`).toString("base64")}`;

function filled(): MemoryRegistry {
  const registry = new MemoryRegistry();
  registry.addManifest("team/app", "v1", MANIFEST_TYPE, manifestBytes());
  return registry;
}

/** A registry whose tokens are "t1", "t2", …; `accepts` says which still count. */
async function tokenRegistry(
  accepts: (token: string) => boolean,
): Promise<{ registry: Scripted; tokens: Scripted }> {
  const memory = filled();
  memory.addBlob("team/app", Buffer.from("blob"));
  let issued = 0;
  const tokens: Scripted = await serve((request, response) => {
    if (request.path !== "/token") return memory.handle(request, response);
    return answer(response, 200, {}, JSON.stringify({ token: `t${++issued}`, expires_in: 300 }));
  });
  const registry = await serve((request, response) => {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
    if (accepts(token)) return memory.handle(request, response);
    const challenge = `Bearer realm="${tokens.origin}/token",service="reg",scope="repository:team/app:pull"`;
    return answer(response, 401, { "WWW-Authenticate": challenge });
  });
  return { registry, tokens };
}

test("a password is exchanged for a token of the repository, once for all that follows", async () => {
  const { registry, tokens } = await tokenRegistry((token) => token === "t1");
  const repository = repositoryAt(registry.host, { credentials: USER });
  const descriptor = await repository.resolve(never);
  await repository.manifest(descriptor, never);
  expect(tokens.seen.map(({ method, headers }) => [method, headers.authorization])).toEqual([["GET", BASIC]]);
  const [request] = tokens.seen;
  expect(Object.fromEntries(request?.query ?? [])).toEqual({
    service: "reg",
    scope: "repository:team/app:pull",
    account: "ann",
  });
  expect(registry.seen.map(({ headers }) => headers.authorization)).toEqual([
    undefined,
    "Bearer t1",
    "Bearer t1",
  ]);
});

test("many requests at once share one token request", async () => {
  const { registry, tokens } = await tokenRegistry((token) => token !== "");
  const registries = client();
  const pulls = Array.from({ length: 8 }, () => repositoryAt(registry.host, { registries }).resolve(never));
  await Promise.all(pulls);
  expect(tokens.seen.length).toBe(1);
});

test("a token that the registry no longer takes is replaced", async () => {
  const good = new Set(["t1"]);
  const { registry, tokens } = await tokenRegistry((token) => good.has(token));
  const repository = repositoryAt(registry.host, { credentials: USER });
  await repository.resolve(never);
  good.delete("t1");
  good.add("t2");
  await repository.manifest({ tag: "v1" }, never);
  expect(tokens.seen.length).toBe(2);
});

test("a registry that does not take a fresh token is not asked again", async () => {
  const { registry, tokens } = await tokenRegistry(() => false);
  const error = await rejection(
    repositoryAt(registry.host, { credentials: USER }).manifest({ tag: "v1" }, never),
  );
  expect(error.message).toBe("unauthorized: authentication required");
  expect([registry.seen.length, tokens.seen.length]).toEqual([2, 1]);
});

test("a push asks for the right to push, and to pull from where it mounts", async () => {
  const { registry, tokens } = await tokenRegistry((token) => token !== "");
  const repository = repositoryAt(registry.host, { access: "push" });
  await repository.mountBlob(`sha256:${"a".repeat(64)}`, "other/app", never);
  expect(tokens.seen[0]?.query.getAll("scope")).toEqual([
    "repository:other/app:pull",
    "repository:team/app:pull,push",
  ]);
});

test("an identity token is exchanged by POST; a registry token is sent as it is", async () => {
  const { registry, tokens } = await tokenRegistry((token) => token === "t1" || token === "own");
  const identity = { username: "", password: "", identityToken: "refresh-me", registryToken: "" };
  await repositoryAt(registry.host, { credentials: identity }).resolve(never);
  expect(tokens.seen[0]?.method).toBe("POST");
  expect(Object.fromEntries(new URLSearchParams(tokens.seen[0]?.body.toString()))).toMatchObject({
    grant_type: "refresh_token",
    refresh_token: "refresh-me",
    scope: "repository:team/app:pull",
    service: "reg",
  });
  await repositoryAt(registry.host, { credentials: { ...identity, registryToken: "own" } }).resolve(never);
  expect(registry.seen.at(-1)?.headers.authorization).toBe("Bearer own");
  expect(tokens.seen.length).toBe(1);
});

test("basic credentials go to who asks for them; without any the answer says so", async () => {
  const memory = filled();
  const server = await serve((request, response) =>
    request.headers.authorization === BASIC
      ? memory.handle(request, response)
      : answer(response, 401, { "WWW-Authenticate": 'Basic realm="r"' }),
  );
  await repositoryAt(server.host, { credentials: USER }).resolve(never);
  expect((await rejection(repositoryAt(server.host).resolve(never))).message).toBe(
    `Head "http://${server.host}/v2/team/app/manifests/v1": no basic auth credentials`,
  );
  const wrong = repositoryAt(server.host, { credentials: { ...USER, password: "wrong" } });
  expect(await rejection(wrong.resolve(never))).toMatchObject({ category: "unauthorized" });
});

/** Whether any request that a server saw holds the password, the token, or either in another spelling. */
function leaks(server: Scripted, ...more: string[]): boolean {
  const secrets = [USER.password, Buffer.from(`ann:${USER.password}`).toString("base64"), ...more];
  const text = JSON.stringify(
    server.seen.map(({ headers, path, query, body }) => [headers, path, [...query], body.toString()]),
  );
  return secrets.some((secret) => text.includes(secret) || text.includes(encodeURIComponent(secret)));
}

test("a redirect to another host carries no credentials, and a 401 there gets none", async () => {
  const storage = await serve((_request, response) =>
    answer(response, 401, { "WWW-Authenticate": 'Basic realm="give"' }),
  );
  const server = await serve((request, response) =>
    request.headers.authorization === BASIC
      ? answer(response, 307, { Location: `${storage.origin}/blob?X-Signature=presigned` })
      : answer(response, 401, { "WWW-Authenticate": 'Basic realm="r"' }),
  );
  const repository = repositoryAt(server.host, { credentials: USER });
  const blob = { digest: `sha256:${"a".repeat(64)}`, sizeBytes: 4 };
  const error = await failureOf(repository.blob(blob, { offset: 0, signal: never }));
  expect(error.message).toBe("unauthorized: authentication required");
  expect(storage.seen.length).toBe(1);
  expect(storage.seen[0]?.query.get("X-Signature")).toBe("presigned");
  expect(leaks(storage)).toBe(false);
});

test("blobs come from presigned URLs of another host", async () => {
  const storage = await serve((request, response) =>
    request.headers.authorization === undefined ? answer(response, 200, {}, "blob") : answer(response, 400),
  );
  const server = await serve((request, response) =>
    request.headers.authorization === BASIC
      ? answer(response, 307, { Location: `${storage.origin}/blob?X-Signature=s` })
      : answer(response, 401, { "WWW-Authenticate": 'Basic realm="r"' }),
  );
  const repository = repositoryAt(server.host, { credentials: USER });
  const blob = { digest: `sha256:${"a".repeat(64)}`, sizeBytes: 4 };
  expect((await collect(repository.blob(blob, { offset: 0, signal: never }))).toString()).toBe("blob");
});

test("an upload that is sent elsewhere goes without credentials", async () => {
  const elsewhere = await serve((_request, response) => answer(response, 202, { Location: "/up?x=1" }));
  const server = await serve((request, response) => {
    if (request.headers.authorization !== BASIC)
      return answer(response, 401, { "WWW-Authenticate": 'Basic realm="r"' });
    return request.method === "POST"
      ? answer(response, 202, { Location: `${elsewhere.origin}/up` })
      : answer(response, 404);
  });
  const repository = repositoryAt(server.host, { credentials: USER, access: "push" });
  const blob = { digest: `sha256:${"a".repeat(64)}`, sizeBytes: 4 };
  await repository.pushBlob(
    blob,
    async function* () {
      yield Buffer.from("blob");
    },
    { signal: never, mountFrom: [], onProgress: () => {} },
  );
  expect(elsewhere.seen.map(({ method }) => method)).toEqual(["PATCH", "PUT"]);
  expect(leaks(elsewhere)).toBe(false);
});

test.each([
  ["file:///etc/shadow", "neither https nor http"],
  ["http://r.example/token", "is not https"],
  ["http://169.254.169.254/token", "is not https"],
  ["https://169.254.169.254/token", "not https"],
  ["https://user:pass@r.example/token", "has a user in it"],
  ["token", "names no token server"],
  ["", "names no token server"],
])("the token server %j gets nothing", async (realm, text) => {
  const server = await serve((_request, response) =>
    answer(response, 401, { "WWW-Authenticate": `Bearer realm="${realm}",service="s"` }),
  );
  const start = performance.now();
  const error = await rejection(
    repositoryAt(server.host, { credentials: USER, registries: client({ maxAttempts: 1 }) }).resolve(never),
  );
  if (realm.startsWith("https://169")) expect(performance.now() - start).toBeLessThan(4000);
  else expect(error.message).toContain(text);
  expect(`${error.message} ${JSON.stringify(error)} ${error.stack}`).not.toContain(USER.password);
});

test("checkLogin() says what Docker says", async () => {
  const basic = await serve((request, response) =>
    request.headers.authorization === BASIC
      ? answer(response, 200, {}, "{}")
      : answer(response, 401, { "WWW-Authenticate": 'Basic realm="r"' }),
  );
  const registries = client();
  expect(await registries.checkLogin(basic.host, USER, never)).toEqual({
    status: "Login Succeeded",
    identityToken: "",
  });
  expect(await rejection(registries.checkLogin(basic.host, { ...USER, password: "x" }, never))).toMatchObject(
    {
      category: "unauthorized",
      message: `login attempt to http://${basic.host}/v2/ failed with status: 401 Unauthorized`,
    },
  );
});

test("checkLogin() at a token server asks for a refresh token", async () => {
  const tokens: Scripted = await serve((request, response) => {
    if (request.headers.authorization !== BASIC)
      return answer(response, 401, {}, '{"details":"incorrect username or password"}');
    return answer(response, 200, {}, '{"token":"t","refresh_token":"keep-me"}');
  });
  const server = await serve((request, response) =>
    request.headers.authorization === "Bearer t"
      ? answer(response, 200, {}, "{}")
      : answer(response, 401, { "WWW-Authenticate": `Bearer realm="${tokens.origin}/token",service="s"` }),
  );
  const registries = client();
  expect((await registries.checkLogin(`http://${server.host}/v2/`, USER, never)).identityToken).toBe(
    "keep-me",
  );
  expect(tokens.seen[0]?.query.get("offline_token")).toBe("true");
  expect(
    (await rejection(registries.checkLogin(server.host, { ...USER, password: "x" }, never))).message,
  ).toBe(`Get "http://${server.host}/v2/": unauthorized: incorrect username or password`);
});

test("search() asks the index of the host in the term", async () => {
  const results = [
    {
      name: "team/app",
      description: "An app\u001b[2J",
      star_count: 7,
      is_official: false,
      is_automated: true,
    },
    { name: "x" },
  ];
  const server = await serve((_request, response) => answer(response, 200, {}, JSON.stringify({ results })));
  const found = await client().search(`${server.host}/app`, { limit: 5, credentials: undefined }, never);
  expect(found).toEqual([
    { name: "team/app", description: "An app [2J", starCount: 7, isOfficial: false, isAutomated: true },
    { name: "x", description: "", starCount: 0, isOfficial: false, isAutomated: false },
  ]);
  expect(Object.fromEntries(server.seen[0]?.query ?? [])).toEqual({ q: "app", n: "5" });
});
