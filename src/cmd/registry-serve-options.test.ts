import { describe, expect, test } from "bun:test";
import { decodeServeFile, parseServeFlags, SERVE_HELP, serveOptions } from "./registry-serve-options.ts";

function options(words: readonly string[], file = "{}"): ReturnType<typeof serveOptions> {
  const flags = parseServeFlags(words);
  if (flags === "help") throw new Error("help");
  return serveOptions(flags.given, decodeServeFile(file));
}

test("without options it listens on the loopback, for everybody", () => {
  const { listen, adminListen, dataRoot, tls, htpasswd, token, mirror, isReadOnly, gc, limits } = options([]);
  expect({ listen, adminListen, dataRoot, tls, htpasswd, token, mirror, isReadOnly, gc }).toEqual({
    listen: { host: "127.0.0.1", port: 5000 },
    adminListen: undefined,
    dataRoot: "/var/lib/gantry/registry",
    tls: undefined,
    htpasswd: "",
    token: undefined,
    mirror: undefined,
    isReadOnly: false,
    gc: { intervalMs: 24 * 3600_000, graceMs: 3600_000, untagged: "keep" },
  });
  expect(limits.maxBlobBytes).toBe(64 * 2 ** 30);
});

test("flags and file say the same things", () => {
  const flags = options([
    "--listen=:443",
    "--admin-listen",
    "[::1]:9000",
    "--tls-cert=/c",
    "--tls-key=/k",
    "--htpasswd=/h",
    "--anonymous-pull",
    "--token",
    "--token-service=s",
    "--read-only",
    "--gc-interval=0",
    "--gc-untagged",
    "--max-blob-size=1g",
    "--max-uploads=7",
    "-D",
  ]);
  const file = options(
    [],
    JSON.stringify({
      listen: ":443",
      "admin-listen": "[::1]:9000",
      "tls-cert": "/c",
      "tls-key": "/k",
      htpasswd: "/h",
      "anonymous-pull": true,
      token: true,
      "token-service": "s",
      "read-only": true,
      "gc-interval": "0",
      "gc-untagged": true,
      "max-blob-size": 2 ** 30,
      "max-uploads": 7,
      debug: true,
    }),
  );
  expect(file).toEqual(flags);
  expect(flags.listen).toEqual({ host: "::", port: 443 });
  expect(flags.adminListen).toEqual({ host: "::1", port: 9000 });
  expect(flags.token?.keyFile).toBe("/var/lib/gantry/registry/token-key.pem");
  expect(flags.logLevel).toBe("debug");
});

describe("refused by name", () => {
  test.each([
    [["--nothing"], "{}", 'unknown option "--nothing"'],
    [["listen"], "{}", 'unknown option "listen"'],
    [["--listen"], "{}", 'option "--listen" needs a value'],
    [["--listen", "a:1", "--listen", "b:2"], "{}", 'option "--listen" is given twice'],
    [["--listen=5000"], "{}", '"listen" is not HOST:PORT: "5000"'],
    [["--listen=a:99999"], "{}", '"listen" is not HOST:PORT'],
    [["--gc-grace=1"], "{}", '"gc-grace" is no duration: "1"'],
    [["--gc-grace=-1h"], "{}", '"gc-grace" is no duration'],
    [["--max-blob-size=big"], "{}", '"max-blob-size" is no size: "big"'],
    [["--max-uploads=0"], "{}", '"max-uploads" is no number from 1 on: "0"'],
    [["--log-level=loud"], "{}", 'unknown log level "loud"'],
    [["--read-only=maybe"], "{}", '"read-only" is true or false'],
    [["--tls-cert=/c"], "{}", '"tls-cert" and "tls-key" need each other'],
    [["--token"], "{}", '"token" means nothing without "--htpasswd"'],
    [["--anonymous-pull"], "{}", '"anonymous-pull" means nothing without "--htpasswd"'],
    [["--htpasswd=/h", "--token-url=x"], "{}", '"token-url" means nothing without "--token"'],
    [["--mirror-user=x"], "{}", '"mirror-user" means nothing without "--mirror-of"'],
    [
      ["--htpasswd=/h", "--token", '--token-service=a"b'],
      "{}",
      '"token-service" has characters that no header can have',
    ],
    [[], "[]", "the document must be an object"],
    [[], "{", "invalid JSON"],
    [[], '{"listn":":1"}', 'field "listn" is no option'],
    [[], '{"__proto__":":1"}', 'field "__proto__" is no option'],
    [[], '{"listen":5000}', 'field "listen" must be a string'],
    [[], '{"token":"yes"}', 'field "token" must be a boolean'],
    [[], '{"max-uploads":"7"}', 'field "max-uploads" must be a number'],
    [[], '{"config":"x"}', 'field "config" is no option'],
    [[], '{"access":[{"users":["a"],"actions":["x"]}]}', 'field "access[0].actions[0]"'],
    [[], '{"access":[{"users":["a"]}]}', '"access" means nothing without "--htpasswd"'],
    [["--listen=:1"], '{"listen":":2"}', "given both as a flag and in the configuration file: listen"],
  ])("%j %s", (words, file, message) => {
    expect(() => options(words, file)).toThrow(message);
  });
});

test("the help names every option, and every option of the help is one", () => {
  const named = [...SERVE_HELP.matchAll(/--([a-z-]+)/g)].map(([, name]) => name ?? "");
  for (const name of named) {
    try {
      parseServeFlags([`--${name}=x`]);
    } catch (error) {
      throw new Error(`--${name} of the help is no option`, { cause: error });
    }
  }
  expect(new Set(named).size).toBe(27);
});
