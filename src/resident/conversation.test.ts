import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type Server, type Socket, connect, createServer } from "node:net";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { failureOf } from "../../test/support/failure.ts";
import { until } from "../../test/support/until.ts";
import { Conversation } from "./conversation.ts";

const HELLO = word(0x31636c67);
const GO = word(0x6f67);
const [READY, OUTPUT, ERRORS, SIGNALS, EXIT, YOURSELF] = [1, 2, 3, 4, 5, 6] as const;
/** For tests in which the time must not come. */
const NEVER_MS = 3_600_000;

let directory: string;
let server: Server;
let accepted: Promise<Socket>;
let client: Socket;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "gantry-conversation-"));
  const { promise, resolve } = Promise.withResolvers<Socket>();
  accepted = promise;
  server = createServer(resolve);
  await new Promise<void>((done) => {
    server.listen(join(directory, "s"), done);
  });
  client = connect(join(directory, "s"));
  client.on("error", () => {});
});

afterEach(() => {
  client.destroy();
  server.close();
  rmSync(directory, { recursive: true });
});

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function message(kind: number, body: Uint8Array = Buffer.alloc(0)): Buffer {
  return Buffer.concat([word(kind), word(body.length), body]);
}

function messagesIn(bytes: Buffer): { kind: number; body: Buffer }[] {
  const messages: { kind: number; body: Buffer }[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 8 + bytes.readUInt32LE(at + 4);
    messages.push({ kind: bytes.readUInt32LE(at), body: bytes.subarray(at + 8, end) });
    at = end;
  }
  return messages;
}

/** All that the other side is told until the conversation is closed. */
async function allHeard(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  client.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(client, "close");
  return Buffer.concat(chunks);
}

async function begun(): Promise<Conversation> {
  const conversation = new Conversation(await accepted, NEVER_MS);
  client.write(Buffer.concat([HELLO, GO]));
  expect(await conversation.hello()).toBe(true);
  expect(await conversation.ready()).toBe(true);
  return conversation;
}

async function arrived(bytes: number): Promise<void> {
  const socket = await accepted;
  await until(`${bytes} bytes`, () => socket.bytesRead >= bytes);
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, "abort");
}

/** Everything that can happen without the other side has happened. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe("the first words", () => {
  test("are understood however they are cut", async () => {
    const heard = allHeard();
    const conversation = new Conversation(await accepted, NEVER_MS);
    const hello = conversation.hello();
    for (const byte of HELLO) {
      client.write(Uint8Array.of(byte));
      await turns();
    }
    expect(await hello).toBe(true);
    const ready = conversation.ready();
    for (const byte of GO) {
      client.write(Uint8Array.of(byte));
      await turns();
    }
    expect(await ready).toBe(true);
    conversation.close();
    expect(await heard).toEqual(message(READY));
  });

  test("may come at once", async () => {
    const conversation = await begun();
    expect(conversation.gone.aborted).toBe(false);
    conversation.close();
  });

  test("of another protocol are none", async () => {
    const conversation = new Conversation(await accepted, NEVER_MS);
    client.write("GET / HT");
    expect(await conversation.hello()).toBe(false);
  });

  test("do not want us to begin unless they say so", async () => {
    const conversation = new Conversation(await accepted, NEVER_MS);
    client.write(Buffer.concat([HELLO, HELLO]));
    expect(await conversation.hello()).toBe(true);
    expect(await conversation.ready()).toBe(false);
  });

  test("that do not come are not waited for", async () => {
    const conversation = new Conversation(await accepted, 50);
    expect(await conversation.hello()).toBe(false);
    await aborted(conversation.gone);
  });

  test("that stop in the middle are not waited for", async () => {
    const conversation = new Conversation(await accepted, 50);
    client.write(Buffer.concat([HELLO, GO.subarray(0, 3)]));
    await arrived(7);
    expect(await conversation.hello()).toBe(true);
    expect(await conversation.ready()).toBe(false);
    await aborted(conversation.gone);
  });

  test("that have come leave the other side all the time of the world", async () => {
    const conversation = new Conversation(await accepted, 20);
    client.write(Buffer.concat([HELLO, GO]));
    await arrived(8);
    expect(await conversation.hello()).toBe(true);
    expect(await conversation.ready()).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(conversation.gone.aborted).toBe(false);
    conversation.close();
  });

  test("of one who leaves are not waited for at all", async () => {
    const conversation = new Conversation(await accepted, NEVER_MS);
    client.destroy();
    expect(await conversation.hello()).toBe(false);
  });

  test("of one who leaves instead of beginning neither", async () => {
    const conversation = new Conversation(await accepted, NEVER_MS);
    client.write(HELLO);
    expect(await conversation.hello()).toBe(true);
    const ready = conversation.ready();
    client.destroy();
    expect(await ready).toBe(false);
  });

  test("do not come of one who has left before we were able to, which is no failure", async () => {
    const conversation = new Conversation(await accepted, NEVER_MS);
    client.write(HELLO);
    expect(await conversation.hello()).toBe(true);
    client.destroy();
    await aborted(conversation.gone);
    expect(await conversation.ready()).toBe(false);
    await turns();
  });
});

describe("write()", () => {
  test("sends messages of at most 64 KiB, in order", async () => {
    const heard = allHeard();
    const conversation = await begun();
    const bytes = Buffer.from(Uint8Array.from({ length: (2 << 16) + 5 }, (_, index) => index % 251));
    await conversation.write("output", bytes);
    await conversation.write("errors", Buffer.from("oops"));
    await conversation.write("output", Buffer.alloc(0));
    conversation.close();
    expect(messagesIn(await heard)).toEqual([
      { kind: READY, body: Buffer.alloc(0) },
      { kind: OUTPUT, body: bytes.subarray(0, 1 << 16) },
      { kind: OUTPUT, body: bytes.subarray(1 << 16, 2 << 16) },
      { kind: OUTPUT, body: bytes.subarray(2 << 16) },
      { kind: ERRORS, body: Buffer.from("oops") },
    ]);
  });

  test("resolves when there was room for the bytes, and not before", async () => {
    const conversation = await begun();
    client.pause();
    let isTaken = false;
    const writing = conversation.write("output", Buffer.alloc(4 << 20)).finally(() => {
      isTaken = true;
    });
    await turns();
    expect(isTaken).toBe(false);
    client.resume();
    await writing;
    conversation.close();
  });

  test("fails when the other side has left", async () => {
    const conversation = await begun();
    client.destroy();
    await aborted(conversation.gone);
    expect(await failureOf(conversation.write("output", Buffer.from("x")))).toMatchObject({ code: "EPIPE" });
  });

  test("fails when the other side leaves instead of making room", async () => {
    const conversation = await begun();
    client.pause();
    const failure = failureOf(conversation.write("output", Buffer.alloc(4 << 20)));
    await turns();
    client.destroy();
    expect(await failure).toMatchObject({ code: "EPIPE" });
  });
});

describe("passSignals()", () => {
  test("sends one bit for each, up to the last, and none for none", async () => {
    const heard = allHeard();
    const conversation = await begun();
    conversation.passSignals([constants.signals.SIGHUP, constants.signals.SIGTERM, 32, 64], () => {});
    conversation.passSignals([], () => {});
    await conversation.exit(0);
    conversation.close();
    const masks = messagesIn(await heard).filter(({ kind }) => kind === SIGNALS);
    expect(masks.map(({ body }) => body.toString("hex"))).toEqual(["0140008000000080", "0000000000000000"]);
  });

  test("tells those that arrive, in order, however they are cut", async () => {
    const conversation = await begun();
    const told: number[] = [];
    conversation.passSignals([1, 15], (number) => told.push(number));
    for (const byte of Buffer.concat([word(15), word(1), word(15)])) {
      client.write(Uint8Array.of(byte));
      await turns();
    }
    await until("three signals", () => told.length >= 3);
    expect(told).toEqual([15, 1, 15]);
    conversation.close();
  });

  test("tells those that arrived before it was called", async () => {
    const conversation = new Conversation(await accepted, NEVER_MS);
    client.write(Buffer.concat([HELLO, GO, word(2), word(15)]));
    expect(await conversation.hello()).toBe(true);
    expect(await conversation.ready()).toBe(true);
    await arrived(16);
    const told: number[] = [];
    conversation.passSignals([2, 15], (number) => told.push(number));
    await until("two signals", () => told.length >= 2);
    expect(told).toEqual([2, 15]);
    conversation.close();
  });

  test("with an empty list tells no more of them", async () => {
    const conversation = await begun();
    const told: number[] = [];
    conversation.passSignals([15], (number) => told.push(number));
    client.write(word(15));
    await until("a signal", () => told.length === 1);
    conversation.passSignals([], () => {});
    client.write(word(15));
    await arrived(16);
    await turns();
    expect(told).toEqual([15]);
    expect(conversation.gone.aborted).toBe(false);
    conversation.close();
  });

  test("is no failure when the other side has left", async () => {
    const conversation = await begun();
    client.destroy();
    await aborted(conversation.gone);
    conversation.passSignals([15], () => {});
    await turns();
  });
});

describe("the end", () => {
  test("with a status", async () => {
    const heard = allHeard();
    const conversation = await begun();
    await conversation.exit(137);
    conversation.close();
    expect(await heard).toEqual(Buffer.concat([message(READY), message(EXIT, word(137))]));
  });

  test("with a status that is longer than a process can have", async () => {
    const heard = allHeard();
    const conversation = await begun();
    await conversation.exit(-1);
    conversation.close();
    expect(await heard).toEqual(Buffer.concat([message(READY), message(EXIT, word(255))]));
  });

  test("by leaving the work to the other side", async () => {
    const heard = allHeard();
    const conversation = new Conversation(await accepted, NEVER_MS);
    await conversation.yourself();
    conversation.close();
    expect(await heard).toEqual(message(YOURSELF));
  });

  test("of the other side aborts what is done for it", async () => {
    const conversation = await begun();
    expect(conversation.gone.aborted).toBe(false);
    client.destroy();
    await aborted(conversation.gone);
  });

  test("of the other side's half aborts it, too", async () => {
    const conversation = await begun();
    client.end();
    await aborted(conversation.gone);
  });

  test("comes for who says more than anybody listens to", async () => {
    const conversation = await begun();
    client.write(Buffer.alloc(1024));
    await arrived(8 + 1024);
    await turns();
    expect(conversation.gone.aborted).toBe(false);
    client.write("x");
    await aborted(conversation.gone);
    expect(await failureOf(conversation.write("output", Buffer.from("x")))).toMatchObject({ code: "EPIPE" });
  });

  test("comes before any of the signals of who says too many at once", async () => {
    const conversation = await begun();
    const told: number[] = [];
    conversation.passSignals([15], (number) => told.push(number));
    client.write(Buffer.concat(Array.from({ length: 257 }, () => word(15))));
    await aborted(conversation.gone);
    expect(told).toEqual([]);
  });

  test("does not come for many signals that are listened to", async () => {
    const conversation = await begun();
    let told = 0;
    conversation.passSignals([15], () => told++);
    for (let signal = 0; signal < 1000; signal++) {
      client.write(word(15));
      if (signal % 100 === 0) await until("those so far", () => told === signal + 1);
    }
    await until("a thousand", () => told === 1000);
    expect(conversation.gone.aborted).toBe(false);
    conversation.close();
  });
});
