import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cgroupDirs } from "./cgroup-paths.ts";
import { cgroupPlace } from "./cgroup-place.ts";
import { readHostFacts } from "./host-facts.ts";
import { defaultManager, isSystemdRunning } from "./systemd-manager.ts";
import { DBusReader } from "./systemd-dbus-message.ts";
import { startScope, stopScope, updateScope } from "./systemd-scope.ts";
import { answer, message, removed, type Reply, speakAsSystemd } from "./testing/fake-systemd.ts";

describe("with a peer like systemd", () => {
  let dir = "";
  let server: Server;
  const peers: Socket[] = [];
  const manager = (): { socket: string; isBus: boolean; uid: number } => ({
    socket: join(dir, "bus"),
    isBus: false,
    uid: 0,
  });

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "systemd-scope-"));
    server = createServer();
  });
  afterEach(async () => {
    for (const peer of peers.splice(0)) peer.destroy();
    const closed = once(server, "close");
    server.close();
    await closed;
    rmSync(dir, { recursive: true });
  });

  async function serve(reply: Reply): Promise<string[]> {
    const called: string[] = [];
    server.on("connection", (peer: Socket) => {
      peers.push(peer);
      speakAsSystemd(peer, reply, called);
    });
    const listening = once(server, "listening");
    server.listen(manager().socket);
    await listening;
    return called;
  }

  const version = (serial: number): Buffer =>
    message(2, { to: serial, signature: "v" }, (writer) => writer.variant({ type: "s", value: "255" }));

  test("startScope() asks for the version and starts the unit", async () => {
    const units: string[] = [];
    const called = await serve((member, serial, body) => {
      if (member === "Get") return [version(serial)];
      units.push(new DBusReader(body).string());
      return [answer(serial, "/j"), removed("/j", "done")];
    });
    await startScope(manager(), "p-n.scope", {
      id: "c1",
      slice: "a.slice",
      pids: [1],
      cgroupVersion: 2,
      resources: {},
    });
    expect([called, units]).toEqual([["Get", "StartTransientUnit"], ["p-n.scope"]]);
  });

  test("updateScope() asks the kernel, tells systemd, and takes back what systemd refuses", async () => {
    for (const [file, text] of [
      ["cgroup.controllers", "pids"],
      ["pids.max", "9"],
    ] as const)
      writeFileSync(join(dir, file), text);
    const during: string[] = [];
    const called = await serve((member, serial) => {
      if (member === "Get") return [version(serial)];
      during.push(readFileSync(join(dir, "pids.max"), "utf8"));
      return during.length === 1
        ? [message(2, { to: serial })]
        : [message(3, { to: serial, error: "org.freedesktop.DBus.Error.AccessDenied" })];
    });
    await updateScope(manager(), "p-n.scope", [dir], { pids: { limit: 5n } });
    expect([called, during]).toEqual([["Get", "SetUnitProperties"], ["5"]]);
    expect(readFileSync(join(dir, "pids.max"), "utf8")).toBe("5");
    const refused: unknown = await updateScope(manager(), "p-n.scope", [dir], { pids: { limit: 7n } }).catch(
      (error: unknown) => error,
    );
    expect(refused).toMatchObject({ dbusName: "org.freedesktop.DBus.Error.AccessDenied" });
    expect(readFileSync(join(dir, "pids.max"), "utf8")).toBe("5");
  });
});

const isReal = process.getuid?.() === 0 && isSystemdRunning();
if (!isReal) console.log("skipped: scopes of the real systemd: needs root and a host that systemd runs");

test.skipIf(!isReal)("a scope of the real systemd begins, changes and ends", async () => {
  const facts = readHostFacts();
  const place = cgroupPlace(`system.slice:gantry-test:${process.pid}`, "unused", "systemd");
  const { unit = "", slice = "" } = place.scope ?? {};
  const dirs = cgroupDirs(facts.cgroup, place.path).map(({ dir }) => dir);
  const manager = defaultManager(0);
  const child = spawn("sleep", ["60"]);
  const ended = once(child, "exit");
  const pidsMax = (): string | undefined => {
    const file = dirs.map((dir) => join(dir, "pids.max")).find((path) => existsSync(path));
    return file === undefined ? undefined : readFileSync(file, "utf8").trim();
  };
  try {
    await startScope(manager, unit, {
      id: "c1",
      slice,
      pids: [child.pid ?? 0],
      cgroupVersion: facts.cgroup.version,
      resources: { pids: { limit: 55n } },
    });
    expect(readFileSync(`/proc/${child.pid}/cgroup`, "utf8")).toContain(place.path);
    expect(pidsMax()).toBe("55");
    await updateScope(manager, unit, dirs, { pids: { limit: 66n } });
    expect(pidsMax()).toBe("66");
    await stopScope(manager, unit);
    await ended;
    await stopScope(manager, unit);
    expect(pidsMax()).toBeUndefined();
  } finally {
    child.kill("SIGKILL");
  }
});
