import { DEFAULT_GARBAGE_POLICY } from "../core/gc/image-policy.ts";
import { expect, test } from "bun:test";
import { NO_DEFAULTS } from "../engine/containers/container-defaults.ts";
import { formatDoor } from "../api/doors/address.ts";
import { type DaemonConfig, decodeDaemonConfig } from "./daemon-config.ts";
import { configFileOf, type DaemonOptions, daemonOptions, parseDaemonFlags } from "./daemon-options.ts";

function parse(words: readonly string[], config: DaemonConfig = {}): DaemonOptions {
  const flags = parseDaemonFlags(words);
  if (flags === "help" || flags === "version") throw new Error(`not options: ${flags}`);
  return daemonOptions(flags, config);
}

test("defaults", () => {
  expect(parse([])).toEqual({
    doors: {
      addresses: [{ kind: "unix", path: "/run/gantry/gantry.sock" }],
      tls: undefined,
      isOpenOnPurpose: false,
    },
    dataRoot: "/var/lib/gantry",
    execRoot: "/run/gantry",
    group: "docker",
    engine: {
      debug: false,
      logLevel: "info",
      logFormat: "text",
      liveRestore: true,
      shutdownSeconds: 15,
      defaultStopSeconds: 10,
      minimumApiMinor: 24,
      labels: [],
      metrics: undefined,
      authorizationPlugins: [],
    },
    logConfig: { Type: "json-file", Config: {} },
    containers: NO_DEFAULTS,
    cdiSpecDirs: ["/etc/cdi", "/var/run/cdi"],
    pidFile: "",
    runtimes: new Map(),
    defaultRuntime: "",
    usernsRemap: "",
    registry: {},
    network: {},
    garbage: DEFAULT_GARBAGE_POLICY,
    storageDriver: "",
    storageOptions: [],
    maxDownloads: 3,
    maxUploads: 5,
  });
});

function addresses(words: readonly string[]): readonly string[] {
  return parse(words).doors.addresses.map(formatDoor);
}

test("the log driver and its options, from one side", () => {
  expect(parse(["--log-driver", "local", "--log-opt", "max-size=1m", "--log-opt=max-file=3"])).toMatchObject({
    logConfig: { Type: "local", Config: { "max-size": "1m", "max-file": "3" } },
  });
  expect(parse([], { logs: { "log-opts": { labels: "a" } } })).toMatchObject({
    logConfig: { Type: "json-file", Config: { labels: "a" } },
  });
  expect(() => parse(["--log-opt", "a=1"], { logs: { "log-opts": { b: "2" } } })).toThrow("log-opts");
  expect(() => parse(["--log-opt", "a"])).toThrow("is not NAME=VALUE");
  expect(() => parse(["--log-opt", "foo=1"])).toThrow(
    "failed to set log opts: unknown log opt 'foo' for json-file log driver",
  );
  expect(() => parse(["--log-driver", "nope"])).toThrow('plugin "nope" not found');
});

test("the socket lies in the exec root unless it is given", () => {
  expect(addresses(["--exec-root", "/x"])).toEqual(["unix:///x/gantry.sock"]);
  expect(addresses(["-H", "unix:///y/s", "--exec-root=/x"])).toEqual(["unix:///y/s"]);
  expect(addresses(["-H", "unix://", "--exec-root=/x"])).toEqual(["unix:///x/gantry.sock"]);
});

test("there can be many doors, each once; TLS changes the port of those that name none", () => {
  const words = ["-H", "unix:///a", "-H", "fd://", "-H=fd://4", "-H", "tcp://", "-H", "unix:///a"];
  expect(addresses([...words, "--tls=false"])).toEqual([
    "unix:///a",
    "fd://",
    "fd://4",
    "tcp://localhost:2375",
  ]);
  expect(addresses(["-H", "[::1]", "-H", ":99", "--tlsverify"])).toEqual([
    "tcp://[::1]:2376",
    "tcp://localhost:99",
  ]);
});

test("TCP without client certificates is refused unless that is said to be wanted", () => {
  for (const words of [[], ["--tls"], ["--tls=true"]])
    expect(() => parse(["-H", "tcp://127.0.0.1:2375", ...words])).toThrow(
      "refused to listen on tcp://127.0.0.1:2375: without client certificates",
    );
  expect(parse(["-H", "tcp://:1", "--tls=false"]).doors.tls).toBeUndefined();
  expect(parse(["-H", "tcp://:1", "--tlsverify=false"]).doors.tls).toEqual({
    cert: "/root/.docker/cert.pem",
    key: "/root/.docker/key.pem",
    clientAuthorities: undefined,
  });
  expect(parse(["-H", "tcp://:1", "--tlsverify", "--tlscert", "/c", "--tlscacert=/a"]).doors.tls).toEqual({
    cert: "/c",
    key: "/root/.docker/key.pem",
    clientAuthorities: "/a",
  });
});

test("help, version, debug", () => {
  expect(parseDaemonFlags(["--help", "--nonsense"])).toBe("help");
  expect(parseDaemonFlags(["-v"])).toBe("version");
  expect(parse(["-D"]).engine).toMatchObject({ debug: true, logLevel: "debug" });
  expect(parse(["-D=false", "-l", "fatal"]).engine).toMatchObject({ debug: false, logLevel: "error" });
});

test("mistakes are refused in one sentence", () => {
  const refused: readonly (readonly [readonly string[], string])[] = [
    [["--nope"], 'unknown option "--nope"'],
    [["--host"], 'option "--host" needs a value'],
    [["--host", "unix://a"], "invalid bind address (unix://a): the socket's path is not absolute"],
    [["--host", `unix:///${"a".repeat(107)}`], "longer than 107 bytes"],
    [["-H", "nope://x"], "invalid bind address (nope://x): unsupported proto 'nope'"],
    [["-H", "tcp://a:b:c"], "invalid bind address (tcp://a:b:c)"],
    [["-H", "tcp://a:0"], "invalid bind address (tcp://a:0)"],
    [["-H", "fd://2"], "invalid bind address (fd://2)"],
    [["--tls=maybe"], 'invalid argument "maybe" for "--tls" flag'],
    [["--label", "a=1", "--label", "a=2"], "conflict labels for a=2 and a=1"],
    [["--shutdown-timeout", "x"], "must be a number of seconds"],
    [["--default-stop-timeout", "-3"], "invalid default stop timeout: -3"],
    [["--log-level", "loud"], "invalid logging level: loud"],
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
  expect(
    parse([], { doors: { hosts: ["unix:///f/s"] }, group: "ops", usernsRemap: "default" }),
  ).toMatchObject({
    doors: { addresses: [{ kind: "unix", path: "/f/s" }] },
    group: "ops",
    usernsRemap: "default",
  });
});

test("a directive in both places is refused with both values", () => {
  expect(() => parse(["--group", "a", "-D"], { group: "b", engine: { debug: false } })).toThrow(
    "both as a flag and in the configuration file: group: (from flag: a, from file: b), debug: (from flag: true, from file: false)",
  );
  expect(() => parse(["-H", "tcp://0.0.0.0:22"], { doors: { hosts: ["tcp://1.2.3.4:1", "fd://"] } })).toThrow(
    "hosts: (from flag: [tcp://0.0.0.0:22], from file: [tcp://1.2.3.4:1 fd://])",
  );
  expect(() => parse(["--add-runtime", "x=/a"], { runtimes: { x: { path: "/b", args: [] } } })).toThrow(
    "runtimes: x",
  );
});

test("a configuration file that was named must exist", () => {
  const flags = parseDaemonFlags(["--config-file", "/etc/my.json"]);
  if (typeof flags === "string") throw new Error(flags);
  expect(configFileOf(flags)).toEqual({ path: "/etc/my.json", mustExist: true });
  expect(
    configFileOf({
      runtimes: {},
      registry: {},
      network: {},
      doors: {},
      engine: {},
      logs: {},
      containers: {},
    }),
  ).toEqual({
    path: "/etc/gantry/daemon.json",
    mustExist: false,
  });
});

test("metrics and authorization plugins, as flags and in the file", () => {
  const options = (words: readonly string[], file: string) => parse(words, decodeDaemonConfig(file)).engine;
  const plugins = ["--authorization-plugin=a", "--authorization-plugin", "b", "--authorization-plugin=a"];
  expect(options(["--metrics-addr", "127.0.0.1:9323", ...plugins], "")).toMatchObject({
    metrics: { host: "127.0.0.1", port: 9323 },
    authorizationPlugins: ["a", "b"],
  });
  expect(options([], '{"metrics-addr": ":1", "authorization-plugins": ["c"]}')).toMatchObject({
    metrics: { host: "", port: 1 },
    authorizationPlugins: ["c"],
  });
  expect(() => options(["--authorization-plugin=../x"], "")).toThrow(
    "invalid name of an authorization plugin",
  );
  expect(() => options(["--metrics-addr=9323"], "")).toThrow("HOST:PORT");
});

test("options of the storage driver, from one side", () => {
  expect(parse(["--storage-opt", "a=1", "--storage-opt=b=2"]).storageOptions).toEqual(["a=1", "b=2"]);
  const file = { containers: { "storage-opts": ["overlay2.size=1G"] } };
  expect(parse([], file).storageOptions).toEqual(["overlay2.size=1G"]);
  expect(() => parse(["--storage-opt", "a=1"], file)).toThrow(
    "storage-opts: (from flag: [a=1], from file: [overlay2.size=1G])",
  );
});
