/** The doors, from outside: what a client sees of them over HTTP. */
import { afterEach, describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { type Answer, codeOf, RegistryHost } from "../testing/registry-host.ts";
import { ALL_MAY_PULL, USERS_MAY_ALL } from "./access.ts";
import { decodeAccess } from "./access-file.ts";
import { basicGate, tokenGate } from "./gate.ts";
import type { Passwords } from "./htpasswd.ts";

const PASSWORDS: Passwords = { verify: async (user, password) => password === `${user}'s` };
const RULES = decodeAccess([
  { users: ["alice"], repositories: ["**"], actions: ["pull", "push", "delete"], catalog: true },
  { users: ["bob"], repositories: ["open/*"], actions: ["pull"] },
  { anonymous: true, repositories: ["open/*"], actions: ["pull"] },
]);

function basic(user: string, password = `${user}'s`): Record<string, string> {
  return { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` };
}

let host: RegistryHost | undefined;
afterEach(async () => {
  await host?.close();
  host = undefined;
});

describe("passwords", () => {
  const start = async (rules = RULES): Promise<RegistryHost> => {
    host = await RegistryHost.start({ gate: basicGate({ passwords: PASSWORDS, rules, realm: "R" }) });
    return host;
  };

  test("are asked for, and the wrong ones refused everywhere", async () => {
    const server = await start();
    const asked = await server.ask("GET", "/v2/");
    expect(codeOf(asked)).toBe("401 UNAUTHORIZED");
    expect(asked.headers["www-authenticate"]).toBe('Basic realm="R"');
    for (const headers of [
      basic("alice", "x"),
      basic("", ""),
      { Authorization: "Basic !!!" },
      { Authorization: "Basic" },
      { Authorization: "Bearer x" },
      { Authorization: `Basic ${Buffer.from("alice").toString("base64")}` },
    ])
      for (const path of ["/v2/", "/v2/open/a/tags/list"])
        expect(codeOf(await server.ask("GET", path, { headers }))).toBe("401 UNAUTHORIZED");
    expect((await server.ask("GET", "/v2/", { headers: basic("alice") })).status).toBe(200);
    expect((await server.ask("GET", "/healthz")).status).toBe(200);
  });

  test("open what the rules say", async () => {
    const server = await start();
    const codes = async (method: string, path: string): Promise<string[]> => {
      const answers: Answer[] = [];
      for (const headers of [{}, basic("bob"), basic("alice")])
        answers.push(await server.ask(method, path, { headers }));
      return answers.map((answer) => (answer.status < 300 ? String(answer.status) : codeOf(answer)));
    };
    const unknown = "404 NAME_UNKNOWN";
    expect(await codes("GET", "/v2/open/a/tags/list")).toEqual([unknown, unknown, unknown]);
    expect(await codes("GET", "/v2/closed/tags/list")).toEqual(["401 UNAUTHORIZED", "403 DENIED", unknown]);
    expect(await codes("POST", "/v2/open/a/blobs/uploads/")).toEqual([
      "401 UNAUTHORIZED",
      "403 DENIED",
      "202",
    ]);
    expect(await codes("GET", "/v2/_catalog")).toEqual(["401 UNAUTHORIZED", "403 DENIED", "200"]);
    expect(await codes("DELETE", "/v2/open/a/manifests/x")).toEqual([
      "401 UNAUTHORIZED",
      "403 DENIED",
      "404 MANIFEST_UNKNOWN",
    ]);
  });

  test("a mount reads only where the client may read", async () => {
    const rules = decodeAccess([
      { users: ["alice"], repositories: ["**"], actions: ["pull", "push"] },
      { users: ["eve"], repositories: ["eve/*"], actions: ["pull", "push"] },
    ]);
    const server = await start(rules);
    const digest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    const path = "/v2/alice/private/blobs/uploads/";
    await server.must("POST", `${path}?digest=${digest}`, { body: "hello", headers: basic("alice") });
    for (const query of [`?mount=${digest}&from=alice/private`, `?mount=${digest}`])
      expect(
        (await server.ask("POST", `/v2/eve/x/blobs/uploads/${query}`, { headers: basic("eve") })).status,
      ).toBe(202);
    expect((await server.ask("HEAD", `/v2/eve/x/blobs/${digest}`, { headers: basic("eve") })).status).toBe(
      404,
    );
    const mine = await server.ask("POST", `/v2/alice/y/blobs/uploads/?mount=${digest}`, {
      headers: basic("alice"),
    });
    expect(mine.status).toBe(201);
  });
});

describe("tokens", () => {
  const start = async (rules = [...RULES, ALL_MAY_PULL], tokenUrl = ""): Promise<RegistryHost> => {
    const key = { privateKey: generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey, service: "S" };
    host = await RegistryHost.start({
      gate: tokenGate({ passwords: PASSWORDS, rules, realm: "R", key, tokenUrl, now: Date.now }),
    });
    return host;
  };
  const tokenOf = async (server: RegistryHost, query: string, headers = {}): Promise<string> => {
    const answer: { token: string; access_token: string; expires_in: number } = JSON.parse(
      (await server.must("GET", `/auth/token?service=S${query}`, { headers })).text,
    );
    expect(answer.access_token).toBe(answer.token);
    expect(answer.expires_in).toBeGreaterThan(60);
    return answer.token;
  };
  const bearer = (token: string): Record<string, string> => ({ Authorization: `Bearer ${token}` });

  test("are asked for, with the scope that is needed", async () => {
    const server = await start();
    const asked = async (method: string, path: string, headers = {}): Promise<string> => {
      const answer = await server.ask(method, path, { headers });
      expect(codeOf(answer)).toBe("401 UNAUTHORIZED");
      return String(answer.headers["www-authenticate"]);
    };
    const base = `Bearer realm="${server.origin}/auth/token",service="S"`;
    expect(await asked("GET", "/v2/")).toBe(base);
    expect(await asked("GET", "/v2/a/b/manifests/x")).toBe(`${base},scope="repository:a/b:pull"`);
    expect(await asked("POST", "/v2/a/b/blobs/uploads/")).toBe(`${base},scope="repository:a/b:pull,push"`);
    expect(await asked("DELETE", "/v2/a/b/blobs/x")).toBe(`${base},scope="repository:a/b:delete"`);
    expect(await asked("GET", "/v2/_catalog")).toBe(`${base},scope="registry:catalog:*"`);
    expect(await asked("GET", "/v2/", bearer("x"))).toContain('error="invalid_token"');
    expect(await asked("GET", "/v2/", basic("alice"))).toBe(base);
  });

  test("open what they were given for", async () => {
    const server = await start();
    const alice = await tokenOf(server, "&scope=repository:a/b:pull,push", basic("alice"));
    expect((await server.ask("GET", "/v2/", { headers: bearer(alice) })).status).toBe(200);
    expect((await server.ask("POST", "/v2/a/b/blobs/uploads/", { headers: bearer(alice) })).status).toBe(202);
    const elsewhere = await server.ask("GET", "/v2/a/c/tags/list", { headers: bearer(alice) });
    expect(codeOf(elsewhere)).toBe("401 UNAUTHORIZED");
    expect(elsewhere.headers["www-authenticate"]).toContain('error="insufficient_scope"');
    const bob = await tokenOf(
      server,
      "&scope=repository:open/x:pull,push&scope=registry:catalog:*",
      basic("bob"),
    );
    expect((await server.ask("GET", "/v2/open/x/tags/list", { headers: bearer(bob) })).status).toBe(404);
    expect((await server.ask("POST", "/v2/open/x/blobs/uploads/", { headers: bearer(bob) })).status).toBe(
      401,
    );
    expect((await server.ask("GET", "/v2/_catalog", { headers: bearer(bob) })).status).toBe(401);
  });

  test("nobody in particular gets one that lets pull, and none that lets push", async () => {
    const server = await start();
    const token = await tokenOf(server, "&scope=repository:any/thing:pull,push");
    expect((await server.ask("GET", "/v2/any/thing/tags/list", { headers: bearer(token) })).status).toBe(404);
    expect(
      (await server.ask("POST", "/v2/any/thing/blobs/uploads/", { headers: bearer(token) })).status,
    ).toBe(401);
  });

  test("are not given for wrong passwords, other services, or by POST", async () => {
    const server = await start([USERS_MAY_ALL]);
    const wrong = await server.ask("GET", "/auth/token?service=S", { headers: basic("alice", "x") });
    expect(codeOf(wrong)).toBe("401 UNAUTHORIZED");
    expect(wrong.headers["www-authenticate"]).toBe('Basic realm="R"');
    expect(codeOf(await server.ask("GET", "/auth/token?service=other"))).toBe("400 UNSUPPORTED");
    expect(codeOf(await server.ask("POST", "/auth/token", { body: "grant_type=password" }))).toBe(
      "405 UNSUPPORTED",
    );
  });

  test("are got where the operator says, and no header can be forged by Host", async () => {
    const server = await start([USERS_MAY_ALL], "https://auth.example/token");
    expect((await server.ask("GET", "/v2/")).headers["www-authenticate"]).toContain(
      'realm="https://auth.example/token"',
    );
    await server.close();
    const other = await start();
    const answer = await other.ask("GET", "/v2/", { headers: { Host: 'evil",scope="x' } });
    expect(answer.headers["www-authenticate"] ?? "").not.toContain("evil");
  });
});

test("without a door there are no tokens", async () => {
  host = await RegistryHost.start();
  expect(codeOf(await host.ask("GET", "/auth/token"))).toBe("404 UNSUPPORTED");
});
