import { expect, test } from "bun:test";
import { parseDaemonOptions } from "./daemon-options.ts";

test("defaults", () => {
  expect(parseDaemonOptions([])).toEqual({
    socketPath: "/run/gantry/gantry.sock",
    dataRoot: "/var/lib/gantry",
    execRoot: "/run/gantry",
    group: "docker",
    logLevel: "info",
    pidFile: "",
  });
});

test("the socket lies in the exec root unless it is given", () => {
  expect(parseDaemonOptions(["--exec-root", "/x"])).toMatchObject({ socketPath: "/x/gantry.sock" });
  expect(parseDaemonOptions(["-H", "unix:///y/s", "--exec-root=/x"])).toMatchObject({ socketPath: "/y/s" });
});

test("help, version, debug", () => {
  expect(parseDaemonOptions(["--help", "--nonsense"])).toBe("help");
  expect(parseDaemonOptions(["-v"])).toBe("version");
  expect(parseDaemonOptions(["-D"])).toMatchObject({ logLevel: "debug" });
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
  ];
  for (const [words, message] of refused) expect(() => parseDaemonOptions(words)).toThrow(message);
});
