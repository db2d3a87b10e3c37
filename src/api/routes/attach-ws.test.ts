import { afterEach, beforeEach, expect, test } from "bun:test";
import { OPCODE } from "../streams/web-socket-frames.ts";
import { ApiHost, RawConnection } from "../testing/api-host.ts";
import { maskedFrame } from "../testing/masked-frame.ts";

let host: ApiHost;
const clients: RawConnection[] = [];
beforeEach(async () => {
  host = await ApiHost.start();
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.destroy();
  await host[Symbol.asyncDispose]();
});

function open(path: string, key = "dGhlIHNhbXBsZSBub25jZQ=="): RawConnection {
  const client = new RawConnection(host.socketPath);
  clients.push(client);
  client.socket.write(
    `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
  );
  return client;
}

function framed(text: string): Buffer {
  return Buffer.from([1, 0, 0, 0, 0, 0, 0, text.length, ...Buffer.from(text)]);
}

test("a WebSocket client gets output in binary messages without heads, and its messages are input", async () => {
  await host.create("cat", { OpenStdin: true, StdinOnce: true });
  await host.call("POST", "/containers/cat/start");
  const client = open("/v1.51/containers/cat/attach/ws?stream=1&stdin=1&stdout=1");
  await client.saw("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n");
  const stream = host.tasks.only().streams[0];
  client.socket.write(maskedFrame(OPCODE.text, "typed"));
  const typed: Buffer = await new Promise((resolve) => stream?.input.once("data", resolve));
  expect(String(typed)).toBe("typed");
  stream?.push(framed("hello"));
  await client.saw("\x82\x05hello");
  client.socket.write(maskedFrame(OPCODE.ping, "p"));
  await client.saw("\x8a\x01p");
  stream?.push(null);
  await client.saw("\x88\x02\x03\xe8");
  await client.ended();
});

test("before API 1.28 messages are text, and a terminal's output is as it is", async () => {
  await host.create("sh", { Tty: true });
  await host.call("POST", "/containers/sh/start");
  const client = open("/v1.27/containers/sh/attach/ws?stream=1&stdout=1");
  await client.saw("\r\n\r\n");
  host.tasks.only().streams[0]?.push("prompt");
  await client.saw("\x81\x06prompt");
});

test("a client that says goodbye, or breaks the rules, is let go with its stream", async () => {
  await host.create("web");
  await host.call("POST", "/containers/web/start");
  for (const [bytes, answer] of [
    [maskedFrame(OPCODE.close, "\x03\xe8"), "\x88\x02\x03"],
    [Buffer.from([0x82, 1, 0x61]), "\x88\x02\x03\xea"],
  ] as const) {
    const client = open("/containers/web/attach/ws?stream=1&stdout=1");
    await client.saw("\r\n\r\n");
    const stream = host.tasks.only().streams.at(-1);
    const closed = new Promise<void>((resolve) => stream?.on("close", () => resolve()));
    client.socket.write(bytes);
    await client.saw(answer);
    client.socket.end();
    await closed;
  }
});

test("a request that is no handshake is told so, and holds nothing", async () => {
  await host.create("web");
  await host.call("POST", "/containers/web/start");
  const plain = await host.call("GET", "/containers/web/attach/ws?stream=1&stdout=1");
  expect([plain.status, plain.text]).toEqual([400, expect.stringContaining("no WebSocket handshake")]);
  const client = open("/containers/web/attach/ws?stream=1&stdout=1", "short");
  await client.saw("HTTP/1.1 400");
  expect(host.tasks.only().streams.every((stream) => stream.destroyed)).toBe(true);
});
