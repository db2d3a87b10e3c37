import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectNode, connectSocket } from "./bun-socket.ts";
import type { ByteStream } from "./byte-stream.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const undo of cleanups.splice(0).reverse()) undo();
});

async function listen(onConnection: (socket: net.Socket) => void): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), "gantry-socket-"));
  const path = join(dir, "s.sock");
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    onConnection(socket);
  });
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
    rmSync(dir, { recursive: true });
  });
  return path;
}

async function failureOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "no failure",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}

async function readAll(stream: ByteStream): Promise<string> {
  const chunks: Buffer[] = [];
  for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read()) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

for (const [name, connect] of [
  ["Bun.connect", connectSocket],
  ["node:net", connectNode],
] as const) {
  describe(`connectSocket() over ${name}`, () => {
    test("endWrite() ends our direction only: the answer written after it arrives", async () => {
      const path = await listen((socket) => {
        let seen = "";
        socket.on("data", (chunk) => {
          seen += chunk.toString();
        });
        socket.on("end", () => socket.end(`got ${seen}`));
      });
      const stream = await connect({ kind: "unix", path });
      await stream.write(Buffer.from("hello "));
      await stream.write(Buffer.from("there"));
      await stream.endWrite();
      expect(await readAll(stream)).toBe("got hello there");
    });

    test("write() works after the other side has ended its direction", async () => {
      const received = Promise.withResolvers<string>();
      const path = await listen((socket) => {
        socket.end("bye");
        let seen = "";
        socket.on("data", (chunk) => {
          seen += chunk.toString();
        });
        socket.on("end", () => received.resolve(seen));
      });
      const stream = await connect({ kind: "unix", path });
      expect(await readAll(stream)).toBe("bye");
      await stream.write(Buffer.from("still here"));
      await stream.endWrite();
      expect(await received.promise).toBe("still here");
    });

    test("write() waits for a reader that does not read, and loses nothing", async () => {
      const opened = Promise.withResolvers<net.Socket>();
      const path = await listen((socket) => {
        socket.pause();
        opened.resolve(socket);
      });
      const stream = await connect({ kind: "unix", path });
      const server = await opened.promise;
      const total = 16 << 20;
      let settled = false;
      const writing = stream.write(Buffer.alloc(total, 7)).finally(() => {
        settled = true;
      });
      await new Promise((resolve) => setImmediate(resolve));
      expect(settled).toBe(false);
      let received = 0;
      const done = new Promise<void>((resolve) => {
        server.on("data", (chunk) => {
          received += chunk.length;
          if (received === total) resolve();
        });
      });
      server.resume();
      await writing;
      await done;
      expect(received).toBe(total);
    });

    test("an unread stream holds the sender back, and all of it arrives in order", async () => {
      const opened = Promise.withResolvers<net.Socket>();
      const path = await listen((socket) => opened.resolve(socket));
      const stream = await connect({ kind: "unix", path });
      const server = await opened.promise;
      const block = Buffer.alloc(65536);
      let sent = 0;
      const total = 32 << 20;
      const stalled = Promise.withResolvers<void>();
      const pump = (): void => {
        while (sent < total) {
          block.writeUInt32BE(sent, 0);
          const room = server.write(Buffer.from(block));
          sent += block.length;
          if (!room) {
            server.once("drain", pump);
            const at = sent;
            setImmediate(() => setImmediate(() => setImmediate(() => at === sent && stalled.resolve())));
            return;
          }
        }
        server.end();
      };
      pump();
      await stalled.promise;
      expect(sent).toBeLessThan(8 << 20);
      let received = 0;
      for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read()) {
        const next = Math.ceil(received / 65536) * 65536;
        if (next - received + 4 <= chunk.length) expect(chunk.readUInt32BE(next - received)).toBe(next);
        received += chunk.length;
      }
      expect(received).toBe(total);
    });

    test("a chunk kept by the reader is not overwritten by later ones", async () => {
      const path = await listen((socket) => {
        socket.write("first");
        socket.once("data", () => socket.end("other"));
      });
      const stream = await connect({ kind: "unix", path });
      const first = await stream.read();
      await stream.write(Buffer.from("."));
      expect(await readAll(stream)).toBe("other");
      expect(first?.toString()).toBe("first");
    });

    test("close() ends a waiting read()", async () => {
      const path = await listen(() => {});
      const stream = await connect({ kind: "unix", path });
      const reading = stream.read();
      stream.close();
      expect(await reading).toBeUndefined();
    });

    test("write() to a connection that the other side dropped fails", async () => {
      const path = await listen((socket) => socket.destroy());
      const stream = await connect({ kind: "unix", path });
      await stream.read().catch(() => {});
      const attempt = async (): Promise<void> => {
        for (let i = 0; i < 100; i++) await stream.write(Buffer.alloc(65536));
      };
      expect(await failureOf(attempt())).not.toBe("no failure");
    });

    test("a missing socket is ENOENT", async () => {
      const missing = connect({ kind: "unix", path: "/nonexistent/gantry.sock" });
      expect(await missing.catch((error: unknown) => error)).toMatchObject({ code: "ENOENT" });
    });
  });
}
