import { expect, test } from "bun:test";
import { decodeDaemonConfig } from "./daemon-config.ts";
import { daemonOptions, parseDaemonFlags } from "./daemon-options.ts";
import { registryOptions, type RegistrySettings } from "./registry-settings.ts";

function settings(words: readonly string[], file = ""): RegistrySettings {
  const flags = parseDaemonFlags(words);
  if (typeof flags === "string") throw new Error(flags);
  return daemonOptions(flags, decodeDaemonConfig(file)).registry;
}

test("flags and keys say the same", () => {
  const words = [
    "--registry-mirror=https://a",
    "--registry-mirror",
    "https://b/c",
    "--insecure-registry=r:5000",
    "--insecure-registry=10.0.0.0/8",
    "--max-download-attempts=7",
    "--http-proxy=http://p:1",
    "--https-proxy=http://u:p@p:2",
    "--no-proxy=a,b",
  ];
  const file = {
    "registry-mirrors": ["https://a", "https://b/c"],
    "insecure-registries": ["r:5000", "10.0.0.0/8"],
    "max-download-attempts": 7,
    proxies: { "http-proxy": "http://p:1", "https-proxy": "http://u:p@p:2", "no-proxy": "a,b" },
  };
  expect(settings(words)).toEqual(settings([], JSON.stringify(file)));
  expect(registryOptions(settings(words), new Map(), "x")).toMatchObject({
    mirrors: ["https://a/", "https://b/c/"],
    insecure: ["r:5000", "10.0.0.0/8"],
    maxAttempts: 7,
    proxies: { http: "http://p:1", https: "http://u:p@p:2", exceptions: "a,b" },
  });
});

test("any registry may have mirrors of its own", () => {
  const { hosts } = registryOptions(
    settings([], '{"registry-hosts": {"ghcr.io": {"mirrors": ["https://m.example/v2/ghcr"]}}}'),
    new Map(),
    "x",
  );
  expect([...hosts]).toEqual([["ghcr.io", { mirrors: ["https://m.example/v2/ghcr/"] }]]);
});

test("proxies come from the environment when nothing is said", () => {
  const environment = new Map([
    ["https_proxy", "p:3128"],
    ["HTTP_PROXY", "http://q"],
    ["NO_PROXY", "c"],
  ]);
  expect(registryOptions({}, environment, "x").proxies).toEqual({
    http: "http://q",
    https: "p:3128",
    exceptions: "c",
  });
  expect(registryOptions({ "http-proxy": "" }, environment, "x").proxies.http).toBe("");
});

test.each([
  ['{"registry-mirrors": ["m"]}', "invalid mirror: no scheme specified"],
  ['{"registry-mirrors": "https://m"}', '"registry-mirrors" must be a list'],
  ['{"registry-mirrors": ["https://u:secret@m"]}', "username/password not allowed"],
  ['{"insecure-registries": ["ftp://x"]}', "should not contain '://'"],
  ['{"registry-hosts": {"a/b": {}}}', 'invalid registry host "a/b"'],
  ['{"registry-hosts": {"a": {}}}', '"registry-hosts.a.mirrors" must be a list'],
  ['{"registry-hosts": {"a": {"mirrors": [], "ca": ""}}}', '"registry-hosts.a.ca" is not known'],
  ['{"registry-hosts": {"a": {"mirrors": ["x"]}}}', "invalid mirror"],
  ['{"max-download-attempts": -1}', "invalid max download attempts: -1"],
  ['{"max-download-attempts": "5"}', "invalid max download attempts"],
  ['{"proxies": {"ftp-proxy": "x"}}', '"proxies.ftp-proxy" is not known'],
  ['{"https-proxy": "socks5://p"}', 'proxies of the kind "socks5" are not supported'],
])("%s is refused", (text, message) => {
  expect(() => settings([], text)).toThrow(message);
  expect(() => settings([], text)).not.toThrow("secret");
});

test("what flag and file both say is refused", () => {
  expect(() => settings(["--registry-mirror=https://a"], '{"registry-mirrors": []}')).toThrow(
    "specified both as a flag and in the configuration file: registry-mirrors",
  );
});
