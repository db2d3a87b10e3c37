import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { type Server, type Socket, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { descriptorOf } from "../../base/socket-descriptor.ts";
import { Connection } from "./connection.ts";

const HELLO = Buffer.from([0x67, 0x72, 0x63, 0x31, 5, 0, 0, 0]);
const GO = Buffer.from([0x67, 0x6f, 0, 0]);

let directory: string;
let server: Server;
let accepted: Promise<Socket>;
let client: Socket;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "gantry-resident-"));
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

describe("Connection", () => {
  test("hello() and go(), however they are cut", async () => {
    const connection = new Connection(await accepted);
    for (const byte of Buffer.concat([HELLO, GO])) {
      client.write(Uint8Array.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await connection.hello()).toBe(5);
    expect(await connection.go()).toBe(true);
    connection.close();
  });

  test("another beginning is none", async () => {
    const connection = new Connection(await accepted);
    client.write("GET / HT");
    expect(await connection.hello()).toBeUndefined();
  });

  test("who says too much is left", async () => {
    const socket = await accepted;
    const connection = new Connection(socket);
    client.write(Buffer.concat([HELLO, GO, GO]));
    await new Promise((resolve) => socket.on("close", resolve));
    expect(await connection.go()).toBe(false);
  });

  test("who leaves does not want us to begin", async () => {
    const connection = new Connection(await accepted);
    client.write(HELLO);
    expect(await connection.hello()).toBe(5);
    client.destroy();
    expect(await connection.go()).toBe(false);
  });

  test("who says nothing is left after a second", async () => {
    const connection = new Connection(await accepted);
    const begun = performance.now();
    expect(await connection.hello()).toBeUndefined();
    expect(performance.now() - begun).toBeGreaterThan(900);
  });

  test("no bytes do any harm", async () => {
    const seeds = [HELLO, Buffer.concat([HELLO, GO]), Buffer.alloc(0), Buffer.alloc(12, 255)];
    for (let round = 0; round < 200; round++) {
      const bytes = Buffer.from(seeds[round % seeds.length] ?? "");
      for (let change = 0; change < 2 && bytes.length > 0; change++)
        bytes[Math.floor(Math.random() * bytes.length)] = Math.floor(Math.random() * 256);
      const { promise, resolve } = Promise.withResolvers<Socket>();
      server.once("connection", resolve);
      const other = connect(join(directory, "s"));
      other.on("error", () => {});
      other.end(bytes.subarray(0, Math.floor(Math.random() * (bytes.length + 1))));
      const connection = new Connection(await promise);
      const descriptor = await connection.hello();
      if (descriptor !== undefined) expect(bytes.subarray(0, 4)).toEqual(HELLO.subarray(0, 4));
      if (await connection.go()) expect(bytes.subarray(8)).toEqual(GO);
      connection.close();
    }
  });
});

test("descriptorOf() is a socket's number as long as it is open", async () => {
  const socket = await accepted;
  expect(descriptorOf(socket)).toBeGreaterThan(2);
  socket.destroy();
  expect(descriptorOf(socket)).toBeUndefined();
});
