/** What only a whole engine shows of its API: events that outlive it, plugins, metrics, and requests of nonsense. */
import { expect, test } from "bun:test";
import { createServer, type Server } from "node:http";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeAuthority } from "../../../src/core/distribution/testing/certificates.ts";
import { fuzzApi } from "../../chaos/api-fuzz.ts";
import { Engine, GANTRY } from "../../support/engine.ts";
import { busyboxArchive } from "../../support/images.ts";
import { seeded } from "../../support/random.ts";
import { describeWith } from "../../support/requires.ts";
import { type Finished, must, run } from "../../support/run.ts";
import { engineSuite } from "../../support/suite.ts";
import { until } from "../../support/until.ts";

const METRICS = "127.0.0.1:9323";
const DOOR = "tcp://127.0.0.1:2376";

engineSuite("events", {}, (engine) => {
  const past = async (name: string): Promise<string[]> => {
    const query = `since=1&until=${Math.floor(Date.now() / 1000) + 1}`;
    const filters = encodeURIComponent(JSON.stringify({ container: [name] }));
    const { body } = await engine().api("GET", `/events?${query}&filters=${filters}`);
    const lines = body.split("\n").filter((line) => line !== "");
    return lines.map((line) => {
      const event: { Action: string } = JSON.parse(line);
      return event.Action;
    });
  };

  test("of a daemon that ended are told by the next, and those of a killed one up to its last moments", async () => {
    await engine().ok(["run", "--name", "one", "--network", "none", "busybox", "true"]);
    await engine().restart();
    expect(await past("one")).toEqual(["create", "attach", "start", "die"]);
    await engine().ok(["rename", "one", "two"]);
    await until("the event to be on disk", async () => {
      const text = await must(["sh", "-c", `cat ${join(engine().dir, "data", "events")}/*`]);
      return text.includes('"Action":"rename"');
    });
    await engine().kill9();
    await engine().launch();
    expect(await past("one")).toEqual(["create", "attach", "start", "die"]);
    expect(await past("two")).toEqual(["rename"]);
  });
});

engineSuite("metrics", { flags: ["--metrics-addr", METRICS] }, (engine) => {
  test("are served where they were asked for", async () => {
    await engine().ok(["run", "-d", "--name", "web", "--network", "none", "busybox", "sleep", "100"]);
    const text = await must(await engine().inHost(["curl", "-sf", `http://${METRICS}/metrics`]));
    expect(text).toContain('engine_daemon_container_states_containers{state="running"} 1');
    expect(text).toContain('engine_daemon_container_actions_seconds_count{action="start"}');
  });
});

describeWith("authorization plugins", ["root", "busybox"], () => {
  test("are asked by an engine that runs, and one that is not there keeps it from starting", async () => {
    const plugins = "/run/docker/plugins";
    const name = `guard-${process.pid}`;
    const path = join(plugins, `${name}.sock`);
    mkdirSync(plugins, { recursive: true });
    let plugin: Server | undefined;
    try {
      plugin = createServer((request, response) => {
        const chunks: Buffer[] = [];
        request.on("data", (chunk: Buffer) => chunks.push(chunk));
        request.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          const isActivation = request.url === "/Plugin.Activate";
          const isNamed = text.includes('"User":"test","UserAuthNMethod":"TLS"');
          const verdict = isNamed
            ? { Allow: text.includes("/_ping") || text.includes("/version"), Msg: "not you" }
            : { Allow: !text.includes("/pause"), Msg: "stay awake" };
          response.end(JSON.stringify(isActivation ? { Implements: ["authz"] } : verdict));
        });
      });
      const { promise, resolve } = Promise.withResolvers<void>();
      plugin.listen(path, resolve);
      await promise;
      using authority = makeAuthority();
      const files = mkdtempSync(join(tmpdir(), "gt-authz-"));
      const pair = (owner: string, names: string): string[] => {
        const { cert, key } = authority.issue(names);
        writeFileSync(join(files, `${owner}.pem`), cert);
        writeFileSync(join(files, `${owner}.key`), key, { mode: 0o600 });
        const at = join(files, owner);
        return [
          "--tlsverify",
          "--tlscacert",
          join(files, "ca.pem"),
          "--tlscert",
          `${at}.pem`,
          "--tlskey",
          `${at}.key`,
        ];
      };
      writeFileSync(join(files, "ca.pem"), authority.cert);
      const door = ["-H", DOOR, ...pair("server", "IP:127.0.0.1")];
      const guarded = await Engine.start(["--authorization-plugin", name, ...door]);
      try {
        const client = [GANTRY, "-H", DOOR, ...pair("client", "DNS:client")];
        const named = async (...words: string[]): Promise<Finished> =>
          run(await guarded.inHost([...client, ...words]));
        expect((await named("version")).code).toBe(0);
        expect((await named("ps")).stderr).toContain(`authorization denied by plugin ${name}: not you`);
        await guarded.ok(["load", "-q", "-i", await busyboxArchive()]);
        await guarded.ok(["run", "-d", "--name", "web", "--network", "none", "busybox", "sleep", "100"]);
        expect((await guarded.gantry(["pause", "web"])).stderr).toContain(
          `authorization denied by plugin ${name}: stay awake`,
        );
        expect(await guarded.ok(["exec", "web", "echo", "awake"])).toBe("awake");
        await guarded.ok(["rm", "-f", "web"]);
        await guarded.shutdown();
        rmSync(path, { force: true });
        expect(await guarded.launch().then(String, String)).toContain(`plugin "${name}" not found`);
      } finally {
        await guarded.close();
        rmSync(files, { recursive: true });
      }
    } finally {
      plugin?.closeAllConnections();
      plugin?.close();
      rmSync(path, { force: true });
    }
  }, 60_000);
});

describeWith("nonsense", ["root", "busybox"], () => {
  test("leaves the engine as it was, and is never its fault", async () => {
    const { byStatus } = await fuzzApi({ requests: 4000, random: seeded("nonsense"), tell: () => undefined });
    expect([...byStatus.keys()].filter((status) => status === 500)).toEqual([]);
    expect(byStatus.get(400) ?? 0).toBeGreaterThan(500);
    expect(byStatus.get(404) ?? 0).toBeGreaterThan(100);
  }, 60_000);
});
