import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { DBusConnection } from "./systemd-dbus.ts";
import { DBusReader } from "./systemd-dbus-message.ts";
import { SystemdManager } from "./systemd-manager.ts";
import { scopeProperties } from "./systemd-properties.ts";
import { answer, message, refusal, removed, type Reply, speakAsSystemd } from "./testing/fake-systemd.ts";

let dir = "";
let socket = "";
const servers: Server[] = [];
const peers: Socket[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "systemd-"));
  socket = join(dir, "bus");
});

afterEach(async () => {
  for (const peer of peers.splice(0)) peer.destroy();
  for (const server of servers.splice(0)) {
    const { promise, resolve } = Promise.withResolvers<void>();
    server.close(() => resolve());
    await promise;
  }
  rmSync(dir, { recursive: true });
});

async function listen(onConnection: (peer: Socket) => void): Promise<void> {
  const server = createServer((peer) => {
    peer.on("error", () => {});
    peers.push(peer);
    onConnection(peer);
  });
  servers.push(server);
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(socket, () => resolve());
  await promise;
}

async function fakeSystemd(reply: Reply): Promise<string[]> {
  const called: string[] = [];
  await listen((peer) => speakAsSystemd(peer, reply, called));
  return called;
}

const open = (): Promise<SystemdManager> => SystemdManager.open({ socket, isBus: false, uid: 0 });

describe("SystemdManager", () => {
  test("starts a scope and waits for its own job, even when that ends before its number is known", async () => {
    let unit = "";
    const called = await fakeSystemd((_, serial, body) => {
      unit = new DBusReader(body).string();
      return [removed("/job/1", "failed"), removed("/job/2", "done"), answer(serial, "/job/2")];
    });
    await using systemd = await open();
    await systemd.startTransient("a.scope", []);
    expect([unit, ...called]).toEqual(["a.scope", "StartTransientUnit"]);
  });

  test("says how a job ended that is not done", async () => {
    await fakeSystemd((_, serial) => [answer(serial, "/job/2"), removed("/job/2", "timeout")]);
    await using systemd = await open();
    const error: unknown = await systemd.startTransient("a.scope", []).catch((e: unknown) => e);
    expect(String(error)).toContain('cannot start "a.scope": the job ended with "timeout"');
  });

  test("clears a failed unit of the same name away, waits for one that ends, and no longer", async () => {
    let starts = 0;
    const called = await fakeSystemd((member, serial) => {
      if (member === "ResetFailedUnit") return [message(2, { to: serial })];
      return ++starts === 3 ? [answer(serial, "/j"), removed("/j", "done")] : [refusal(serial, "UnitExists")];
    });
    await using systemd = await open();
    await systemd.startTransient("a.scope", []);
    const again = ["StartTransientUnit", "ResetFailedUnit"];
    expect(called).toEqual([...again, ...again, "StartTransientUnit"]);
    starts = 5;
    const error: unknown = await systemd.startTransient("a.scope", [], 20).catch((e: unknown) => e);
    expect(error).toMatchObject({ category: "conflict" });
  });

  test("stops and forgets a unit, also one that is not there", async () => {
    const called = await fakeSystemd((_, serial) => [refusal(serial, "NoSuchUnit")]);
    await using systemd = await open();
    await systemd.stop("a.scope");
    expect(called).toEqual(["StopUnit", "ResetFailedUnit"]);
    const error: unknown = await systemd.setProperties("a.scope", []).catch((e: unknown) => e);
    expect(error).toMatchObject({ category: "not_found" });
  });

  test("reads the version", async () => {
    await fakeSystemd((_, serial) => [
      message(2, { to: serial, signature: "v" }, (writer) =>
        writer.variant({ type: "s", value: "252.36-1~deb12u1" }),
      ),
    ]);
    await using systemd = await open();
    expect(await systemd.version()).toBe(252);
  });

  test("sets properties for as long as the unit lives", async () => {
    let isRuntime = 0;
    await fakeSystemd((_, serial, body) => {
      const reader = new DBusReader(body);
      expect(reader.string()).toBe("a.scope");
      isRuntime = reader.u32();
      return [message(2, { to: serial })];
    });
    await using systemd = await open();
    await systemd.setProperties("a.scope", [["TasksMax", { type: "t", value: 5n }]]);
    expect(isRuntime).toBe(1);
  });

  test("fails what waits when the peer goes away or talks nonsense", async () => {
    for (const nonsense of [Buffer.from("B".repeat(64)), undefined]) {
      await fakeSystemd((_, serial) => [nonsense ?? answer(serial, "/j")]);
      await using systemd = await open();
      const starting = systemd.startTransient("a.scope", []).catch((e: unknown) => e);
      if (nonsense === undefined) {
        await pause(20);
        await systemd[Symbol.asyncDispose]();
      }
      expect(await starting).toMatchObject({ category: "unavailable" });
      for (const server of servers.splice(0)) server.close();
      rmSync(socket, { force: true });
    }
  });

  test("does not wait for a peer that refuses, is mute for too long, or is not there", async () => {
    const missing: unknown = await open().catch((e: unknown) => e);
    expect(String(missing)).toContain(`cannot speak to "${socket}"`);
    await listen((peer) => peer.write("REJECTED EXTERNAL\r\n"));
    const refused: unknown = await open().catch((e: unknown) => e);
    expect(String(refused)).toContain('authentication was refused: "REJECTED EXTERNAL"');
  });

  test("stops listening to a peer that only talks", async () => {
    await listen((peer) => peer.write("x".repeat(5000)));
    const error: unknown = await open().catch((e: unknown) => e);
    expect(String(error)).toContain("talks too much");
  });
});

const DAEMON = "/usr/bin/dbus-daemon";
if (!existsSync(DAEMON)) console.log(`skipped: a real bus: needs ${DAEMON}`);

/** No services that it would start by itself. */
const BUS_CONFIG =
  '<busconfig><type>session</type><listen>unix:path=SOCKET</listen><policy context="default">' +
  '<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>';

/** Nobody is systemd on it, but it checks every message and ends the connection of who sends a damaged one. */
describe.skipIf(!existsSync(DAEMON))("on a real bus", () => {
  let daemon: ChildProcess | undefined;
  beforeEach(async () => {
    const config = join(dir, "bus.conf");
    writeFileSync(config, BUS_CONFIG.replace("SOCKET", socket));
    daemon = spawn(DAEMON, [`--config-file=${config}`, "--nofork", "--nopidfile"], { stdio: "ignore" });
    for (let tries = 0; tries < 500 && !existsSync(socket); tries++) await pause(10);
  });
  afterEach(async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    daemon?.on("exit", () => resolve());
    if (daemon?.kill("SIGKILL") === true) await promise;
  });

  test("a greeting, a rule and every kind of property are well-formed", async () => {
    const uid = process.getuid?.() ?? 0;
    const opened: unknown = await SystemdManager.open({ socket, isBus: true, uid }).catch((e: unknown) => e);
    expect(opened).toMatchObject({ dbusName: "org.freedesktop.DBus.Error.ServiceUnknown" });
    await using connection = await DBusConnection.open(socket, uid);
    const onBus = {
      destination: "org.freedesktop.DBus",
      path: "/org/freedesktop/DBus",
      interface: "org.freedesktop.DBus",
    };
    const hello = await connection.call({ ...onBus, member: "Hello", signature: "", body: () => {} });
    expect(hello.string()).toStartWith(":1.");
    const properties = scopeProperties({
      id: "c1",
      slice: "a.slice",
      pids: [1, 2],
      cgroupVersion: 2,
      systemdVersion: 255,
      resources: { cpu: { cpus: "0-8" }, memory: { limit: 5n } },
    });
    const start: unknown = await connection
      .call({
        destination: "org.freedesktop.systemd1",
        path: "/org/freedesktop/systemd1",
        interface: "org.freedesktop.systemd1.Manager",
        member: "StartTransientUnit",
        signature: "ssa(sv)a(sa(sv))",
        body: (writer) =>
          writer
            .string("a.scope")
            .string("replace")
            .properties(properties)
            .array(8, () => {}),
      })
      .catch((e: unknown) => e);
    expect(start).toMatchObject({ dbusName: "org.freedesktop.DBus.Error.ServiceUnknown" });
    // Still there: nothing was damaged.
    const id = await connection.call({ ...onBus, member: "GetId", signature: "", body: () => {} });
    expect(id.string()).toMatch(/^[0-9a-f]{32}$/);
  });
});
