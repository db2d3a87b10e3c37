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

const EXPLAINED = {
  Id: "0123",
  Name: "web",
  Ports: [
    {
      Port: "80/tcp",
      Network: "bridge",
      IPVersion: 4,
      From: "loopback",
      Reachable: true,
      By: ["127.0.0.1:8080"],
      Why: "published on 127.0.0.1",
    },
    {
      Port: "81/udp",
      Network: "bridge",
      IPVersion: 4,
      From: "lan",
      Reachable: false,
      By: [],
      Why: "not published",
    },
  ],
  Notes: ["network bridge has no IPv6"],
};

const HEADER = "CONTAINER   PORT      NETWORK   IP        FROM              BY               WHY\n";
const FIRST =
  "web         80/tcp    bridge    IPv4      host (loopback)   127.0.0.1:8080   published on 127.0.0.1\n";
const SECOND = "web         81/udp    bridge    IPv4      LAN               -                not published\n";
const NOTE = "web: network bridge has no IPv6\n";
const ONE = `{"By":"-","Container":"web","From":"LAN","IPVersion":"IPv4","Network":"bridge","Port":"81/udp","Reachable":"no","Why":"not published"}\n`;

const explained: [string[], string][] = [
  [["web"], HEADER + FIRST + SECOND + NOTE],
  [[], HEADER + FIRST + SECOND + NOTE],
  [["web", "--format", "{{.From}} {{.Reachable}}"], "host (loopback) yes\nLAN no\n"],
  [["web", "81/UDP", "--format", "json"], ONE],
  [["web", "81", "--format", "{{.By}}"], ""],
];
for (const [words, out] of explained)
  test(`port --explain ${words.join(" ")}`, async () => {
    const engine = await new FakeEngine().start(({ url }, response) => {
      response.end(JSON.stringify(url === "/containers/json" ? [{ Id: "0123" }] : EXPLAINED));
    });
    expect(await gantry(["port", "--explain", ...words], engine.variables)).toEqual({
      status: 0,
      out,
      err: "",
    });
    const asked = words.length > 0 ? ["web"] : ["json", "0123"];
    expect(engine.urls()).toEqual(
      asked.map((one) => (one === "json" ? "GET /containers/json" : `GET /containers/${one}/ports/explain`)),
    );
  });

test("port without --explain takes no format, and a container", async () => {
  const engine = await new FakeEngine().start((_, response) => response.end("{}"));
  expect(await gantry(["port", "--format", "json", "c"], engine.variables)).toMatchObject({
    status: 1,
    err: "--format is for --explain\n",
  });
  expect((await gantry(["port"], engine.variables)).err).toStartWith(
    '"gantry port" requires at least 1 and at most 2 arguments.\n',
  );
});
