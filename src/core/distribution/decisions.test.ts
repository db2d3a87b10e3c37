/** What is decided without a network: one table per subject. */
import { describe, expect, test } from "bun:test";
import { parseReference } from "../../specs/oci-image/reference.ts";
import { parseChallenges } from "./challenge.ts";
import { endpointsOf, urlAt } from "./endpoints.ts";
import { isLocalAddress, isLoopbackHost, parseCidr } from "./ip-range.ts";
import { announcedType, documentType } from "./manifest-document.ts";
import { parseProxy, proxyFor, shownProxy } from "./proxies.ts";
import { redirectTarget, resolveLocation } from "./redirects.ts";
import { clean, errorOfAnswer, RegistryError, retryAfterMs } from "./registry-error.ts";
import { checkInsecureRegistry, checkMirror } from "./registry-options.ts";
import { waitBefore } from "./retry.ts";
import { mergeScopes } from "./scopes.ts";
import { parseSearchTerm } from "./search.ts";
import { decodeToken } from "./tokens.ts";
import { hostOfServer } from "./login.ts";
import { manifestBytes, SHORT_LIMITS } from "./testing/client.ts";

describe("challenges", () => {
  const plain = (header: string): readonly unknown[] =>
    parseChallenges(header).map(({ scheme, parameters }) => ({ scheme, ...Object.fromEntries(parameters) }));

  test("are read as servers write them", () => {
    expect(plain('Bearer realm="https://auth/token",service="reg",scope="repository:a/b:pull,push"')).toEqual(
      [{ scheme: "bearer", realm: "https://auth/token", service: "reg", scope: "repository:a/b:pull,push" }],
    );
    expect(plain('Basic realm="a \\"b\\"", Bearer realm=x')).toEqual([
      { scheme: "basic", realm: 'a "b"' },
      { scheme: "bearer", realm: "x" },
    ]);
    expect(plain("Negotiate, Basic realm=r")).toEqual([
      { scheme: "negotiate" },
      { scheme: "basic", realm: "r" },
    ]);
    expect(plain("Negotiate YWJj==, Basic realm=r").length).toBe(2);
  });

  test.each([
    'Bearer realm="unclosed',
    'Bearer realm="a" service="b"',
    'Bearer realm="a",realm="b"',
    "Bearer =x",
    'Bearer realm="a\u0001b"',
    'Bearer realm="a",,=',
    `Bearer realm="${"a".repeat(9000)}"`,
    Array.from({ length: 20 }, (_, i) => `S${i} a=b`).join(", "),
    `Bearer ${Array.from({ length: 20 }, (_, i) => `p${i}=v`).join(",")}`,
    "=",
    '"',
  ])("%s is none", (header) => expect(parseChallenges(header)).toEqual([]));

  test("a header of 8 KiB of commas and quotes takes no time", () => {
    const start = performance.now();
    for (const text of [",", '"', "\\", 'a="', "a ", "="]) parseChallenges(text.repeat(8000 / text.length));
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

test("scopes are merged by resource; what is none is left out", () => {
  expect(mergeScopes(["repository:a/b:pull"], "repository:a/b:push,pull registry:catalog:*")).toEqual([
    "registry:catalog:*",
    "repository:a/b:pull,push",
  ]);
  expect(mergeScopes(["repository:a:pull"], 'x",scope="repository:b:pull a:b')).toEqual([
    "repository:a:pull",
  ]);
});

describe("tokens", () => {
  const of = (document: unknown): unknown => decodeToken(Buffer.from(JSON.stringify(document)), 1000);
  test.each([
    [{ token: "t" }, 61_000],
    [{ access_token: "t", expires_in: 300 }, 301_000],
    [{ token: "t", expires_in: -1 }, 61_000],
    [{ token: "t", expires_in: 2 ** 63 }, 24 * 3600_000 + 1000],
    [{ token: "t", expires_in: "soon" }, 61_000],
  ])("%j", (document, expiresAtMs) => expect(of(document)).toMatchObject({ value: "t", expiresAtMs }));

  test.each([[{}], [{ token: "" }], [{ token: "a\r\nX: y" }], [{ token: ["t"] }], [[]], ["x"], [null]])(
    "%j is no token",
    (document) => expect(() => of(document)).toThrow(/token/),
  );
});

describe("endpoints", () => {
  const urls = (name: string, access: "pull" | "push", options = {}): string[] =>
    endpointsOf(parseReference(name), access, { mirrors: [], hosts: new Map(), ...options }, ["https:"]).map(
      (endpoint) => urlAt(endpoint, "tags/list").href,
    );
  const mirrors = ["https://m/", "https://h/v2/hub/"];

  test("Docker Hub has its own host and its mirrors", () => {
    expect(urls("busybox", "pull", { mirrors })).toEqual([
      "https://m/v2/library/busybox/tags/list",
      "https://h/v2/hub/library/busybox/tags/list",
      "https://registry-1.docker.io/v2/library/busybox/tags/list",
    ]);
  });
  test("mirrors of Docker Hub are not asked for others, and never for a push", () => {
    expect(urls("ghcr.io/a/b", "pull", { mirrors })).toEqual(["https://ghcr.io/v2/a/b/tags/list"]);
    expect(urls("busybox", "push", { mirrors }).length).toBe(1);
  });
  test("a registry has the mirrors of the table", () => {
    const hosts = new Map([["ghcr.io", { mirrors: ["http://m:5000/"] }]]);
    expect(urls("ghcr.io/a/b", "pull", { hosts })[0]).toBe("http://m:5000/v2/a/b/tags/list");
  });
});

describe("mirrors and insecure registries", () => {
  test("are normalised", () => {
    expect(checkMirror("https://m.example")).toBe("https://m.example/");
    expect(checkMirror("http://m:5000/p")).toBe("http://m:5000/p/");
    expect(checkInsecureRegistry("http://r:5000")).toBe("r:5000");
    expect(checkInsecureRegistry("10.0.0.0/8")).toBe("10.0.0.0/8");
  });
  test.each([
    "m.example",
    "m:5000",
    "ftp://m",
    "https://m?q",
    "https://m#f",
    "https://u:secret@m",
    "https://",
  ])("%s is no mirror", (text) => {
    expect(() => checkMirror(text)).toThrow(/^invalid mirror: /);
    expect(() => checkMirror(text)).not.toThrow(/secret/);
  });
  test.each(["ftp://r", "10.0.0.0/33", "a/b", "", "r:99999", "a..b"])("%s is no registry", (text) =>
    expect(() => checkInsecureRegistry(text)).toThrow(/^insecure registry /),
  );
});

test("ranges hold addresses of their kind, also mapped ones", () => {
  const range = parseCidr("10.1.0.0/16");
  expect([
    range?.contains("10.1.2.3"),
    range?.contains("::ffff:10.1.2.3"),
    range?.contains("10.2.0.1"),
  ]).toEqual([true, true, false]);
  expect(parseCidr("fd00::/8")?.contains("fd12::1")).toBe(true);
  expect(["10.0.0.0", "10.0.0.0/33", "x/8", "::/129", "10.0.0/8"].map(parseCidr)).toEqual(
    Array(5).fill(undefined),
  );
});

test.each([
  ["127.0.0.1", true],
  ["127.8.9.1", true],
  ["::1", true],
  ["::ffff:127.0.0.1", true],
  ["::ffff:7f00:1", true],
  ["localhost", true],
  ["a.localhost", true],
  ["localhost.evil.example", false],
  ["notlocalhost", false],
  ["128.0.0.1", false],
])("%s is loopback: %p", (host, expected) => expect(isLoopbackHost(host)).toBe(expected));

test("addresses of this machine and its link are local", () => {
  const local = ["0.0.0.0", "169.254.169.254", "fe80::1", "::", "127.0.0.1", "::ffff:169.254.169.254"];
  expect(local.every(isLocalAddress)).toBe(true);
  expect(["10.0.0.1", "192.168.1.1", "8.8.8.8", "2001:db8::1"].some(isLocalAddress)).toBe(false);
});

describe("proxies", () => {
  const proxies = {
    http: "",
    https: "http://u:p%40ss@proxy:3128",
    exceptions: "*.skip.example,10.0.0.0/8,host:8443, .dot.example",
  };
  test.each([
    ["https://r.example/", true],
    ["http://r.example/", false],
    ["https://skip.example/", true],
    ["https://a.skip.example/", false],
    ["https://10.1.2.3/", false],
    ["https://host:8443/", false],
    ["https://host:9443/", true],
    ["https://dot.example/", true],
    ["https://a.dot.example/", false],
    ["https://127.0.0.1/", false],
    ["https://localhost:5000/", false],
  ])("%s goes through one: %p", (url, expected) =>
    expect(proxyFor(new URL(url), proxies) !== undefined).toBe(expected),
  );
  test("names and passwords are decoded for the proxy and hidden from everybody else", () => {
    expect(parseProxy(proxies.https).authorization).toBe(`Basic ${Buffer.from("u:p@ss").toString("base64")}`);
    expect(parseProxy("proxy:8080")).toMatchObject({ hostname: "proxy", port: 8080, protocol: "http:" });
    expect(shownProxy(proxies.https)).toBe("http://xxxxx:xxxxx@proxy:3128");
    expect(() => parseProxy("socks5://u:secret@p")).toThrow('proxies of the kind "socks5" are not supported');
  });
  test('"*" excepts everything', () => {
    expect(proxyFor(new URL("https://r.example"), { ...proxies, exceptions: "a,*" })).toBeUndefined();
  });
});

describe("redirects", () => {
  const from = new URL("https://r.example/v2/a/blobs/x?sig=1");
  test("lead to other hosts, relative or absolute", () => {
    expect(redirectTarget(from, 307, "https://s3.example/x?sig=2")?.href).toBe("https://s3.example/x?sig=2");
    expect(redirectTarget(from, 301, "../y")?.href).toBe("https://r.example/v2/a/y");
    expect(redirectTarget(from, 200, "https://s3.example/")).toBeUndefined();
  });
  test.each(["http://s3.example/x", "ftp://x/", "file:///etc/passwd", "", "https://", "javascript:alert(1)"])(
    "%s is refused",
    (location) => expect(() => redirectTarget(from, 302, location)).toThrow(),
  );
  test("users in a URL are dropped", () => {
    expect(resolveLocation(from, "https://u:p@s3.example/x#f").href).toBe("https://s3.example/x");
  });
});

describe("error documents", () => {
  const said = (status: number, body: string, headers: Record<string, string> = {}): RegistryError =>
    errorOfAnswer({ status, statusText: "Text", header: (name) => headers[name], body, nowMs: 0 });

  test.each([
    [404, '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"m"}]}', "not_found", "manifest unknown: m"],
    [
      401,
      '{"details":"incorrect username or password"}',
      "unauthorized",
      "unauthorized: incorrect username or password",
    ],
    [401, "<html>", "unauthorized", "unauthorized: authentication required"],
    [403, "", "forbidden", "denied: requested access to the resource is denied"],
    [429, "{}", "unavailable", "toomanyrequests: too many requests"],
    [429, '{"details":"slow down"}', "unavailable", "toomanyrequests: slow down"],
    [400, "nope", "invalid_argument", 'error parsing HTTP 400 response body: "nope"'],
    [418, '{"errors":[{"code":"a b","message":"x"}]}', "invalid_argument", "unknown: x"],
    [404, '{"errors":[{"code":"__proto__","message":{}}]}', "not_found", "unknown: unknown error"],
    [
      500,
      '{"errors":[{"code":"UNKNOWN","message":"boom"}]}',
      "unavailable",
      "received unexpected HTTP status: 500 Text: unknown: boom",
    ],
    [502, "<html>", "unavailable", "received unexpected HTTP status: 502 Text"],
  ])("%d %s", (status, body, category, message) =>
    expect(said(status, body)).toMatchObject({ category, message, status }),
  );
  test("a bearer challenge may say why", () => {
    const header = 'Bearer realm="r",error="insufficient_scope"';
    expect(said(401, "{}", { "www-authenticate": header }).message).toBe(
      "denied: requested access to the resource is denied",
    );
  });
  test("text from strangers is one short line", () => {
    const body = JSON.stringify({
      errors: [{ code: "DENIED", message: `\u001b[31m\n\r\u202e${"x".repeat(5000)}` }],
    });
    const { message } = said(403, body);
    expect(message).toMatch(/^denied: \S? ?\[31m x+…$/);
    expect(message.length).toBeLessThan(1100);
  });
  test("what may be tried again", () => {
    expect([401, 404, 408, 429, 500, 503].map((status) => said(status, "").mayRetry)).toEqual([
      false,
      false,
      true,
      true,
      true,
      true,
    ]);
  });
});

test.each([
  ["0", 0],
  ["120", 120_000],
  ["Thu, 01 Jan 1970 00:00:10 GMT", 10_000],
  ["-1", undefined],
  ["1e9", undefined],
  ["soon", undefined],
  ["99999999999999999999", undefined],
  ["999999999", 2 ** 31],
])("Retry-After %s", (header, expected) => expect(retryAfterMs(header, 0)).toBe(expected));

test("waits grow, are bounded, and end", () => {
  const error = new RegistryError("unavailable", "x", { mayRetry: true });
  const options = { maxAttempts: 5, limits: { ...SHORT_LIMITS, firstWaitMs: 500, longestWaitMs: 3000 } };
  expect([2, 3, 4, 5, 6].map((n) => waitBefore(n, error, options, 1))).toEqual([
    500,
    1000,
    2000,
    3000,
    undefined,
  ]);
  expect(waitBefore(2, error, options, 0)).toBe(250);
  expect(waitBefore(2, new RegistryError("not_found", "x"), options, 1)).toBeUndefined();
  const later = (retryAfterMs: number): RegistryError =>
    new RegistryError("unavailable", "x", { mayRetry: true, retryAfterMs });
  expect([waitBefore(2, later(2500), options, 1), waitBefore(2, later(3001), options, 1)]).toEqual([
    2500,
    undefined,
  ]);
});

describe("manifest documents", () => {
  test("media types must agree", () => {
    const oci = "application/vnd.oci.image.manifest.v1+json";
    expect(documentType(manifestBytes(), oci, "x")).toBe(oci);
    expect(documentType(manifestBytes({ mediaType: undefined }), "", "x")).toBe(oci);
    expect(() =>
      documentType(manifestBytes(), "application/vnd.docker.distribution.manifest.v2+json", "x"),
    ).toThrow("and came as");
    expect(() => documentType(manifestBytes({ manifests: [] }), "", "x")).toThrow(
      "both an index and a manifest",
    );
  });
  test("schema 1 is refused by name", () => {
    expect(() => announcedType("application/vnd.docker.distribution.manifest.v1+prettyjws", "old:1")).toThrow(
      "schema 1 support has been removed. Suggest the author of old:1",
    );
    expect(() => documentType(Buffer.from('{"schemaVersion":1}'), "", "old:1")).toThrow("schema 1");
    expect(() => announcedType("text/html", "x")).toThrow("unsupported manifest media type");
  });
});

test("servers and search terms name their host", () => {
  expect(["", "docker.io", "https://index.docker.io/v1/"].map(hostOfServer)).toEqual(
    Array(3).fill("registry-1.docker.io"),
  );
  expect(hostOfServer("https://r.example:5000/v2/")).toBe("r.example:5000");
  expect(() => hostOfServer("a b")).toThrow("invalid registry host");
  expect(parseSearchTerm("library/busybox")).toEqual({ host: "index.docker.io", text: "busybox" });
  expect(parseSearchTerm("localhost:5000/a/b")).toEqual({ host: "localhost:5000", text: "a/b" });
  expect(() => parseSearchTerm("https://x/y")).toThrow("should not have a scheme");
});

test("clean() leaves no control characters", () => {
  expect(clean("a\u0000\u0007b\u2028c")).toBe("a b c");
});
