import { createServer } from "node:http";
import { connect } from "node:net";
import { expect, test } from "bun:test";
import { readBody } from "./body.ts";
import { listening } from "./listen.ts";

const PACE = { idleMs: 5000, graceMs: 5000, leastBytesPerSecond: 1, onBytes: () => {} };

test("a body that was given up fails for nobody when its connection breaks afterwards", async () => {
  const failures: unknown[] = [];
  const note = (error: unknown): void => void failures.push(error);
  process.on("unhandledRejection", note);
  const { promise: given, resolve } = Promise.withResolvers<unknown>();
  const server = createServer((request) => {
    const end = new AbortController();
    const read = async (): Promise<void> => {
      for await (const _ of readBody(request, PACE, end.signal)) end.abort(new Error("given up"));
    };
    read().catch(resolve);
  });
  const port = await listening(server, { host: "127.0.0.1", port: 0 });
  const client = connect(port, "127.0.0.1");
  client.write("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nsome bytes");
  expect(String(await given)).toContain("given up");
  client.destroy();
  await new Promise((done) => setTimeout(done, 100));
  process.off("unhandledRejection", note);
  expect(failures).toEqual([]);
  server.close();
});
