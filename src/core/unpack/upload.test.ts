import { expect, test } from "bun:test";
import { PassThrough } from "node:stream";
import { rejection } from "../../base/testing/rejection.ts";
import { uploadedBytes } from "./upload.ts";

const NEVER = new AbortController().signal;

test("an upload can be left half-read without being destroyed, and read on", async () => {
  const stream = new PassThrough();
  stream.write("first");
  for await (const bytes of uploadedBytes(stream, NEVER)) {
    expect(Buffer.from(bytes).toString()).toBe("first");
    break;
  }
  expect(stream.destroyed).toBe(false);
  stream.end("second");
  expect(Buffer.concat(await stream.toArray()).toString()).toBe("second");
});

test("a signal ends the wait for bytes that never come", async () => {
  const abort = new AbortController();
  const waiting = rejection(
    (async () => {
      for await (const _ of uploadedBytes(new PassThrough(), abort.signal)) continue;
    })(),
  );
  abort.abort(new Error("shutting down"));
  expect((await waiting).message).toBe("shutting down");
});

test("a broken upload's error is passed on", async () => {
  const stream = new PassThrough();
  const reading = rejection(
    (async () => {
      for await (const _ of uploadedBytes(stream, NEVER)) continue;
    })(),
  );
  stream.destroy(new Error("connection reset"));
  expect((await reading).message).toBe("connection reset");
});
