/** Networks while there is no daemon, and after the next one has come. */
import { join } from "node:path";
import { beforeAll, expect, test } from "bun:test";
import { probeArchive } from "../../conformance/network/image.ts";
import { HOST, NEIGHBOUR } from "../../conformance/network/neighbour.ts";
import type { StreamReport } from "../../conformance/network/stream-probe.ts";
import { HOST_SETUP, IMAGE, World } from "../../conformance/network/world.ts";
import { GANTRY, ROOT } from "../../support/engine.ts";
import { must } from "../../support/run.ts";
import { engineSuite } from "../../support/suite.ts";
import { SLOWNESS, until } from "../../support/until.ts";

const PROBE = join(ROOT, "test", "conformance", "network", "stream-probe.ts");
const ECHO = "90";

/** The same from everywhere: with the daemon, without it, and with the next one. */
const REACHED: readonly (readonly [from: string, address: string, port: number, seen: string])[] = [
  ["neighbour", HOST.ipv4, 8080, NEIGHBOUR.ipv4],
  ["neighbour", HOST.ipv6, 8080, "10.81.1.1"],
  ["neighbour", HOST.ipv4, 8081, "refused"],
  ["neighbour", "10.81.1.10", 80, "no answer"],
  ["host", "127.0.0.1", 8080, "10.81.1.1"],
  ["host", "127.0.0.1", 8081, "10.81.1.1"],
  ["host", "::1", 8080, "10.81.1.1"],
  ["lan-friend", "10.81.1.10", 80, "10.81.1.11"],
  ["lan-friend", HOST.ipv4, 8080, "10.81.1.1"],
  ["lan-stranger", "10.81.1.10", 80, "no answer"],
  ["lan-stranger", HOST.ipv4, 8080, "10.81.1.1"],
];

engineSuite("networks without a daemon", { host: HOST_SETUP }, (engine) => {
  const ok = (...args: readonly string[]) => engine().ok(args);

  beforeAll(async () => {
    await ok("load", "-q", "-i", await probeArchive());
    await ok("network", "create", "lan-first");
    await ok("run", "--rm", "--network", "lan-first", "-p", "8080:80", IMAGE, "true");
    await ok("network", "rm", "lan-first");
  }, 60_000);

  /** lan-web is published, lan-friend is its neighbour, lan-stranger in another network, and the LAN has a server of names. */
  async function makeWorld(): Promise<World> {
    const world = await World.make({ cli: [GANTRY, "--host", engine().host], hostPid: engine().hostPid });
    await world.network("lan-front", "--subnet", "10.81.1.0/24");
    await world.network("lan-back", "--subnet", "10.81.2.0/24");
    const front = (address: string) => ["--network", "lan-front", "--ip", address, "--dns", NEIGHBOUR.ipv4];
    const ports = ["8080:80", "127.0.0.1:8081:80", `8082:${ECHO}`].flatMap((text) => ["-p", text]);
    await Promise.all([
      world.container("lan-web", ...front("10.81.1.10"), ...ports),
      world.container("lan-friend", ...front("10.81.1.11")),
      world.container("lan-stranger", "--network", "lan-back"),
    ]);
    await world.serve("neighbour", "dns-upstream.ts", NEIGHBOUR.ipv4);
    return world;
  }

  async function reached(world: World): Promise<typeof REACHED> {
    return Promise.all(
      REACHED.map(
        async ([from, address, port]) =>
          [from, address, port, await world.ask({ from, address, port })] as const,
      ),
    );
  }

  async function stream(
    world: World,
    [from, address, port]: readonly [from: string, address: string, port: string],
    ms: number,
  ): Promise<StreamReport> {
    const command = await world.at(from, [process.execPath, PROBE, address, port, String(ms)]);
    const report: StreamReport = JSON.parse(await must(command, { timeoutMs: ms + 30_000 }));
    return report;
  }

  test("connections go on and new ones succeed", async () => {
    await using world = await makeWorld();
    await world.serve("lan-web", "echo-server.ts", ECHO);
    expect(await reached(world)).toEqual(REACHED);
    const ms = 5000 * SLOWNESS;
    const ends = [
      ["neighbour", HOST.ipv4, "8082"],
      ["neighbour", HOST.ipv6, "8082"],
      ["host", "127.0.0.1", "8082"],
      ["lan-friend", "10.81.1.10", ECHO],
      ["lan-stranger", HOST.ipv4, "8082"],
    ] as const;
    const streams = Promise.all(ends.map((each) => stream(world, each, ms)));
    await Bun.sleep(500); // they are under way
    await engine().kill9();
    expect(await reached(world)).toEqual(REACHED);
    // At no moment of the next daemon's start either.
    const seen = new Set<string>();
    const isUp = new AbortController();
    const asking = (async () => {
      while (!isUp.signal.aborted)
        for (const from of ["neighbour", "lan-friend"])
          seen.add(`${from}: ${await world.ask({ from, address: HOST.ipv4, port: 8080 })}`);
    })();
    await engine().launch();
    isUp.abort();
    await asking;
    expect([...seen].sort()).toEqual(["lan-friend: 10.81.1.1", `neighbour: ${NEIGHBOUR.ipv4}`]);
    expect(await reached(world)).toEqual(REACHED);
    for (const { lines, longestGapMs } of await streams) {
      expect(lines).toBeGreaterThan(100);
      expect(longestGapMs).toBeLessThan(1000 * SLOWNESS);
    }
  }, 60_000);

  test("questions for names wait for the next daemon", async () => {
    await using world = await makeWorld();
    await engine().kill9();
    const names = ["lan-web", "lan-friend", "plain.test"].map((name) => ({ name, type: "A" }));
    const asked = world.resolve("lan-friend", [...names, { name: "lan-web", type: "A", transport: "tcp" }]);
    await Bun.sleep(1000); // they have been asked
    await engine().launch();
    const answers = (await asked).map((each) => (typeof each === "string" ? each : each.records.join(" ")));
    expect(answers).toEqual(["A 10.81.1.10", "A 10.81.1.11", "A 198.51.100.1", "A 10.81.1.10"]);
  }, 60_000);

  test("the next daemon knows what is taken, and gives it back", async () => {
    await using world = await makeWorld();
    const before = await ok("port", "lan-web");
    await engine().kill9();
    await engine().launch();
    expect(await ok("port", "lan-web")).toBe(before);
    const run = ["run", "--rm", "--network", "lan-front", "-p"];
    const clash = await engine().gantry([...run, "8080:80", IMAGE, "true"]);
    expect(clash.stderr).toContain("Bind for 0.0.0.0:8080 failed: port is already allocated");
    const same = await engine().gantry([...run, "8089:80", "--ip", "10.81.1.10", IMAGE, "true"]);
    expect(same.stderr).toContain("Address already in use");
    await ok("rm", "-f", "lan-web");
    expect(await world.ask({ from: "neighbour", address: HOST.ipv4, port: 8080 })).toBe("refused");
    expect(await world.ask({ from: "neighbour", address: HOST.ipv6, port: 8080 })).toBe("refused");
    await ok(...run, "8080:80", "--ip", "10.81.1.10", IMAGE, "true");
  }, 60_000);

  test("what a container had that ended meanwhile is free", async () => {
    await using world = await makeWorld();
    const pid = await world.pidOf("lan-web");
    await engine().kill9();
    process.kill(pid, "SIGKILL");
    await engine().launch();
    await until("the end to be known", async () => (await ok("ps", "-q", "--filter", "name=lan-web")) === "");
    expect(await world.ask({ from: "neighbour", address: HOST.ipv4, port: 8080 })).toBe("refused");
    const [answer] = await world.resolve("lan-friend", [{ name: "lan-web", type: "A" }]);
    expect(answer).toMatchObject({ rcode: "NXDOMAIN" });
    const taken = ["--network", "lan-front", "--ip", "10.81.1.10", "-p", "8080:80"];
    await ok("run", "--rm", ...taken, IMAGE, "true");
    await ok("start", "lan-web");
    await world.untilServing("lan-web");
    expect(await reached(world)).toEqual(REACHED);
  }, 60_000);

  test("kill -9 while containers come and go leaves nothing", async () => {
    await using world = await makeWorld();
    const names = ["come0", "come1", "come2"];
    for (let round = 0; round < 8; round++) {
      const going = names.map((name, index) =>
        engine().gantry([
          "run",
          "-d",
          "--name",
          name,
          "--network",
          "lan-front",
          "-p",
          `809${index}:80`,
          IMAGE,
        ]),
      );
      await Bun.sleep(round * 40); // at another point of their starts each time
      await engine().kill9();
      await Promise.all(going);
      await engine().launch();
      await ok("rm", "-f", ...names);
    }
    expect(await reached(world)).toEqual(REACHED);
    await ok("run", "--rm", "--network", "lan-front", "-p", "8090-8092:80-82", IMAGE, "true");
  }, 120_000);
});
