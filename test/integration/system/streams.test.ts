/** Many clients that only listen: what they cost while nothing happens, that they hear of what does, and what is left of them. */
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { expect, test } from "bun:test";
import { descriptors } from "../../support/leak-check.ts";
import { engineSuite } from "../../support/suite.ts";
import { SLOWNESS, until } from "../../support/until.ts";

const OF_EACH_KIND = 250;
const LIMIT_KB = 40 * 1024;
/** Clients that connect at the same time. */
const AT_ONCE = 50;

/** Proportional and swapped out: what the process costs the machine. */
function memoryKb(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return ["Pss", "SwapPss"].reduce(
    (sum, name) => sum + Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0),
    0,
  );
}

/** Without the file of events, which the daemon opens some time after its first event. */
function descriptorCount(pid: number): number {
  return [...descriptors(pid)].filter((name) => !name.includes(".events ")).length;
}

/** A stream that has begun: its answer's head is there. */
class Listener {
  readonly #socket: Socket;
  heard = "";
  hasEnded = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      this.heard += text;
    });
    socket.on("close", () => {
      this.hasEnded = true;
    });
    socket.on("end", () => {
      this.hasEnded = true;
    });
    socket.on("error", () => {}); // ended as well
  }

  static async open(path: string, request: string): Promise<Listener> {
    const listener = new Listener(connect({ path }));
    listener.#socket.write(request);
    await until("an answer", () => listener.heard.includes("\r\n\r\n"), 30_000 * SLOWNESS);
    return listener;
  }

  close(): void {
    this.#socket.destroy();
  }
}

async function openMany(path: string, request: string, count = OF_EACH_KIND): Promise<Listener[]> {
  const all: Listener[] = [];
  while (all.length < count)
    all.push(...(await Promise.all(Array.from({ length: AT_ONCE }, () => Listener.open(path, request)))));
  return all;
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: engine\r\n\r\n`;
const attachTo = (id: string): string =>
  `POST /containers/${id}/attach?stream=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`;

engineSuite("idle streams", {}, (engine) => {
  const start = (...command: string[]): Promise<string> =>
    engine().ok(["run", "-di", "--network", "none", "busybox", ...command]);
  const listenTo = async (id: string): Promise<Listener[][]> => [
    await openMany(engine().socket, get("/events")),
    await openMany(engine().socket, get(`/containers/${id}/logs?follow=1&stdout=1&stderr=1`)),
  ];

  test("five hundred that follow events and logs cost little, and nothing when their clients have gone", async () => {
    const { pid } = engine();
    const id = await start("sh", "-c", "echo begun; exec sleep 1000");
    const before = memoryKb(pid);
    const descriptorsBefore = descriptorCount(pid);
    const listeners = (await listenTo(id)).flat();
    expect(descriptorCount(pid)).toBeGreaterThanOrEqual(descriptorsBefore + listeners.length);
    const watches = [...descriptors(pid)].filter((name) => name.includes("inotify"));
    expect(watches).toEqual(["anon_inode:inotify (1)"]);
    expect(memoryKb(pid) - before).toBeLessThan(LIMIT_KB);
    for (const listener of listeners) listener.close();
    await until("the daemon to let go of them", () => descriptorCount(pid) <= descriptorsBefore);
    expect(await engine().json("GET", "/info")).toMatchObject({ NEventsListener: 0 });
  });

  test("as many as are attached cost little, and nothing when their clients have gone", async () => {
    const { pid } = engine();
    const id = await start("sleep", "1000");
    const before = memoryKb(pid);
    const descriptorsBefore = descriptorCount(pid);
    const listeners = await openMany(engine().socket, attachTo(id));
    expect(memoryKb(pid) - before).toBeLessThan(LIMIT_KB);
    for (const listener of listeners) listener.close();
    await until("the daemon to let go of them", () => descriptorCount(pid) <= descriptorsBefore);
  });

  test("all of them hear what happens, and follow the container to its end", async () => {
    const id = await start("sh", "-c", "read line; echo heard $line");
    const [events = [], logs = []] = await listenTo(id);
    const attached = await openMany(engine().socket, attachTo(id), AT_ONCE);
    await engine().ok(["attach", id], { input: "this\n" });
    const listeners = [...logs, ...attached];
    await until("everybody to have read to the end", () =>
      listeners.every(({ hasEnded, heard }) => hasEnded || heard.endsWith("0\r\n\r\n")),
    );
    expect(listeners.filter(({ heard }) => !heard.includes("heard this\n"))).toEqual([]);
    await until("everybody to hear of the end", () => events.every(({ heard }) => heard.includes('"die"')));
    for (const listener of [...events, ...listeners]) listener.close();
  });
});
