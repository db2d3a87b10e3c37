import { createServer } from "node:http";
import { connect } from "node:net";
import { expect, test } from "bun:test";
import { listening } from "./listen.ts";
import { Reply } from "./reply.ts";

/** More than the buffers of two sockets. */
const BYTES = 64 << 20;

test("a body that is there at once has a pace, too: whoever reads nothing loses the connection", async () => {
  const { promise: ended, resolve, reject } = Promise.withResolvers<boolean>();
  const server = createServer((_request, response) => {
    const reply = new Reply(response, { headOnly: false, idleMs: 200 });
    reply.body(200, Buffer.alloc(BYTES), {}).then(() => resolve(reply.isAbandoned), reject);
  });
  const port = await listening(server, { host: "127.0.0.1", port: 0 });
  const client = connect(port, "127.0.0.1");
  client.on("error", () => {});
  client.pause();
  client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  expect(await ended).toBe(true);
  client.destroy();
  server.close();
});

test("a body longer than a piece comes whole, and with its length", async () => {
  const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, i) => i % 251));
  const server = createServer((_request, response) => {
    void new Reply(response, { headOnly: false, idleMs: 200 }).body(200, bytes, {});
  });
  const port = await listening(server, { host: "127.0.0.1", port: 0 });
  const answer = await fetch(`http://127.0.0.1:${port}/`);
  expect(answer.headers.get("content-length")).toBe("200000");
  expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true);
  server.close();
});
