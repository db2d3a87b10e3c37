import { expect, test } from "bun:test";
import { messageOf } from "./errors.ts";
import { PipedChild } from "./piped-child.ts";

const NEVER = new AbortController().signal;
const SILENT_MS = 50;

function silent(script: string, signal = NEVER): PipedChild {
  return new PipedChild("/bin/sh", ["-c", script], "cannot copy", signal, SILENT_MS);
}

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield Buffer.alloc(1 << 20);
}

test("a child that gives nothing is not waited for", async () => {
  await using child = silent("exec sleep 100");
  expect(await child.read().then(String, messageOf)).toBe(
    "cannot copy: the file system did not answer for 0.05 seconds",
  );
});

test("nor one that takes nothing, or does not end", async () => {
  await using deaf = silent("exec sleep 100");
  expect(await deaf.feed(endless()).then(String, messageOf)).toContain("did not answer");
  await using lasting = silent("exec sleep 100");
  expect(await lasting.end().then(String, messageOf)).toContain("did not answer");
});

test("nobody waits for the end of one whose reader has gone, even if it does not come", async () => {
  const reader = new AbortController();
  // The one in the background has the pipes, too: as a child that the kernel does not let go of, they stay open.
  const child = new PipedChild("/bin/sh", ["-c", "sleep 30 & echo; wait"], "cannot copy", reader.signal);
  expect(String(await child.read())).toBe("\n");
  const reading = child.read().then(String, messageOf);
  reader.abort(new Error("gone"));
  expect(await reading).toBe("gone");
  await child[Symbol.asyncDispose]();
});
