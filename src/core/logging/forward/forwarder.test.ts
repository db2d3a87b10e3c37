import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { builtNative } from "../../../../test/support/native.ts";
import { Logger, NO_LOG } from "../../../base/log.ts";
import { gzipHeader, identityOf } from "../log-files.ts";
import type { FluentdTarget, RemoteLog } from "../remote-log.ts";
import { unpack } from "../testing/unpack.ts";
import { StreamSink } from "../testing/stream-sink.ts";
import { syslogTo, TEST_ID, WrittenLog } from "../testing/written-log.ts";
import { LogForwarder } from "./forwarder.ts";

const NEVER = new Promise<void>(() => {});
const ENDED = Promise.resolve();

let log: WrittenLog;
let forwarder: LogForwarder;
let sinks: StreamSink[] = [];

beforeEach(() => {
  log = new WrittenLog();
  forwarder = newForwarder();
});

afterEach(async () => {
  await forwarder.stop();
  for (const sink of sinks) await sink.kill();
  sinks = [];
  log.remove();
});

function newForwarder(logger: Logger = NO_LOG): LogForwarder {
  return new LogForwarder(logger, builtNative());
}

async function listen(at?: { readonly path: string }): Promise<StreamSink> {
  const sink = await StreamSink.listen(at ?? { port: 0 });
  sinks.push(sink);
  return sink;
}

function to(sink: StreamSink): RemoteLog {
  return syslogTo({ kind: "tcp", host: "127.0.0.1", port: sink.port });
}

/** The lines' texts. */
function texts(sink: StreamSink): string[] {
  return sink.text
    .split("\n")
    .slice(0, -1)
    .map((line) => line.replace(/^.* - /, ""));
}

function numbers(from: number, to_: number): string[] {
  return Array.from({ length: to_ - from + 1 }, (_, i) => String(from + i));
}

test("what is there and what comes is sent, soon and in order", async () => {
  const sink = await listen();
  log.write("1", "2");
  forwarder.follow(log.forwarded(to(sink)), NEVER);
  await sink.until((text) => text.endsWith("2\n"));
  const begun = performance.now();
  log.write("3");
  await sink.until((text) => text.endsWith("3\n"));
  expect(performance.now() - begun).toBeLessThan(10_000); // it looks by itself every half minute
  expect(texts(sink)).toEqual(["1", "2", "3"]);
});

test("rotated and compressed files are part of it, oldest first", async () => {
  const sink = await listen();
  const { path } = log.file;
  for (const n of [1, 2, 3]) {
    log.write(String(n));
    if (n < 3) log.rotate();
  }
  const identity = await identityOf(`${path}.2`);
  if (identity === undefined) throw new Error("no file");
  const plain = gzipSync(readFileSync(`${path}.2`));
  writeFileSync(`${path}.2.gz`, Buffer.concat([gzipHeader(identity), plain.subarray(10)]));
  unlinkSync(`${path}.2`);
  forwarder.follow(log.forwarded(to(sink)), ENDED);
  await sink.until((text) => text.endsWith("3\n"));
  expect(texts(sink)).toEqual(["1", "2", "3"]);
});

test("rotations while it follows lose nothing", async () => {
  const sink = await listen();
  forwarder.follow(log.forwarded(to(sink)), NEVER);
  for (let n = 1; n <= 200; n++) {
    log.write(String(n));
    if (n % 20 === 0) {
      await sink.until((text) => text.includes(` ${n}\n`));
      log.rotate();
    }
  }
  log.write("end");
  await sink.until((text) => text.endsWith("end\n"));
  expect(texts(sink)).toEqual([...numbers(1, 200), "end"]);
});

test("another forwarder goes on where the one before has stopped", async () => {
  const sink = await listen();
  log.write("0");
  log.rotate();
  log.write(...numbers(1, 50));
  forwarder.follow(log.forwarded(to(sink)), NEVER);
  await sink.until((text) => text.endsWith(" 50\n"));
  await forwarder.stop();
  log.write("51");
  log.rotate();
  log.write("52");
  forwarder = newForwarder();
  forwarder.follow(log.forwarded(to(sink)), ENDED);
  await sink.until((text) => text.endsWith(" 52\n"));
  expect(texts(sink)).toEqual(numbers(0, 52));
});

test("a sink that is not there yet gets everything when it is", async () => {
  const path = join(log.root, "sink");
  const warnings: string[] = [];
  forwarder = newForwarder(new Logger((line) => warnings.push(line), "warn"));
  forwarder.follow(log.forwarded(syslogTo({ kind: "unix", path })), ENDED);
  log.write("1", "2");
  await pause(100);
  const sink = await listen({ path });
  await sink.until((text) => text.endsWith("2\n"));
  expect(texts(sink)).toEqual(["1", "2"]);
  expect(warnings.length).toBe(1);
  expect(warnings[0]).toContain("a log's sink does not answer: its lines wait");
});

test("a sink that breaks off loses nothing, and gets twice only what it had in the last second", async () => {
  const path = join(log.root, "sink");
  const first = await listen({ path });
  log.write(...numbers(1, 100));
  forwarder.follow(log.forwarded(syslogTo({ kind: "unix", path })), NEVER);
  await first.until((text) => text.endsWith(" 100\n"));
  await pause(2_200);
  log.write("101");
  await first.until((text) => text.endsWith(" 101\n"));
  await first.kill();
  sinks = [];
  log.write("102");
  const second = await listen({ path });
  await second.until((text) => text.endsWith(" 102\n"));
  expect(texts(second)).toEqual(["101", "102"]);
});

test("a sink that always breaks off does not get the same lines for ever", async () => {
  const sink = await listen();
  sink.onData = (socket) => socket.destroy();
  log.write("1", "2");
  forwarder.follow(log.forwarded(to(sink)), NEVER);
  await sink.until((text) => text.split(" 1\n").length > 3);
  await pause(600);
  expect(sink.text.split(" 1\n").length - 1).toBe(4);
});

function fluentd(sink: StreamSink, more: Partial<FluentdTarget> = {}): FluentdTarget {
  return {
    kind: "fluentd",
    endpoint: { kind: "tcp", host: "127.0.0.1", port: sink.port },
    retry: { waitMs: 20, maxRetries: 9 },
    tag: "tag",
    containerId: TEST_ID,
    containerName: "web",
    attributes: new Map(),
    subSecond: false,
    requestAck: false,
    reconnectMs: 0,
    writeTimeoutMs: 0,
    readTimeoutMs: 0,
    ...more,
  };
}

test("what is acknowledged is not sent again, what is not is, in time", async () => {
  const sink = await listen();
  let isWilling = true;
  sink.onData = (socket, bytes) => {
    const [message] = unpack(bytes);
    const option: unknown = Array.isArray(message) ? message[2] : undefined;
    const chunk: unknown = option instanceof Map ? option.get("chunk") : undefined;
    if (!Buffer.isBuffer(chunk)) throw new Error("nothing to acknowledge");
    if (isWilling) socket.write(Buffer.concat([Buffer.from("\x81\xa3ack\xb8", "latin1"), chunk]));
    isWilling = true;
  };
  log.write("one");
  forwarder.follow(log.forwarded(fluentd(sink, { requestAck: true, readTimeoutMs: 200 })), NEVER);
  await sink.until((received) => received.includes("one"));
  await pause(50);
  isWilling = false;
  log.write("two");
  await sink.until((received) => received.split("two").length === 3);
  await pause(300);
  expect(sink.text.split("one").length - 1).toBe(1);
  expect(sink.text.split("two").length - 1).toBe(2);
  expect(sink.connections).toBe(2);
});

test("a connection is renewed as often as the user says", async () => {
  const sink = await listen();
  forwarder.follow(log.forwarded(fluentd(sink, { reconnectMs: 100 })), NEVER);
  for (const text of ["one", "two"]) {
    log.write(text);
    await sink.until((received) => received.includes(text));
    await pause(150);
  }
  expect(sink.connections).toBe(2);
});

test("a deaf sink holds nobody up", async () => {
  const deaf = await listen();
  deaf.isDeaf = true;
  const other = new WrittenLog();
  other.write(...Array.from({ length: 2000 }, () => "x".repeat(4000)));
  forwarder.follow({ ...other.forwarded(to(deaf)), id: "deaf" }, NEVER);
  const sink = await listen();
  log.write("1");
  forwarder.follow(log.forwarded(to(sink)), NEVER);
  await sink.until((text) => text.endsWith("1\n"));
  await forwarder.stop();
  other.remove();
});

test("after the last attempt that the user grants a batch is given up, and the next has its turn", async () => {
  const path = join(log.root, "sink");
  const warnings: string[] = [];
  forwarder = newForwarder(new Logger((line) => warnings.push(line), "warn"));
  log.write("lost");
  const remote = syslogTo({ kind: "unix", path }, { retry: { waitMs: 5, maxRetries: 2 } });
  forwarder.follow(log.forwarded(remote), NEVER);
  while (!warnings.some((line) => line.includes("given up"))) await pause(5);
  const sink = await listen({ path });
  log.write("kept");
  await sink.until((text) => text.endsWith("kept\n"));
  expect(texts(sink)).toEqual(["kept"]);
});

test("release() waits for the last lines, and not for a sink that is dead", async () => {
  const sink = await listen();
  log.write("1");
  forwarder.follow(log.forwarded(to(sink)), NEVER);
  await forwarder.release(TEST_ID);
  expect(texts(sink)).toEqual(["1"]);
  const other = new WrittenLog();
  other.write("1");
  forwarder.follow(other.forwarded(syslogTo({ kind: "unix", path: "/nowhere" })), NEVER);
  const begun = performance.now();
  await forwarder.release(TEST_ID);
  expect(performance.now() - begun).toBeLessThan(1_500); // of two seconds
  const deaf = await listen();
  deaf.isDeaf = true;
  other.write(...Array.from({ length: 2000 }, () => "x".repeat(4000)));
  forwarder.follow(other.forwarded(to(deaf)), NEVER);
  await forwarder.release(TEST_ID);
  expect(performance.now() - begun).toBeWithin(1_900, 4_000);
  other.remove();
});

test("the next run of a container goes on", async () => {
  const sink = await listen();
  log.write("1");
  forwarder.follow(log.forwarded(to(sink)), ENDED);
  await sink.until((text) => text.endsWith("1\n"));
  forwarder.follow(log.forwarded(to(sink)), NEVER);
  log.write("2");
  await sink.until((text) => text.endsWith("2\n"));
  expect(texts(sink)).toEqual(["1", "2"]);
});

test("a position that makes no sense means the beginning", async () => {
  const sink = await listen();
  writeFileSync(log.positionPath, "{");
  log.write("1");
  forwarder.follow(log.forwarded(to(sink)), ENDED);
  await sink.until((text) => text.endsWith("1\n"));
  expect(texts(sink)).toEqual(["1"]);
});

test("a position in a file that is gone, whose inode another one has now, does not count", async () => {
  const sink = await listen();
  log.write("1", "2");
  forwarder.follow(log.forwarded(to(sink)), ENDED);
  await sink.until((text) => text.endsWith("2\n"));
  await forwarder.stop();
  expect(existsSync(log.positionPath)).toBe(true);
  writeFileSync(log.file.path, "");
  log.write("another 1", "another 2", "another 3");
  forwarder = newForwarder();
  forwarder.follow(log.forwarded(to(sink)), ENDED);
  await sink.until((text) => text.endsWith("another 3\n"));
  expect(texts(sink)).toEqual(["1", "2", "another 1", "another 2", "another 3"]);
});
