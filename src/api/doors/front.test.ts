import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { NO_LOG } from "../../base/log.ts";
import { Front, FRONT_LIMITS, type FrontLimits } from "./front.ts";
import { openDoor } from "./listen.ts";

const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0).reverse()) step();
});

interface Served {
  readonly front: Front;
  readonly port: number;
}

async function serve(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  upgrade: (socket: Duplex) => void = (socket) => socket.destroy(),
  limits: Partial<FrontLimits> = {},
): Promise<Served> {
  const directory = mkdtempSync(join(tmpdir(), "gantry-front-"));
  const server = createServer(answer);
  server.on("upgrade", (_request, socket: Duplex, head: Buffer) => {
    if (head.length > 0) socket.unshift(head);
    socket.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    upgrade(socket);
  });
  const path = join(directory, "s");
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const front = new Front(path, NO_LOG, { ...FRONT_LIMITS, ...limits });
  const door = await openDoor(front, { host: "127.0.0.1", port: 0 }, undefined);
  undo.push(() => {
    door.close();
    front.close();
    server.close();
    server.closeAllConnections();
    rmSync(directory, { recursive: true });
  });
  return { front, port: door.port ?? 0 };
}

async function dial(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  socket.on("error", () => {});
  undo.push(() => socket.destroy());
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  return socket;
}

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.resume();
    socket.once("end", resolve);
    socket.once("close", () => resolve());
  });

async function readAll(socket: Socket): Promise<string> {
  let text = "";
  for await (const chunk of socket) text += String(chunk);
  return text;
}

const UPGRADE = "POST /attach HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";

test("a client whose input has ended still reads its output, byte for byte", async () => {
  const { port } = await serve(
    () => {},
    (socket) => {
      let bytes = 0;
      socket.on("data", (chunk: Buffer) => (bytes += chunk.length));
      socket.on("end", () => setTimeout(() => socket.end(`${bytes} bytes`), 20));
    },
  );
  const client = await dial(port);
  client.write(UPGRADE);
  client.end(Buffer.alloc(300_000));
  expect(await readAll(client)).toEndWith("\r\n\r\n300000 bytes");
});

test("a server whose output has ended still reads its input", async () => {
  const { promise: heard, resolve } = Promise.withResolvers<string>();
  const { port } = await serve(
    () => {},
    (socket) => {
      let text = "";
      socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
      socket.on("end", () => resolve(text));
      socket.end();
    },
  );
  const client = await dial(port);
  client.write(UPGRADE);
  await closed(client);
  client.end("last words");
  expect(await heard).toBe("last words");
});

test("a slow reader slows the writer down", async () => {
  let written = 0;
  const { port } = await serve(
    () => {},
    (socket) => {
      const chunk = Buffer.alloc(64 * 1024);
      const go = (): void => {
        do written += chunk.length;
        while (socket.write(chunk) && written < 64 << 20);
      };
      socket.on("drain", go);
      go();
    },
  );
  const client = await dial(port);
  client.write(UPGRADE);
  client.pause();
  await new Promise((resolve) => setTimeout(resolve, 500));
  const before = written;
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(written).toBe(before);
  expect(written).toBeLessThan(16 << 20);
});

test.each(["ends", "is reset"])("a client whose connection %s is gone for its request", async (how) => {
  const { promise: ended, resolve } = Promise.withResolvers<boolean>();
  const { port, front } = await serve((_request, response) => {
    response.writeHead(200);
    response.flushHeaders();
    response.once("close", () => resolve(response.writableFinished));
  });
  const client = await dial(port);
  client.write("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
  await new Promise<void>((first) => client.once("data", () => first()));
  expect(front.connections).toBe(1);
  if (how === "ends") client.destroy();
  else client.resetAndDestroy();
  expect(await ended).toBe(false);
  while (front.connections > 0) await new Promise((soon) => setTimeout(soon, 5));
});

test("no more connections than are allowed, by address and at all; a place that is free is given again", async () => {
  for (const limits of [{ perAddress: 2 }, { connections: 2 }]) {
    const { port, front } = await serve(() => {}, undefined, limits);
    const [first] = [await dial(port), await dial(port)];
    while (front.connections < 2) await new Promise((soon) => setTimeout(soon, 5));
    await closed(await dial(port));
    first?.destroy();
    while (front.connections > 1) await new Promise((soon) => setTimeout(soon, 5));
    await dial(port);
    while (front.connections < 2) await new Promise((soon) => setTimeout(soon, 5));
  }
});

test("who says nothing is not waited for, and line ends are nothing", async () => {
  const { port } = await serve((_request, response) => response.end("ok"), undefined, { silenceMs: 50 });
  await closed(await dial(port));
  const blank = await dial(port);
  blank.write("\r\n\r\n");
  await closed(blank);
  const client = await dial(port);
  client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await new Promise((resolve) => setTimeout(resolve, 120));
  client.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  expect((await readAll(client)).match(/200 OK/g)).toHaveLength(2);
});

test("a closed front breaks off everything", async () => {
  const { port, front } = await serve(() => {});
  const client = await dial(port);
  client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  while (front.connections < 1) await new Promise((soon) => setTimeout(soon, 5));
  front.close();
  await closed(client);
});
