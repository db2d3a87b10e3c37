/** `gantry port`, as the stock client answers. */
import { afterEach, expect, test } from "bun:test";
import { cleanUp, fail, FakeEngine, gantry } from "../testing/fake-engine.ts";

afterEach(cleanUp);

const PORTS = {
  "80/tcp": [
    { HostIp: "::", HostPort: "8080" },
    { HostIp: "0.0.0.0", HostPort: "8080" },
  ],
  "443/udp": [{ HostIp: "127.0.0.1", HostPort: "1443" }],
  "9/sctp": null,
  "80/udp": [{ HostIp: "0.0.0.0", HostPort: "8081" }],
  "100/tcp": [{ HostIp: "", HostPort: "1" }],
  "8/tcp": [],
};

const ALL =
  "80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080\n80/udp -> 0.0.0.0:8081\n100/tcp -> :1\n443/udp -> 127.0.0.1:1443\n";

const none = (port: string): string => `Error: No public port '${port}' published for c\n`;
const wrong = (port: string, why: string): string =>
  `Error: invalid port (${port}): strconv.ParseUint: parsing "${port}": ${why}\n`;

const cases: [string[], number, string, string][] = [
  [["c"], 0, ALL, ""],
  [["c", ""], 0, ALL, ""],
  [["c", "80"], 0, "0.0.0.0:8080\n[::]:8080\n", ""],
  [["c", "80/"], 0, "0.0.0.0:8080\n[::]:8080\n", ""],
  [["c", "80/udp"], 0, "0.0.0.0:8081\n", ""],
  [["c", "443/UDP"], 0, "127.0.0.1:1443\n", ""],
  [["c", "443"], 1, "", none("443")],
  [["c", "9/sctp"], 1, "", none("9/sctp")],
  [["c", "8"], 1, "", none("8")],
  [["c", "x"], 1, "", wrong("x", "invalid syntax")],
  [["c", "70000"], 1, "", wrong("70000", "value out of range")],
  [["n"], 0, "", ""],
  [["nosuch"], 1, "", "Error response from daemon: No such container: nosuch\n"],
];
for (const [words, status, out, err] of cases)
  test(`port ${words.join(" ")}`, async () => {
    const engine = await new FakeEngine().start(({ url }, response) => {
      const ports = url.includes("/c/") ? PORTS : {};
      if (url.includes("nosuch")) fail(response, 404, "No such container: nosuch");
      else response.end(JSON.stringify({ NetworkSettings: { Ports: ports } }));
    });
    expect(await gantry(["port", ...words], engine.variables)).toEqual({ status, out, err });
  });
