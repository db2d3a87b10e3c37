import { afterEach, beforeEach, expect, test } from "bun:test";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type Socket, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ShimConnection, ShimRefusal } from "./client.ts";
import { SHIM_KIND, type ShimEvent, decodeState } from "./protocol.ts";
import { FakeShim, encodeFrame } from "./testing/fake-shim.ts";
import { failureOf } from "../../test/support/failure.ts";

let directory = "";
const cleanup: (() => void)[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "shim-client-"));
});

afterEach(() => {
  for (const undo of cleanup.splice(0).reverse()) undo();
  rmSync(directory, { recursive: true });
});

async function runningShim(): Promise<FakeShim> {
  const shim = await FakeShim.running(directory, { pid: 4, startTicks: 44n });
  cleanup.push(() => shim.crash());
  return shim;
}

function connection(onEvent?: (event: ShimEvent) => void): ShimConnection {
  const socket = connect({ path: join(directory, "shim.sock"), allowHalfOpen: true });
  const made = new ShimConnection(socket, onEvent);
  cleanup.push(() => made.close());
  return made;
}

/** A peer that is no shim: the test writes its bytes itself. */
async function rawPeer(): Promise<{ client: ShimConnection; peer: Socket }> {
  const { promise, resolve } = Promise.withResolvers<Socket>();
  const server = createServer({ allowHalfOpen: true }, resolve);
  server.listen(join(directory, "shim.sock"));
  cleanup.push(() => server.close());
  const client = connection();
  const peer = await promise;
  peer.on("error", () => {});
  cleanup.push(() => peer.destroy());
  return { client, peer };
}

test("request() returns the answer to its own tag", async () => {
  await runningShim();
  const client = connection();
  const [, state] = await Promise.all([
    client.request({ kind: "signal", execId: "", signal: 1 }, 2000),
    client.request({ kind: "state" }, 2000),
  ]);
  expect(decodeState(state)).toEqual({ status: "running", pid: 4, startTicks: 44n });
});

test("request() throws the shim's refusal with the errno's name", async () => {
  const shim = await runningShim();
  shim.refusals.set("signal", { errno: 3, op: 0, text: 'cannot signal "e9"' });
  const refused = await connection()
    .request({ kind: "signal", execId: "e9", signal: 1 }, 2000)
    .catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(ShimRefusal);
  expect(String(refused)).toBe('ShimRefusal: cannot signal "e9": ESRCH');
});

test("request() gives up at its deadline and takes the late answer for nobody's", async () => {
  const shim = await runningShim();
  const client = connection();
  shim.freeze();
  expect(await failureOf(client.request({ kind: "start" }, 5))).toMatchObject({
    category: "unavailable",
    message: 'shim did not answer "start" within 5 ms',
  });
  shim.thaw();
  expect(decodeState(await client.request({ kind: "state" }, 2000)).status).toBe("running");
});

test("request() without a deadline is answered when the shim goes on", async () => {
  const shim = await runningShim();
  const client = connection();
  shim.freeze();
  const asked = Promise.withResolvers<void>();
  shim.onRequest = () => asked.resolve();
  const state = client.request({ kind: "state" }, undefined);
  await asked.promise;
  shim.thaw();
  expect(decodeState(await state).pid).toBe(4);
});

test("everything waiting is rejected when the shim dies", async () => {
  const shim = await runningShim();
  const client = connection();
  shim.freeze();
  const asked = Promise.withResolvers<void>();
  shim.onRequest = () => asked.resolve();
  const state = failureOf(client.request({ kind: "state" }, 5000));
  await asked.promise;
  shim.crash();
  expect(await state).toMatchObject({ category: "unavailable" });
  await client.closed;
  expect(client.isClosed).toBe(true);
  expect(await failureOf(client.request({ kind: "state" }, 5000))).toMatchObject({ category: "unavailable" });
});

test("a shim that is not there closes the connection", async () => {
  const client = connection();
  await client.closed;
  expect(client.isClosed).toBe(true);
});

test("events arrive in order on a subscribed connection", async () => {
  const shim = await runningShim();
  const seen: ShimEvent[] = [];
  const client = connection((event) => seen.push(event));
  await client.request({ kind: "subscribe" }, 2000);
  shim.execExit("e1", 3);
  shim.runOutOfMemory();
  shim.exit({ exitCode: 143, signal: 15, exitedAtNs: 5n });
  await client.closed;
  expect(seen).toMatchObject([
    { kind: "exec-exit", exitCode: 3 },
    { kind: "oom" },
    { kind: "exit", exitCode: 143 },
  ]);
});

test("openStream() hands over bytes that came in one piece with the answer", async () => {
  const { client, peer } = await rawPeer();
  const opened = client.openStream({ kind: "attach", stdin: true, stdout: true, stderr: true }, 2000);
  peer.once("data", () => {
    peer.write(Buffer.concat([encodeFrame(SHIM_KIND.REPLY_OK, 1), Buffer.from("early ")]));
    peer.end("and late");
  });
  const { stream } = await opened;
  let text = "";
  for await (const chunk of stream) text += String(chunk);
  expect(text).toBe("early and late");
});

test("a stream starts with its first data listener", async () => {
  const shim = await runningShim();
  const { stream } = await connection().openStream(
    { kind: "attach", stdin: false, stdout: true, stderr: true },
    2000,
  );
  shim.output("hello");
  const [chunk] = await once(stream, "data");
  expect(String(chunk)).toBe("hello");
});

test("the stream's two directions end on their own", async () => {
  const shim = await runningShim();
  const { stream } = await connection().openStream(
    { kind: "attach", stdin: true, stdout: true, stderr: true },
    2000,
  );
  shim.onInputEnd = () => {
    shim.output("after the end of input");
    shim.exit({ exitCode: 0 });
  };
  stream.end("typed");
  let text = "";
  for await (const chunk of stream) text += String(chunk);
  expect(text).toBe("after the end of input");
  expect(shim.input.get("")).toBe("typed");
});

test("openStream() closes the connection when the shim refuses", async () => {
  const shim = await runningShim();
  shim.refusals.set("exec", { errno: 2, op: 7, text: 'cannot execute "nope": ENOENT' });
  const client = connection();
  const refused = await client
    .openStream(
      {
        kind: "exec",
        execId: "e1",
        terminal: false,
        stdin: false,
        stream: true,
        window: { rows: 0, cols: 0 },
        plan: Buffer.from("p"),
      },
      2000,
    )
    .catch((error: unknown) => error);
  expect(refused).toMatchObject({ op: 7, errno: "ENOENT", message: 'cannot execute "nope": ENOENT' });
  expect(client.isClosed).toBe(true);
});

test("a damaged frame ends the connection and says why", async () => {
  const { client, peer } = await rawPeer();
  const state = client.request({ kind: "state" }, 2000);
  peer.write(Buffer.alloc(8, 0xff));
  const error = await state.catch((cause: unknown) => cause);
  expect(error).toMatchObject({ category: "unavailable", message: "shim sent a damaged frame" });
  await client.closed;
});

test("an answer nobody asked for ends the connection", async () => {
  const { client, peer } = await rawPeer();
  peer.write(encodeFrame(SHIM_KIND.REPLY_OK, 9));
  await client.closed;
  expect(client.isClosed).toBe(true);
});
