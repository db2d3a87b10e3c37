import { DEFAULT_GARBAGE_POLICY } from "../core/gc/image-policy.ts";
import { expect, test } from "bun:test";
import type { DaemonConfig } from "./daemon-config.ts";
import { configFileOf, type DaemonOptions, daemonOptions, parseDaemonFlags } from "./daemon-options.ts";

function parse(words: readonly string[], config: DaemonConfig = {}): DaemonOptions {
  const flags = parseDaemonFlags(words);
  if (flags === "help" || flags === "version") throw new Error(`not options: ${flags}`);
  return daemonOptions(flags, config);
}

test("defaults", () => {
  expect(parse([])).toEqual({
    socketPath: "/run/gantry/gantry.sock",
    dataRoot: "/var/lib/gantry",
    execRoot: "/run/gantry",
    group: "docker",
    logLevel: "info",
    pidFile: "",
    runtimes: new Map(),
    defaultRuntime: "",
    usernsRemap: "",
    registry: {},
    network: {},
    garbage: DEFAULT_GARBAGE_POLICY,
    storageDriver: "",
    maxDownloads: 3,
    maxUploads: 5,
  });
});

test("the socket lies in the exec root unless it is given", () => {
  expect(parse(["--exec-root", "/x"])).toMatchObject({ socketPath: "/x/gantry.sock" });
  expect(parse(["-H", "unix:///y/s", "--exec-root=/x"])).toMatchObject({ socketPath: "/y/s" });
});

test("help, version, debug", () => {
  expect(parseDaemonFlags(["--help", "--nonsense"])).toBe("help");
  expect(parseDaemonFlags(["-v"])).toBe("version");
  expect(parse(["-D"])).toMatchObject({ logLevel: "debug" });
});

test("mistakes are refused in one sentence", () => {
  const refused: readonly (readonly [readonly string[], string])[] = [
    [["--nope"], 'unknown option "--nope"'],
    [["--host"], 'option "--host" needs a value'],
    [["--host", "tcp://0.0.0.0:2375"], "only unix:// sockets are supported yet"],
    [["--host", "unix://a"], "is not absolute"],
    [["--host", `unix:///${"a".repeat(107)}`], "longer than 107 bytes"],
    [["-H", "unix:///a", "-H", "unix:///b"], "can be given once only"],
    [["--log-level", "loud"], 'unknown log level "loud"'],
    [["--add-runtime", "crun"], "is not NAME=PATH"],
    [["--add-runtime", "a/b=/x"], 'invalid runtime name "a/b"'],
    [["--add-runtime", "a="], 'runtime "a" has no path'],
    [["--add-runtime", "a=/x", "--add-runtime=a=/y"], 'runtime "a" is added twice'],
  ];
  for (const [words, message] of refused) expect(() => parse(words)).toThrow(message);
});

test("runtimes come from flags and the file together", () => {
  const options = parse(["--add-runtime", "crun=/usr/bin/crun", "--add-runtime=constructor=/p"], {
    runtimes: { runsc: { path: "/usr/bin/runsc", args: ["--debug"] } },
    defaultRuntime: "runsc",
  });
  expect([...options.runtimes]).toEqual([
    ["runsc", { path: "/usr/bin/runsc", args: ["--debug"] }],
    ["crun", { path: "/usr/bin/crun", args: [] }],
    ["constructor", { path: "/p", args: [] }],
  ]);
  expect(options.defaultRuntime).toBe("runsc");
});

test("what the file says holds unless nothing is said", () => {
  expect(parse([], { host: "unix:///f/s", group: "ops", usernsRemap: "default" })).toMatchObject({
    socketPath: "/f/s",
    group: "ops",
    usernsRemap: "default",
  });
});

test("a directive in both places is refused with both values", () => {
  expect(() => parse(["--group", "a", "-D"], { group: "b", logLevel: "info" })).toThrow(
    "both as a flag and in the configuration file: group: (from flag: a, from file: b), log-level: (from flag: debug, from file: info)",
  );
  expect(() => parse(["--add-runtime", "x=/a"], { runtimes: { x: { path: "/b", args: [] } } })).toThrow(
    "runtimes: x",
  );
});

test("a configuration file that was named must exist", () => {
  const flags = parseDaemonFlags(["--config-file", "/etc/my.json"]);
  if (typeof flags === "string") throw new Error(flags);
  expect(configFileOf(flags)).toEqual({ path: "/etc/my.json", mustExist: true });
  expect(configFileOf({ runtimes: {}, registry: {}, network: {} })).toEqual({
    path: "/etc/gantry/daemon.json",
    mustExist: false,
  });
});
