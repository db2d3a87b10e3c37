/** Logging in and out, whose credentials go where, and searching: whole command lines against an engine played by node:http. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fieldsOf, text } from "../../client/fields.ts";
import { ownCaller } from "../caller.ts";
import { dispatch } from "../dispatch.ts";
import { keyOfServer, placeOfKey, placesOf } from "./account-key.ts";

let home: string;
let server: http.Server;
let path: string | undefined;
const calls: { url: string; body: string; auth: unknown }[] = [];
let answer: (url: string, body: string) => [number, unknown] = () => [200, {}];

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "gantry-login-"));
  path = process.env["PATH"];
  calls.length = 0;
  server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const url = (request.url ?? "").replace(/^\/v1\.51/, "");
      const header = request.headers["x-registry-auth"];
      const auth: unknown =
        typeof header === "string" ? JSON.parse(Buffer.from(header, "base64url").toString()) : undefined;
      const body = Buffer.concat(chunks).toString();
      calls.push({ url, body, auth });
      const [status, document] = answer(url, body);
      response.writeHead(status, { "Content-Type": "application/json" });
      response.end(JSON.stringify(document));
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(join(home, "engine.sock"), resolve);
  });
});
afterEach(() => {
  process.env["PATH"] = path;
  server.closeAllConnections();
  server.close();
  rmSync(home, { recursive: true });
});

interface Outcome {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

async function gantry(words: string[], variables: Record<string, string> = {}): Promise<Outcome> {
  let out = "";
  let err = "";
  const take = (add: (text: string) => void) => ({
    write: async (bytes: Uint8Array | string) =>
      add(typeof bytes === "string" ? bytes : Buffer.from(bytes).toString()),
  });
  const status = await dispatch(
    {
      program: "gantry",
      version: "9.9.9",
      environment: new Map([["DOCKER_HOST", `unix://${home}/engine.sock`], ...Object.entries(variables)]),
      workingDirectory: "/work",
      homeDirectory: home,
      userId: 1000,
      engineCommand: { file: "/nonexistent/gantry", argv0: "gantryd", words: ["daemon"] },
      nativeShim: () => Promise.resolve("/nonexistent/gantry-shim"),
      caller: ownCaller(),
    },
    { out: take((text) => (out += text)), err: take((text) => (err += text)) },
    words,
  );
  return { status, out, err };
}

const configPath = (): string => join(home, ".docker", "config.json");

function configure(document: unknown): void {
  mkdirSync(join(home, ".docker"), { recursive: true });
  writeFileSync(configPath(), typeof document === "string" ? document : JSON.stringify(document));
}

function configured(): Record<string, unknown> {
  return JSON.parse(readFileSync(configPath(), "utf8"));
}

const auth = (text: string): string => Buffer.from(text).toString("base64");

/** A helper that keeps secrets in a directory, one file per server, and its calls in a file. */
function installHelper(name: string): { readonly secrets: string; readonly calls: () => string } {
  const bin = join(home, "bin");
  const secrets = join(home, `secrets-${name}`);
  mkdirSync(bin, { recursive: true });
  mkdirSync(secrets);
  const script = `#!/bin/sh
input=$(cat)
echo "$1 $input" >> ${home}/calls-${name}
key=$(printf %s "$input" | tr '/:' '__')
case $1 in
get) [ -e "${secrets}/$key" ] || { echo "credentials not found in native keychain"; exit 1; }; cat "${secrets}/$key" ;;
store) url=$(printf %s "$input" | sed 's/.*"ServerURL":"\\([^"]*\\)".*/\\1/' | tr '/:' '__'); printf %s "$input" > "${secrets}/$url" ;;
erase) rm -f "${secrets}/$key" ;;
esac
`;
  writeFileSync(join(bin, `docker-credential-${name}`), script);
  chmodSync(join(bin, `docker-credential-${name}`), 0o755);
  process.env["PATH"] = `${bin}:${path}`;
  return { secrets, calls: () => readFileSync(join(home, `calls-${name}`), "utf8") };
}

test("keys have many spellings for one place", () => {
  expect(["", "docker.io", "https://index.docker.io/v1/", "index.docker.io"].map(keyOfServer)).toEqual(
    Array.from({ length: 4 }, () => "https://index.docker.io/v1/"),
  );
  expect(["r:5000", "https://r:5000/v2/", "http://r:5000/"].map(keyOfServer)).toEqual([
    "r:5000",
    "r:5000",
    "r:5000",
  ]);
  expect(keyOfServer("r:5000/team")).toBe("r:5000/team");
  expect(placeOfKey("https://index.docker.io/v1/")).toBe("docker.io");
  expect(placesOf("r:5000/team/app")).toEqual(["r:5000/team/app", "r:5000/team", "r:5000"]);
});

test("login keeps the password in a file for its owner, beside everything that was there", async () => {
  configure({ psFormat: "x", auths: { other: { auth: auth("o:p") } }, unknown: { deep: [1, 2] } });
  answer = () => [200, { Status: "Login Succeeded", IdentityToken: "" }];
  const { status, out, err } = await gantry(["login", "-u", "ann", "-p", "pw:d", "r:5000"]);
  expect({ status, out }).toEqual({ status: 0, out: "Login Succeeded\n" });
  expect(err).toContain("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
  expect(err).toContain(`WARNING! Your password will be stored unencrypted in ${home}/.docker/config.json.`);
  expect(JSON.parse(calls[0]?.body ?? "")).toEqual({
    username: "ann",
    password: "pw:d",
    serveraddress: "r:5000",
  });
  expect(configured()).toEqual({
    psFormat: "x",
    auths: { other: { auth: auth("o:p") }, "r:5000": { auth: auth("ann:pw:d") } },
    unknown: { deep: [1, 2] },
  });
  expect(statSync(configPath()).mode & 0o777).toBe(0o600);
  expect(readdirSync(join(home, ".docker"))).toEqual(["config.json"]);
});

test("an identity token takes the password's place", async () => {
  answer = () => [200, { Status: "Login Succeeded", IdentityToken: "refresh" }];
  const { err } = await gantry(["login", "-u", "ann", "-p", "pw"]);
  expect(err).not.toContain("unencrypted");
  expect(configured()["auths"]).toEqual({
    "https://index.docker.io/v1/": { auth: auth("ann:"), identitytoken: "refresh" },
  });
});

test("a login that is refused changes nothing", async () => {
  answer = () => [401, { message: 'Get "https://r/v2/": unauthorized: incorrect username or password' }];
  const { status, err } = await gantry(["login", "-u", "a", "-p", "b", "r"]);
  expect(status).toBe(1);
  expect(err).toContain('Error response from daemon: Get "https://r/v2/": unauthorized');
  expect(() => configured()).toThrow();
});

test("a file that cannot be understood, and a link, are left as they are", async () => {
  configure("{ not json");
  answer = () => [200, { Status: "Login Succeeded" }];
  const refused = await gantry(["login", "-u", "a", "-p", "b", "r"]);
  expect(refused.status).toBe(1);
  expect(refused.err).toContain("Error saving credentials: cannot change");
  expect(readFileSync(configPath(), "utf8")).toBe("{ not json");
  rmSync(configPath());
  writeFileSync(join(home, "elsewhere.json"), "{}");
  symlinkSync(join(home, "elsewhere.json"), configPath());
  expect((await gantry(["login", "-u", "a", "-p", "b", "r"])).status).toBe(0);
  expect(JSON.parse(readFileSync(join(home, "elsewhere.json"), "utf8"))).toEqual({
    auths: { r: { auth: auth("a:b") } },
  });
});

test("command lines that make no sense are refused in Docker's words", async () => {
  expect(await gantry(["login", "--password-stdin", "r"])).toMatchObject({
    status: 1,
    err: "Must provide --username with --password-stdin\n",
  });
  expect((await gantry(["login", "-u", "a", "-p", "b", "--password-stdin"])).err).toContain(
    "--password and --password-stdin are mutually exclusive",
  );
  expect((await gantry(["login", "-u", "a", "r"])).err).toContain(
    "Error: Cannot perform an interactive login from a non TTY device",
  );
});

test("login without a name tries what is kept", async () => {
  configure({ auths: { r: { auth: auth("ann:pw") } } });
  answer = () => [200, { Status: "Login Succeeded" }];
  const { out } = await gantry(["login", "r"]);
  expect(out).toBe("Authenticating with existing credentials...\nLogin Succeeded\n");
  expect(JSON.parse(calls[0]?.body ?? "")).toMatchObject({ username: "ann", password: "pw" });
});

test("logout forgets every spelling", async () => {
  configure({ auths: { "https://r/v2/": {}, r: { auth: auth("a:b") }, q: { auth: auth("c:d") } }, keep: 1 });
  expect(await gantry(["logout", "r"])).toMatchObject({
    status: 0,
    out: "Removing login credentials for r\n",
  });
  expect(configured()).toEqual({ auths: { q: { auth: auth("c:d") } }, keep: 1 });
  await gantry(["logout"]);
  expect(configured()).toEqual({ auths: { q: { auth: auth("c:d") } }, keep: 1 });
});

async function authOfPull(image: string, variables: Record<string, string> = {}): Promise<unknown> {
  calls.length = 0;
  answer = () => [200, { status: "done" }];
  const { status, err } = await gantry(["pull", "-q", image], variables);
  expect({ status, err }).toEqual({ status: 0, err: "" });
  return calls.find(({ url }) => url.startsWith("/images/create"))?.auth;
}

test("the account with the longest path is sent; nobody else's", async () => {
  configure({
    auths: {
      "https://index.docker.io/v1/": { auth: auth("hub:1") },
      "docker.io/team": { auth: auth("team:2") },
      "r:5000": { auth: auth("r:3") },
      "r:5000/a/b": { auth: auth("ab:4") },
    },
  });
  const users: unknown[] = [];
  for (const image of ["busybox", "team/app", "teams/app", "r:5000/x", "r:5000/a/b/c", "r:5000/a/bc"])
    users.push(text(fieldsOf(await authOfPull(image)), "username"));
  expect(users).toEqual(["hub", "team", "hub", "r", "ab", "r"]);
  expect(await authOfPull("r:5001/x")).toBeUndefined();
  expect(await authOfPull("evil.example/r:5000")).toBeUndefined();
});

test("DOCKER_AUTH_CONFIG goes before the file", async () => {
  configure({ auths: { r: { auth: auth("file:1") } } });
  const auths = { "r.example": { auth: auth("env:2") } };
  expect(await authOfPull("r.example/x", { DOCKER_AUTH_CONFIG: JSON.stringify({ auths }) })).toEqual({
    username: "env",
    password: "2",
    serveraddress: "r.example",
  });
  const { err } = await gantry(["pull", "r.example/x"], { DOCKER_AUTH_CONFIG: '{"secret' });
  expect(err).toContain("WARNING: DOCKER_AUTH_CONFIG is not JSON\n");
});

test("a helper keeps secrets in the file's place", async () => {
  const helper = installHelper("test");
  configure({ credsStore: "test" });
  answer = () => [200, { Status: "Login Succeeded" }];
  const { err } = await gantry(["login", "-u", "ann", "-p", "pw", "r.example"]);
  expect(err).not.toContain("unencrypted");
  expect(configured()).toEqual({ credsStore: "test", auths: { "r.example": {} } });
  expect(JSON.parse(readFileSync(join(helper.secrets, "r.example"), "utf8"))).toEqual({
    ServerURL: "r.example",
    Username: "ann",
    Secret: "pw",
  });
  expect(await authOfPull("r.example/x")).toEqual({
    username: "ann",
    password: "pw",
    serveraddress: "r.example",
  });
  expect(await authOfPull("q.example/x")).toBeUndefined();
  await gantry(["logout", "r.example"]);
  expect(readdirSync(helper.secrets)).toEqual([]);
  expect(configured()["auths"]).toEqual({});
  expect(helper.calls()).toContain("erase r.example");
});

test("a helper of one registry goes before the one of all, and gives identity tokens", async () => {
  const one = installHelper("one");
  const all = installHelper("all");
  configure({ credsStore: "all", credHelpers: { "r.example": "one" } });
  writeFileSync(join(one.secrets, "r.example"), '{"Username":"<token>","Secret":"refresh"}');
  expect(await authOfPull("r.example/x")).toEqual({ identitytoken: "refresh", serveraddress: "r.example" });
  expect(() => all.calls()).toThrow();
});

test("a helper that is missing is named; a pull goes on without", async () => {
  configure({ credsStore: "nowhere" });
  answer = () => [200, { Status: "Login Succeeded" }];
  const missing = 'exec: "docker-credential-nowhere": executable file not found in $PATH';
  const pull = await gantry(["pull", "r.example/x"]);
  expect(pull).toMatchObject({ status: 0, err: expect.stringContaining(missing) });
  expect((await gantry(["login", "-u", "a", "-p", "b", "r"])).err).toContain(
    `Error saving credentials: error calling credential helper - err: ${missing}`,
  );
  configure({ credsStore: "../../bin/sh" });
  expect((await gantry(["pull", "r.example/x"])).err).toContain("invalid name of a credential helper");
});

test("search shows a table, most stars first", async () => {
  answer = () => [
    200,
    [
      { name: "mine/b", description: "x".repeat(60), star_count: 3, is_official: false, is_automated: false },
      { name: "b", description: "An\nimage", star_count: 30, is_official: true, is_automated: false },
    ],
  ];
  const { out } = await gantry(["search", "--limit", "5", "-f", "stars=2", "b"]);
  expect(out.split("\n")).toEqual([
    "NAME      DESCRIPTION                                     STARS     OFFICIAL",
    "b         An image                                        30        [OK]",
    `mine/b    ${"x".repeat(44)}…   3         `,
    "",
  ]);
  expect(decodeURIComponent(calls[0]?.url ?? "")).toBe(
    '/images/search?term=b&limit=5&filters={"stars":{"2":true}}',
  );
  expect((await gantry(["search", "--format", "{{.Name}} {{.StarCount}}", "--no-trunc", "b"])).out).toBe(
    "b 30\nmine/b 3\n",
  );
});
