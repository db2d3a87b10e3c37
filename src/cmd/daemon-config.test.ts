import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_GARBAGE_POLICY } from "../core/gc/image-policy.ts";
import { decodeDaemonConfig, readDaemonConfig } from "./daemon-config.ts";

test("every key", () => {
  const document = {
    "data-root": "/d",
    "exec-root": "/e",
    group: "g",
    hosts: ["unix:///s", "tcp://127.0.0.1:1"],
    tls: true,
    tlsverify: true,
    tlscacert: "/ca",
    tlscert: "/c",
    tlskey: "/k",
    debug: true,
    "log-level": "warn",
    "log-format": "json",
    "live-restore": false,
    "shutdown-timeout": 3,
    "default-stop-timeout": 0,
    "min-api-version": "1.44",
    labels: ["a=1", "b="],
    pidfile: "/p",
    "userns-remap": "default",
    "default-runtime": "crun",
    runtimes: { crun: { path: "/usr/bin/crun" }, runsc: { path: "runsc", runtimeArgs: ["--debug"] } },
  };
  expect(decodeDaemonConfig(JSON.stringify(document))).toEqual({
    dataRoot: "/d",
    execRoot: "/e",
    group: "g",
    doors: {
      hosts: ["unix:///s", "tcp://127.0.0.1:1"],
      tls: true,
      tlsverify: true,
      tlscacert: "/ca",
      tlscert: "/c",
      tlskey: "/k",
    },
    engine: {
      debug: true,
      "log-level": "warn",
      "log-format": "json",
      "live-restore": false,
      "shutdown-timeout": 3,
      "default-stop-timeout": 0,
      "min-api-version": 44,
      labels: ["a=1", "b="],
    },
    pidFile: "/p",
    usernsRemap: "default",
    defaultRuntime: "crun",
    runtimes: Object.assign(Object.create(null), {
      crun: { path: "/usr/bin/crun", args: [] },
      runsc: { path: "runsc", args: ["--debug"] },
    }),
  });
});

test("a policy of garbage collection", () => {
  const hour = 3600 * 1000;
  expect(decodeDaemonConfig('{"gc": {}}')).toEqual({ garbage: DEFAULT_GARBAGE_POLICY });
  const images = {
    "high-watermark": "85%",
    "low-watermark": "70.5%",
    "high-size": "40g",
    "low-size": "30g",
    "max-age": "720h",
    "min-age": "1h",
    "keep-last": 3,
    "keep-labels": ["keep"],
    "keep-references": ["team/*"],
  };
  const gc = { interval: "10m", "partial-max-age": "24h", images };
  expect(decodeDaemonConfig(JSON.stringify({ gc })).garbage).toEqual({
    intervalMs: hour / 6,
    partialMaxAgeMs: 24 * hour,
    images: {
      watermark: { high: 85, low: 70.5 },
      size: { high: 40 * 2 ** 30, low: 30 * 2 ** 30 },
      maxAgeMs: 720 * hour,
      minAgeMs: hour,
      keepLast: 3,
      keepLabels: ["keep"],
      keepReferences: ["team/*"],
    },
  });
  expect(decodeDaemonConfig('{"gc": {"images": {"max-age": "48h"}}}').garbage?.images).toMatchObject({
    minAgeMs: 24 * hour,
    keepLast: 1,
    keepLabels: ["gantry.pin=true"],
  });
});

test("an empty document and an empty list say nothing", () => {
  for (const text of ["", " \n", "{}", '{"hosts": []}']) expect(decodeDaemonConfig(text)).toEqual({});
});

test.each([
  ["[]", "the document must be an object"],
  ["{", "invalid JSON"],
  ['{"nope": 1, "constructor": 2}', "don't match any configuration option: nope, constructor"],
  ['{"__proto__": 1}', "don't match any configuration option: __proto__"],
  ['{"Debug": true}', "don't match any configuration option: Debug"],
  ['{"default-stop-timeout": -1}', "invalid default stop timeout: -1"],
  ['{"resolv-conf": "x"}', "is not an absolute path"],
  ['{"min-api-version": ""}', "value is empty"],
  ['{"min-api-version": "v1.40"}', 'must be provided without "v" prefix'],
  ['{"min-api-version": "1.23"}', "minimum supported API version is 1.24: 1.23"],
  ['{"min-api-version": "1.52"}', "maximum supported API version is 1.51: 1.52"],
  ['{"min-api-version": "2.0"}', "maximum supported API version is 1.51: 2.0"],
  ['{"group": "a", "hosts": [], "gr\\u006fup": "b"}', "specified more than once: group"],
  ['{"tls": "yes"}', '"tls" must be true or false'],
  ['{"labels": ["foo"]}', "bad attribute format: foo"],
  ['{"labels": ["foo=1", "foo=2"]}', "conflict labels for foo=2 and foo=1"],
  ['{"log-level": "loud"}', "invalid logging level: loud"],
  ['{"log-format": "xml"}', "invalid log format: xml"],
  ['{"shutdown-timeout": "soon"}', '"shutdown-timeout" must be a number of seconds'],
  ['{"live-restore": "x"}', '"live-restore" must be true or false'],
  ['{"debug": "yes"}', '"debug" must be true or false'],
  ['{"group": 7}', '"group" must be a text'],
  ['{"log-opts": {"max-size": 5}}', '"log-opts.max-size" must be a text'],
  ['{"log-opts": ["a=b"]}', '"log-opts" must be an object'],
  ['{"pidfile": "a\\u0000b"}', '"pidfile" must be a text'],
  ['{"hosts": "unix:///a"}', '"hosts" must be a list'],
  ['{"runtimes": []}', '"runtimes" must be an object'],
  ['{"runtimes": {"a": "/x"}}', '"runtimes.a" must be an object'],
  ['{"runtimes": {"a": {}}}', '"runtimes.a.path" must be a text'],
  ['{"runtimes": {"a": {"path": ""}}}', 'runtime "a" has no path'],
  ['{"runtimes": {"a/b": {"path": "/x"}}}', 'invalid runtime name "a/b"'],
  [
    '{"runtimes": {"a": {"path": "/x", "runtimeType": "io.x.v1"}}}',
    '"runtimes.a.runtimeType" is not supported',
  ],
  ['{"gc": []}', '"gc" must be an object'],
  ['{"gc": {"intervall": "1h", "__proto__": 1}}', "any configuration option: gc.intervall, gc.__proto__"],
  ['{"gc": {"interval": "1s"}}', '"gc.interval" must be at least 10s'],
  ['{"gc": {"interval": 60}}', '"gc.interval" must be a duration like "24h"'],
  ['{"gc": {"images": {}}}', '"gc.images" never removes an image'],
  ['{"gc": {"images": {"max-age": "1h", "keep": 1}}}', "any configuration option: gc.images.keep"],
  ['{"gc": {"images": {"high-watermark": "85%"}}}', '"gc.images.low-watermark" must be given and less than'],
  ['{"gc": {"images": {"high-watermark": "8%", "low-watermark": "9%"}}}', "must be given and less than"],
  ['{"gc": {"images": {"high-watermark": "101%"}}}', 'must be a part like "85%"'],
  ['{"gc": {"images": {"high-size": 5}}}', 'must be a size like "40g"'],
  ['{"gc": {"images": {"max-age": "1h", "keep-last": -1}}}', '"gc.images.keep-last" must be a number'],
  ['{"gc": {"images": {"max-age": "1h", "keep-labels": "a"}}}', "must be a list of texts"],
  ['{"runtimes": {"a": {"path": "/x", "runtimeArgs": [1]}}}', '"runtimes.a.runtimeArgs" must be a text'],
])("%s is refused", (text, message) => {
  expect(() => decodeDaemonConfig(text)).toThrow(message);
});

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "gantry-config-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

test("a missing file is empty, unless it was named", async () => {
  const path = join(directory, "none.json");
  expect(await readDaemonConfig(path, false)).toEqual({});
  expect(readDaemonConfig(path, true)).rejects.toThrow(`cannot read the configuration file "${path}"`);
});

test("a mistake names the file", async () => {
  const path = join(directory, "bad.json");
  writeFileSync(path, '{"nope": 1}');
  expect(readDaemonConfig(path, false)).rejects.toThrow(`with file ${path}: the following directives`);
});

test("a file that is too large is not read", async () => {
  const path = join(directory, "large.json");
  writeFileSync(path, `{"group": "${"a".repeat(1 << 20)}"}`);
  expect(readDaemonConfig(path, false)).rejects.toThrow("is larger than 1048576 bytes");
});
