/** The command `gantry` towards a resident client that is played here, by native/include/client.h alone. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type Server, type Socket, createServer } from "node:net";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";

const BUILT = process.env["GANTRY_CLIENT"] ?? join(import.meta.dirname, "../../build/gantry");
const HELLO = "676c6331";
const GO = "676f0000";
const kinds = { ready: 1, output: 2, errors: 3, signals: 4, exit: 5, yourself: 6 };

let directory: string;
let program: string;
let socket: string;
let server: Server | undefined;

/** What does the work when nobody else does. */
const ALONE = `#!/bin/sh\necho "alone: $* absent=$GANTRY_CLIENT_ABSENT"\nexit 9\n`;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "gantry-client-"));
  mkdirSync(join(directory, "bin"));
  program = join(directory, "bin", "gantry");
  copyFileSync(BUILT, program);
  writeFileSync(join(directory, "bin", "gantryd"), ALONE);
  chmodSync(join(directory, "bin", "gantryd"), 0o755);
  socket = join(directory, "sock");
});

afterEach(() => {
  server?.close();
  server = undefined;
  rmSync(directory, { recursive: true });
});

function message(kind: number, bytes: Uint8Array = new Uint8Array()): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(kind);
  head.writeUInt32LE(bytes.length, 4);
  return Buffer.concat([head, bytes]);
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

const exit = (status: number): Buffer => message(kinds.exit, word(status));
const output = (text: string): Buffer => message(kinds.output, Buffer.from(text));

/** Plays the resident: `talk` gets the connection and what is read from it. */
async function play(talk: (peer: Peer) => Promise<void>): Promise<void> {
  server = createServer((connection) => {
    const peer = new Peer(connection);
    void talk(peer).finally(() => connection.destroy());
  });
  await new Promise<void>((resolve) => {
    server?.listen(socket, resolve);
  });
}

class Peer {
  readonly connection: Socket;
  #unread = Buffer.alloc(0);
  #wake = (): void => {};
  #isOver = false;

  constructor(connection: Socket) {
    this.connection = connection;
    connection.on("data", (chunk: Buffer) => {
      this.#unread = Buffer.concat([this.#unread, chunk]);
      this.#wake();
    });
    for (const event of ["end", "error", "close"])
      connection.on(event, () => {
        this.#isOver = true;
        this.#wake();
      });
  }

  /** The next four bytes in hex; undefined at the end. */
  async word(): Promise<string | undefined> {
    while (this.#unread.length < 4) {
      if (this.#isOver) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const taken = this.#unread.subarray(0, 4).toString("hex");
    this.#unread = this.#unread.subarray(4);
    return taken;
  }

  say(...messages: readonly Uint8Array[]): void {
    this.connection.write(Buffer.concat(messages));
  }

  /** Up to the word "go". */
  async begin(): Promise<void> {
    expect(await this.word()).toBe(HELLO);
    this.say(message(kinds.ready));
    expect(await this.word()).toBe(GO);
  }
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

function start(words: readonly string[], variables: Record<string, string> = {}): ChildProcess {
  return spawn(program, words, {
    env: { PATH: process.env["PATH"] ?? "", GANTRY_CLIENT_SOCKET: socket, ...variables },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function ended(child: ChildProcess): Promise<Ended> {
  let out = "";
  let err = "";
  child.stdout?.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (err += chunk.toString()));
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.on("close", (status, by) => resolve([status, by]));
  });
  return { code, signal, out, err };
}

const gantry = (...words: string[]): Promise<Ended> => ended(start(words));

describe("without a resident", () => {
  test("it becomes the program beside it, and says where nobody is", async () => {
    expect(await gantry("ps", "-a")).toEqual({
      code: 9,
      signal: null,
      out: `alone: ps -a absent=${socket}\n`,
      err: "",
    });
  });

  test("a socket that refuses is nobody, too", async () => {
    await play(async () => {});
    await new Promise<void>((resolve) => {
      server?.close(() => resolve());
    });
    expect((await gantry("ps")).out).toBe(`alone: ps absent=${socket}\n`);
  });

  test("an empty variable asks nobody, and what the caller says of absence is forgotten", async () => {
    const child = start(["ps"], { GANTRY_CLIENT_SOCKET: "", GANTRY_CLIENT_ABSENT: "/x" });
    expect((await ended(child)).out).toBe("alone: ps absent=\n");
  });

  test("a program that is missing is named", async () => {
    rmSync(join(directory, "bin", "gantryd"));
    const done = await gantry("ps");
    expect(done.code).toBe(125);
    expect(done.err).toBe(`gantry: ${join(directory, "bin", "gantryd")}: No such file or directory\n`);
  });
});

describe("with a resident", () => {
  test("its output, its errors and its exit status are ours", async () => {
    await play(async (peer) => {
      await peer.begin();
      peer.say(output("a\n"), message(kinds.errors, Buffer.from("b\n")), output("c\n"), exit(7));
      await peer.word();
    });
    expect(await gantry("ps")).toEqual({ code: 7, signal: null, out: "a\nc\n", err: "b\n" });
  });

  test("messages come however they are cut", async () => {
    await play(async (peer) => {
      await peer.begin();
      for (const byte of Buffer.concat([output("slowly"), exit(0)])) {
        peer.say(Uint8Array.of(byte));
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await peer.word();
    });
    expect(await gantry("ps")).toMatchObject({ code: 0, out: "slowly" });
  });

  test("64 MiB of output arrive whole", async () => {
    const piece = message(kinds.output, Buffer.alloc(64 << 10, "x"));
    await play(async (peer) => {
      await peer.begin();
      for (let i = 0; i < 1024; i++)
        if (!peer.connection.write(piece))
          await new Promise((resolve) => peer.connection.once("drain", resolve));
      peer.say(exit(0));
      await peer.word();
    });
    const done = await gantry("ps");
    expect([done.code, done.out.length]).toEqual([0, 64 << 20]);
  });

  test("one that leaves it to us, at once or later, is obeyed", async () => {
    await play(async (peer) => {
      await peer.word();
      peer.say(message(kinds.yourself));
      await peer.word();
    });
    expect((await gantry("ps")).out).toBe("alone: ps absent=\n");
    server?.close();
    rmSync(socket, { force: true });
    await play(async (peer) => {
      await peer.begin();
      peer.say(message(kinds.signals, Buffer.from([2, 0, 0, 0, 0, 0, 0, 0])), message(kinds.yourself));
      await peer.word();
    });
    expect((await gantry("run")).out).toBe("alone: run absent=\n");
  });

  test("one that is silent is not waited for longer than a second, and hears that we have left", async () => {
    let isLeft = false;
    await play(async (peer) => {
      await peer.word();
      isLeft = (await peer.word()) === undefined;
    });
    expect((await gantry("ps")).out).toBe("alone: ps absent=\n");
    expect(isLeft).toBeTrue();
  });

  test.each([
    ["leaves before it is ready", []],
    ["says what nobody knows", [message(77)]],
    ["says too much", [Buffer.concat([word(kinds.output), word((64 << 10) + 1)])]],
  ])("one that %s is done without", async (_what, said) => {
    await play(async (peer) => {
      await peer.word();
      peer.say(...said);
    });
    expect((await gantry("ps")).out).toBe("alone: ps absent=\n");
  });

  test.each([
    ["leaves", []],
    ["leaves in the middle of a message", [output("half").subarray(0, 10)]],
    ["says what nobody knows", [message(77)]],
    ["says too much", [Buffer.concat([word(kinds.output), word((64 << 10) + 1)])]],
    ["has no exit status", [message(kinds.exit)]],
    ["has an exit status that is none", [exit(256)]],
    ["has signals that are none", [message(kinds.signals, word(1))]],
    ["turns away after it has written", [output("x"), message(kinds.yourself)]],
  ])("after the beginning, one that %s is an error", async (_what, said) => {
    await play(async (peer) => {
      await peer.begin();
      peer.say(...said);
    });
    const done = await gantry("ps");
    expect(done.code).toBe(125);
    expect(done.err).toBe("gantry: the resident client has ended; what was asked for may be done or not\n");
    expect(done.out).not.toContain("alone");
  });
});

describe("signals", () => {
  test("have their effect, unless they are to be passed on", async () => {
    const { promise: begun, resolve } = Promise.withResolvers<void>();
    let isLeft = false;
    await play(async (peer) => {
      await peer.begin();
      resolve();
      isLeft = (await peer.word()) === undefined;
    });
    const child = start(["run"]);
    const end = ended(child);
    await begun;
    child.kill("SIGINT");
    expect(await end).toMatchObject({ code: null, signal: "SIGINT" });
    expect(isLeft).toBeTrue();
  });

  test("that are passed on come in order, also while nobody reads our output", async () => {
    const mask = Buffer.alloc(8);
    const { SIGINT, SIGTERM } = constants.signals;
    mask.writeBigUInt64LE([SIGINT, SIGTERM].reduce((bits, n) => bits | (1n << BigInt(n - 1)), 0n));
    const heard: (string | undefined)[] = [];
    const { promise: begun, resolve } = Promise.withResolvers<void>();
    await play(async (peer) => {
      await peer.begin();
      peer.say(message(kinds.signals, mask), output("up"));
      // More than a pipe takes: it is stuck now.
      for (let i = 0; i < 8; i++) peer.say(output("x".repeat(60_000)));
      resolve();
      heard.push(await peer.word(), await peer.word());
      peer.say(message(kinds.signals, Buffer.alloc(8)), exit(5));
      await peer.word();
    });
    const child = start(["run"]);
    await begun;
    await new Promise<void>((done) => {
      child.stdout?.once("readable", done);
    });
    child.kill("SIGINT");
    await Bun.sleep(50);
    child.kill("SIGTERM");
    await Bun.sleep(50);
    expect(heard).toEqual([word(SIGINT).toString("hex"), word(SIGTERM).toString("hex")]);
    expect((await ended(child)).code).toBe(5);
  });

  test("a reader that has left is an exit status of 1", async () => {
    const { promise: left, resolve } = Promise.withResolvers<void>();
    await play(async (peer) => {
      await peer.begin();
      await left;
      peer.say(output("nobody reads this"));
      await peer.word();
    });
    const child = start(["ps"]);
    child.stdout?.destroy();
    setTimeout(resolve, 20);
    expect(await ended(child)).toMatchObject({ code: 1, err: "" });
  });
});

describe("a caller whose streams are closed", () => {
  test("is left alone with the program", async () => {
    let asked = false;
    await play(async () => {
      asked = true;
    });
    const child = spawn("sh", ["-c", `"$0" ps <&- >"$1"; cat "$1"`, program, join(directory, "out")], {
      env: { PATH: process.env["PATH"] ?? "", GANTRY_CLIENT_SOCKET: socket },
      stdio: ["ignore", "pipe", "pipe"],
    });
    expect((await ended(child)).out).toBe("alone: ps absent=\n");
    expect(asked).toBeFalse();
  });
});
