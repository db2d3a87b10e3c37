import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  appendFileSync,
  mkdtempSync,
  renameSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { Logger, NO_LOG } from "../../base/log.ts";
import { jsonFileReader } from "./json-file-reader.ts";
import type { LogReadOptions } from "./log-reader.ts";
import { failureOf } from "../../../test/support/failure.ts";

const T1 = "2024-01-02T03:04:05.123456789Z";

let directory = "";
let path = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "log-reader-"));
  path = join(directory, "c-json.log");
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

function entries(from: number, to: number): string {
  let text = "";
  for (let n = from; n <= to; n++)
    text += `{"log":"line ${n}\\n","stream":"${n % 2 === 0 ? "stderr" : "stdout"}","time":"${T1}"}\n`;
  return text;
}

function lines(from: number, to: number): string {
  let text = "";
  for (let n = from; n <= to; n++) text += `line ${n}\n`;
  return text;
}

function read(
  options: Partial<LogReadOptions> = {},
  { maxFiles = 1, log = NO_LOG }: { maxFiles?: number; log?: Logger } = {},
): AsyncIterable<Uint8Array> {
  const sink = { path, maxBytes: 0, maxFiles, compress: false, exact: false, attrs: "" };
  return jsonFileReader(log)(sink, {
    stdout: true,
    stderr: true,
    sinceNs: undefined,
    untilNs: undefined,
    tail: "all",
    timestamps: false,
    details: false,
    framed: false,
    follow: undefined,
    signal: new AbortController().signal,
    ...options,
  });
}

async function text(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  let all = "";
  for await (const chunk of chunks) all += Buffer.from(chunk).toString();
  return all;
}

/** Reads on until it has seen `expected`; what comes beyond that fails the test at the end. */
class Reading {
  #seen = "";
  #wake: () => void = () => {};
  readonly done: Promise<void>;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.done = this.#run(chunks);
  }

  get seen(): string {
    return this.#seen;
  }

  async until(expected: string): Promise<void> {
    while (this.#seen.length < expected.length) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    expect(this.#seen).toBe(expected);
  }

  async #run(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const chunk of chunks) {
      this.#seen += Buffer.from(chunk).toString();
      this.#wake();
    }
  }
}

test("a log comes back whole, though it is longer than any buffer", async () => {
  writeFileSync(path, entries(1, 20_000));
  expect(await text(read())).toBe(lines(1, 20_000));
});

test("a log that is not there yet is empty", async () => {
  expect(await text(read())).toBe("");
});

test("an incomplete last line is not shown", async () => {
  writeFileSync(path, entries(1, 2) + entries(3, 3).slice(0, 30));
  expect(await text(read())).toBe(lines(1, 2));
});

test("a line too long for any entry is left out", async () => {
  writeFileSync(path, `${entries(1, 1)}{"log":"${"x".repeat(5 << 20)}"}\n${entries(2, 2)}`);
  let said = "";
  const log = new Logger((line) => {
    said += line;
  }, "warn");
  expect(await text(read({}, { log }))).toBe(lines(1, 2));
  expect(said).toContain("lines=1");
});

test("rotated files come first, oldest of all, compressed or not", async () => {
  writeFileSync(`${path}.3.gz`, gzipSync(entries(1, 3000)));
  writeFileSync(`${path}.2.gz`, gzipSync(entries(3001, 3002)));
  writeFileSync(`${path}.1`, entries(3003, 3004));
  writeFileSync(path, entries(3005, 3006));
  expect(await text(read({}, { maxFiles: 4 }))).toBe(lines(1, 3006));
});

test("a damaged compressed file gives what comes before the damage", async () => {
  const packed = gzipSync(entries(1, 9));
  writeFileSync(`${path}.1.gz`, packed.subarray(0, packed.length - 8));
  writeFileSync(path, entries(10, 11));
  const shown = await text(read({}, { maxFiles: 2 }));
  expect(shown.endsWith(lines(10, 11))).toBe(true);
  expect(lines(1, 11)).toContain(shown.slice(0, 5));
});

test("tail finds its first line in any of the files", async () => {
  writeFileSync(`${path}.2.gz`, gzipSync(entries(1, 1000)));
  writeFileSync(`${path}.1`, entries(1001, 4000));
  writeFileSync(path, entries(4001, 4010));
  for (const tail of [0, 1, 9, 10, 11, 500, 3009, 3010, 3011, 3500, 4009, 4010, 4011, 9999])
    expect(await text(read({ tail }, { maxFiles: 3 }))).toBe(lines(Math.max(1, 4011 - tail), 4010));
});

test("tail does not count an incomplete last line", async () => {
  writeFileSync(path, entries(1, 3) + entries(4, 4).slice(0, 9));
  expect(await text(read({ tail: 2 }))).toBe(lines(2, 3));
});

test("tail counts the lines of both streams, also when one is not shown", async () => {
  writeFileSync(path, entries(1, 4));
  expect(await text(read({ tail: 2, stderr: false }))).toBe("line 3\n");
});

test("reading stops at the size that the log had at the begin", async () => {
  writeFileSync(path, entries(1, 20_000));
  let all = "";
  for await (const chunk of read()) {
    if (all === "") appendFileSync(path, entries(20_001, 30_000));
    all += Buffer.from(chunk).toString();
  }
  expect(all).toBe(lines(1, 20_000));
});

test("an aborted read throws the signal's reason", async () => {
  writeFileSync(path, entries(1, 20_000));
  const abort = new AbortController();
  const reading = (async () => {
    for await (const chunk of read({ signal: abort.signal }))
      if (chunk.length > 0) abort.abort(new Error("no longer wanted"));
  })();
  expect(String(await failureOf(reading))).toBe("Error: no longer wanted");
});

test("what is no regular file is refused", async () => {
  path = directory;
  expect(String(await failureOf(text(read())))).toContain("is no regular file");
});

// ---- follow ----

interface Following extends Disposable {
  readonly reading: Reading;
  end(): Promise<void>;
}

function follow(maxFiles: number, options: Partial<LogReadOptions> = {}): Following {
  const ended = Promise.withResolvers<void>();
  const reading = new Reading(read({ follow: { ended: ended.promise }, ...options }, { maxFiles }));
  return {
    reading,
    end: () => {
      ended.resolve();
      return reading.done;
    },
    [Symbol.dispose]: () => ended.resolve(),
  };
}

/** As the shim does it. */
function rotate(maxFiles: number): void {
  if (maxFiles === 1) {
    unlinkSync(path);
    return;
  }
  for (let n = maxFiles - 1; n > 1; n--)
    try {
      renameSync(`${path}.${n - 1}`, `${path}.${n}`);
    } catch {
      // Not so many yet.
    }
  renameSync(path, `${path}.1`);
}

test("follow shows what is appended, and ends with the log", async () => {
  writeFileSync(path, entries(1, 2));
  using following = follow(1);
  await following.reading.until(lines(1, 2));
  appendFileSync(path, entries(3, 3));
  await following.reading.until(lines(1, 3));
  appendFileSync(path, entries(4, 5));
  await following.end();
  expect(following.reading.seen).toBe(lines(1, 5));
});

test("follow waits for the rest of a line", async () => {
  const whole = entries(2, 2);
  writeFileSync(path, entries(1, 1) + whole.slice(0, 20));
  using following = follow(1);
  await following.reading.until(lines(1, 1));
  appendFileSync(path, whole.slice(20));
  await following.reading.until(lines(1, 2));
});

test("follow waits for a log that is not there yet", async () => {
  using following = follow(1);
  writeFileSync(path, entries(1, 1));
  await following.reading.until(lines(1, 1));
});

test("follow with tail begins at its first line", async () => {
  writeFileSync(path, entries(1, 9));
  using following = follow(1, { tail: 0 });
  appendFileSync(path, entries(10, 10));
  // The reader may have begun before or after this line came.
  await following.end();
  expect(["", lines(10, 10)]).toContain(following.reading.seen);
});

test("follow goes over rotations without missing or doubling a line", async () => {
  for (const maxFiles of [1, 2, 4]) {
    writeFileSync(path, entries(1, 1));
    using following = follow(maxFiles);
    await following.reading.until(lines(1, 1));
    for (let n = 2; n <= 30; n += 2) {
      appendFileSync(path, entries(n, n));
      rotate(maxFiles);
      writeFileSync(path, entries(n + 1, n + 1));
      await following.reading.until(lines(1, n + 1));
    }
    await following.end();
    expect(following.reading.seen).toBe(lines(1, 31));
    for (let n = 1; n < maxFiles; n++) rmSync(`${path}.${n}`);
  }
});

test("follow catches up with several rotations at once", async () => {
  writeFileSync(path, entries(1, 1));
  using following = follow(5);
  await following.reading.until(lines(1, 1));
  for (let n = 2; n <= 4; n++) {
    rotate(5);
    writeFileSync(path, entries(n, n));
  }
  await following.end();
  expect(following.reading.seen).toBe(lines(1, 4));
});

test("follow sees the last lines though the log's name stands for nothing at the end", async () => {
  writeFileSync(path, entries(1, 1));
  using following = follow(2);
  await following.reading.until(lines(1, 1));
  appendFileSync(path, entries(2, 2));
  rotate(2);
  await following.end();
  expect(following.reading.seen).toBe(lines(1, 2));
});

test("follow begins anew when the file was emptied", async () => {
  writeFileSync(path, entries(1, 3));
  using following = follow(1);
  await following.reading.until(lines(1, 3));
  truncateSync(path, 0);
  appendFileSync(path, entries(4, 4));
  await following.reading.until(lines(1, 4));
});

test("follow ends at once when it is aborted", async () => {
  writeFileSync(path, entries(1, 1));
  const abort = new AbortController();
  using following = follow(1, { signal: abort.signal });
  await following.reading.until(lines(1, 1));
  const failure = failureOf(following.reading.done);
  abort.abort(new Error("client is gone"));
  expect(String(await failure)).toBe("Error: client is gone");
});

test("follow with until ends when that moment is over", async () => {
  writeFileSync(path, entries(1, 1));
  using following = follow(1, { untilNs: BigInt(Date.now()) * 1_000_000n - 1n });
  await following.reading.done;
  expect(following.reading.seen).toBe(lines(1, 1));
});
