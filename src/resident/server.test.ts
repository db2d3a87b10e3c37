import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type Socket, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { failureOf } from "../../test/support/failure.ts";
import { builtNative } from "../../test/support/native.ts";
import { describeWith } from "../../test/support/requires.ts";
import { until } from "../../test/support/until.ts";
import { isCategory } from "../base/errors.ts";
import { OwnProcessNeeded } from "../base/own-process.ts";
import type { Visitor } from "../linux/doorkeeper.ts";
import { type Errand, type ServerOptions, serve } from "./server.ts";

const HELLO = word(0x31636c67);
const GO = word(0x6f67);
const KINDS = ["", "READY", "OUTPUT", "ERRORS", "SIGNALS", "EXIT", "YOURSELF"];
/** For tests in which the time must not come. */
const NEVER_MS = 3_600_000;
const IDLE_MS = 60_000;

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** The command gantry, as far as the other side can tell. It says GO as soon as it may. */
class Asking {
  readonly socket: Socket;
  /** "READY", "OUTPUT text", "EXIT 0" … */
  readonly heard: string[] = [];
  readonly #closed: Promise<unknown>;
  #unread: Buffer = Buffer.alloc(0);

  constructor(path: string) {
    this.socket = connect(path);
    this.#closed = new Promise((resolve) => this.socket.once("close", resolve));
    this.socket.on("error", () => {});
    this.socket.on("data", (chunk: Buffer) => {
      this.#unread = Buffer.concat([this.#unread, chunk]);
      this.#read();
    });
    this.socket.write(HELLO);
  }

  #read(): void {
    while (this.#unread.length >= 8) {
      const kind = KINDS[this.#unread.readUInt32LE()] ?? "?";
      const end = 8 + this.#unread.readUInt32LE(4);
      if (this.#unread.length < end) return;
      const body = this.#unread.subarray(8, end);
      this.#unread = this.#unread.subarray(end);
      const isText = kind === "OUTPUT" || kind === "ERRORS";
      const shown = isText ? body.toString() : body.length >= 4 ? String(body.readUInt32LE()) : "";
      this.heard.push(`${kind} ${shown}`.trim());
      if (kind === "READY") this.socket.write(GO);
    }
  }

  /** All that it has heard, once the other side has closed the connection. */
  async all(): Promise<string[]> {
    await this.#closed;
    return this.heard;
  }
}

/** Everything that can happen without somebody else has happened. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describeWith("serve()", ["native"], () => {
  let directory: string;
  let socket: string;
  let stop: AbortController;
  let locks: number[];
  let warnings: string[];
  let running: Promise<unknown>[];

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "gantry-client-"));
    socket = join(directory, "below", "sock");
    stop = new AbortController();
    [locks, warnings, running] = [[], [], []];
  });

  afterEach(async () => {
    jest.useRealTimers();
    stop.abort();
    await Promise.allSettled(running);
    for (const lock of locks) builtNative().closeFd(lock);
    rmSync(directory, { recursive: true });
  });

  function lockFile(path: string): number | undefined {
    const fd = builtNative().lockFile(path);
    if (fd !== undefined) locks.push(fd);
    return fd;
  }

  /** It is the process that the kernel names. */
  function recognize(fd: number): Visitor {
    const { pid } = builtNative().peerCredentials(fd);
    return { pid, words: ["ps"], environment: { A: "b" }, workingDirectory: "/", umask: 0o22 };
  }

  /** Resolves when it listens, or has ended; `ended` is its end. */
  async function started(
    perform: ServerOptions["perform"],
    options: Partial<ServerOptions> = {},
  ): Promise<{ readonly ended: Promise<void>; readonly hasEnded: () => boolean }> {
    const { promise: listening, resolve: onListening } = Promise.withResolvers<void>();
    const ended = serve({
      socket,
      native: { lockFile },
      doorkeeper: { isCurrent: () => true, recognize },
      perform,
      idleMs: NEVER_MS,
      signal: stop.signal,
      warn: (message) => warnings.push(message),
      onListening,
      ...options,
    });
    let isOver = false;
    const over = ended.finally(() => {
      isOver = true;
    });
    over.catch(() => {});
    running.push(over);
    await Promise.race([listening, ended]);
    return { ended, hasEnded: () => isOver };
  }

  const enter = ({ caller }: Errand) => caller.enter(() => Promise.resolve(true));

  async function entered(errand: Errand): Promise<number> {
    await enter(errand);
    return 0;
  }

  /** An errand that waits where the test has it wait. */
  function gate(): { readonly perform: (errand: Errand) => Promise<number>; readonly open: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    return {
      perform: async (errand) => {
        await enter(errand);
        await promise;
        return 7;
      },
      open: resolve,
    };
  }

  test("carries out what a visitor wants, and tells it output and status", async () => {
    const visitors: Visitor[] = [];
    await started(async (errand) => {
      visitors.push(errand.visitor);
      await enter(errand);
      await errand.out.write("hello\n");
      await errand.err.write(Buffer.from("oops\n"));
      return 3;
    });
    expect(await new Asking(socket).all()).toEqual(["READY", "OUTPUT hello", "ERRORS oops", "EXIT 3"]);
    expect(visitors).toEqual([
      { pid: process.pid, words: ["ps"], environment: { A: "b" }, workingDirectory: "/", umask: 0o22 },
    ]);
    expect(warnings).toEqual([]);
  });

  test("tells a command the signals that its caller passes on, as long as it wants them", async () => {
    await started(async (errand) => {
      await enter(errand);
      const { promise, resolve } = Promise.withResolvers<string>();
      const off = errand.caller.onSignals(["SIGINT", "SIGTERM"], resolve);
      await errand.out.write(await promise);
      off();
      return 0;
    });
    const asking = new Asking(socket);
    await until("signals to be wanted", () => asking.heard.length === 2);
    asking.socket.write(word(15));
    expect(await asking.all()).toEqual([
      "READY",
      `SIGNALS ${(1 << 1) | (1 << 14)}`,
      "OUTPUT SIGTERM",
      "SIGNALS 0",
      "EXIT 0",
    ]);
  });

  test("leaves to the caller what needs a process of its own", async () => {
    await started(() => Promise.reject(new OwnProcessNeeded("for the test")));
    expect(await new Asking(socket).all()).toEqual(["YOURSELF"]);
    expect(warnings).toEqual([]);
  });

  test("leaves to the caller what is not shareable", async () => {
    let isPerformed = false;
    await started(async ({ caller }) => {
      await caller.enter(() => Promise.resolve(false));
      isPerformed = true;
      return 0;
    });
    expect(await new Asking(socket).all()).toEqual(["YOURSELF"]);
    expect(isPerformed).toBe(false);
  });

  test("leaves whom it does not recognize alone", async () => {
    const doorkeeper = { isCurrent: () => true, recognize: () => undefined };
    const server = await started(entered, { doorkeeper });
    expect(await new Asking(socket).all()).toEqual(["YOURSELF"]);
    expect(await new Asking(socket).all()).toEqual(["YOURSELF"]);
    expect(server.hasEnded()).toBe(false);
  });

  test("says nothing to who does not greet it", async () => {
    await started(entered);
    const asking = connect(socket);
    let heard = "";
    asking.on("data", (chunk: Buffer) => (heard += chunk.toString()));
    asking.write("GET / HTTP/1.1\r\n\r\n");
    await once(asking, "close");
    expect(heard).toBe("");
    expect(warnings).toEqual([]);
  });

  test("ends when its program has been replaced", async () => {
    const doorkeeper = { isCurrent: () => false, recognize };
    const { ended } = await started(entered, { doorkeeper });
    expect(await new Asking(socket).all()).toEqual(["YOURSELF"]);
    await ended;
    expect(existsSync(socket)).toBe(false);
  });

  test("lets a command write nothing before it has entered", async () => {
    const failures: unknown[] = [];
    await started(async (errand) => {
      for (const sink of [errand.out, errand.err])
        failures.push(await sink.write("too early").catch((error: unknown) => error));
      return entered(errand);
    });
    expect(await new Asking(socket).all()).toEqual(["READY", "EXIT 0"]);
    expect(failures).toEqual([expect.any(OwnProcessNeeded), expect.any(OwnProcessNeeded)]);
  });

  test("leaves to the caller what would be written before that", async () => {
    await started(async ({ out }) => {
      await out.write("usage");
      return 0;
    });
    expect(await new Asking(socket).all()).toEqual(["YOURSELF"]);
  });

  test("lets a command write nothing once it needs a process of its own, even when it tries to go on", async () => {
    await started(async (errand) => {
      await enter(errand);
      const failure = await failureOf((async () => errand.caller.ownProcess("for the test"))());
      expect(failure).toBeInstanceOf(OwnProcessNeeded);
      const silent = await errand.out.write("out").catch((error: unknown) => error);
      expect(silent).toBeInstanceOf(OwnProcessNeeded);
      await errand.err.write(`error: ${String(failure)}`);
      return 1;
    });
    expect(await new Asking(socket).all()).toEqual(["READY", "YOURSELF"]);
    expect(warnings).toEqual([]);
  });

  test("tells no status of a command that ends although it needs a process of its own", async () => {
    await started(async (errand) => {
      await enter(errand);
      await failureOf((async () => errand.caller.ownProcess("for the test"))());
      return 0;
    });
    expect(await new Asking(socket).all()).toEqual(["READY", "YOURSELF"]);
  });

  test("says no status of a command that breaks, and goes on", async () => {
    let count = 0;
    await started(async (errand) => {
      await enter(errand);
      if (count++ === 0) throw new Error("a mistake of ours");
      return 0;
    });
    expect(await new Asking(socket).all()).toEqual(["READY"]);
    expect(warnings).toEqual(["a mistake of ours"]);
    expect(await new Asking(socket).all()).toEqual(["READY", "EXIT 0"]);
  });

  test("carries out several commands at the same time", async () => {
    let count = 0;
    const both = Promise.withResolvers<void>();
    await started(async (errand) => {
      await enter(errand);
      const mine = ++count;
      if (mine === 2) both.resolve();
      await both.promise;
      return mine;
    });
    const asking = [new Asking(socket), new Asking(socket)];
    const heard = await Promise.all(asking.map((one) => one.all()));
    expect(heard.map((lines) => lines.join()).sort()).toEqual(["READY,EXIT 1", "READY,EXIT 2"]);
  });

  test("tells a command that its caller has left", async () => {
    const left = Promise.withResolvers<void>();
    await started(async (errand) => {
      await enter(errand);
      errand.caller.gone?.addEventListener("abort", () => left.resolve());
      await errand.out.write("begun");
      await left.promise;
      await errand.out.write("nobody reads it");
      return 0;
    });
    const asking = new Asking(socket);
    await until("it to begin", () => asking.heard.includes("OUTPUT begun"));
    asking.socket.destroy();
    await left.promise;
    await turns();
    expect(warnings).toEqual([]);
  });

  test("does not begin for who leaves before it says so", async () => {
    const failed = Promise.withResolvers<unknown>();
    const shareable = Promise.withResolvers<boolean>();
    let begins = 0;
    await started(async ({ caller }) => {
      begins++;
      await caller
        .enter(() => shareable.promise)
        .catch((error: unknown) => {
          failed.resolve(error);
          throw error;
        });
      failed.resolve("it has begun");
      return 0;
    });
    const asking = new Asking(socket);
    await until("the errand", () => begins === 1);
    asking.socket.destroy();
    await once(asking.socket, "close");
    shareable.resolve(true);
    expect(await failed.promise).toBeInstanceOf(OwnProcessNeeded);
    await turns();
    expect(warnings).toEqual([]);
  });

  test("ends by itself after a while without commands", async () => {
    jest.useFakeTimers();
    const server = await started(entered, { idleMs: IDLE_MS });
    jest.advanceTimersByTime(IDLE_MS - 1);
    await turns();
    expect(existsSync(socket)).toBe(true);
    expect(server.hasEnded()).toBe(false);
    jest.advanceTimersByTime(1);
    await server.ended;
    expect(existsSync(socket)).toBe(false);
  });

  test("ends soon when its program is replaced or removed, also when nobody asks", async () => {
    jest.useFakeTimers();
    let isCurrent = true;
    const doorkeeper = { isCurrent: () => isCurrent, recognize };
    const server = await started(entered, { doorkeeper });
    jest.advanceTimersByTime(60_000);
    await turns();
    expect(server.hasEnded()).toBe(false);
    isCurrent = false;
    jest.advanceTimersByTime(5000);
    await server.ended;
    expect(existsSync(socket)).toBe(false);
  });

  test("does not end by itself while commands are under way", async () => {
    jest.useFakeTimers();
    const gates = [gate(), gate()];
    let next = 0;
    const server = await started((errand) => gates[next++]?.perform(errand) ?? entered(errand), {
      idleMs: IDLE_MS,
    });
    const [first, second] = [new Asking(socket), new Asking(socket)];
    while (first.heard.length + second.heard.length < 2) await turns();
    const stays = async (ms: number) => {
      jest.advanceTimersByTime(ms);
      await turns();
      expect(existsSync(socket)).toBe(true);
      expect(server.hasEnded()).toBe(false);
    };
    await stays(3 * IDLE_MS);
    gates[0]?.open();
    while (first.heard.length + second.heard.length < 3) await turns();
    await stays(3 * IDLE_MS);
    gates[1]?.open();
    expect([...(await first.all()), ...(await second.all())]).toEqual(["READY", "EXIT 7", "READY", "EXIT 7"]);
    await stays(IDLE_MS - 1);
    jest.advanceTimersByTime(1);
    await server.ended;
    expect(existsSync(socket)).toBe(false);
  });

  test("told to end takes no more commands, and finishes those under way", async () => {
    const { perform, open } = gate();
    const server = await started(perform);
    const asking = new Asking(socket);
    await until("it to begin", () => asking.heard.length === 1);
    stop.abort();
    await until("the socket to go", () => !existsSync(socket));
    await turns();
    expect(server.hasEnded()).toBe(false);
    expect(await new Asking(socket).all()).toEqual([]);
    open();
    await server.ended;
    expect(await asking.all()).toEqual(["READY", "EXIT 7"]);
  });

  test("told to end turns away who has not been let in yet", async () => {
    const server = await started(entered);
    const asking = new Asking(socket);
    stop.abort();
    await server.ended;
    expect(await asking.all()).toEqual([]);
  });

  test("told to end before it listens ends", async () => {
    stop.abort();
    await (await started(entered)).ended;
    expect(existsSync(socket)).toBe(false);
  });

  test("does not serve where another one does, which goes on", async () => {
    await started(entered);
    expect(readFileSync(`${socket}.lock`, "utf8")).toBe(`${process.pid}\n`);
    const failure = await failureOf(started(entered));
    expect(isCategory(failure, "conflict")).toBe(true);
    expect(await new Asking(socket).all()).toEqual(["READY", "EXIT 0"]);
  });

  test("takes the place of one that was killed", async () => {
    await started(entered);
    stop.abort();
    await Promise.all(running);
    for (const lock of locks.splice(0)) builtNative().closeFd(lock);
    writeFileSync(socket, "");
    stop = new AbortController();
    await started(entered);
    expect(await new Asking(socket).all()).toEqual(["READY", "EXIT 0"]);
  });
});
