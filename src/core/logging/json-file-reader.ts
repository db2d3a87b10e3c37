/** Reads json-file logs: the implementation of `ReadLog` over the files that shims write. */
import { messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { timerMs } from "../../base/timer-limit.ts";
import { ChangeWatch } from "./change-watch.ts";
import { EntryScanner } from "./entry-scanner.ts";
import { gunzipped } from "./gunzip.ts";
import { LineFeed } from "./line-feed.ts";
import { type LogFile, closeAll, inodeOf, openLogFiles } from "./log-files.ts";
import type { LogReadOptions, ReadLog } from "./log-reader.ts";
import { findTail } from "./tail.ts";

type LogLocation = Parameters<ReadLog>[0];

/** Chunks hold many frames, never a part of one. Damaged lines are left out; `log` tells how many. */
export function jsonFileReader(log: Logger): ReadLog {
  return (sink, options) => new JsonFileRead(log, sink, options).chunks();
}

class JsonFileRead {
  readonly #log: Logger;
  readonly #sink: LogLocation;
  readonly #options: LogReadOptions;
  readonly #scanner: EntryScanner;
  readonly #feed: LineFeed;
  /** The file that is read, or was read last; open. */
  #current: LogFile | undefined;
  #offset = 0;

  constructor(log: Logger, sink: LogLocation, options: LogReadOptions) {
    this.#log = log;
    this.#sink = sink;
    this.#options = options;
    this.#scanner = new EntryScanner(options);
    this.#feed = new LineFeed(this.#scanner);
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    const { follow, signal } = this.#options;
    try {
      signal.throwIfAborted();
      // Before the first look at the files, so that nothing can happen unseen between the two.
      using changes = follow === undefined ? undefined : new ChangeWatch(this.#sink.path);
      yield* this.#presentContent();
      if (follow !== undefined && changes !== undefined) yield* this.#newContent(follow.ended, changes);
    } finally {
      await this.#current?.handle.close();
      if (this.#scanner.damaged > 0)
        this.#log.warn("log has damaged lines", { path: this.#sink.path, lines: this.#scanner.damaged });
    }
  }

  /** Everything up to the sizes that the files have now; `#current` is the newest then, at what was read of it. */
  async *#presentContent(): AsyncGenerator<Uint8Array> {
    const { tail, signal } = this.#options;
    const files = await openLogFiles(this.#sink);
    try {
      const sizes: number[] = [];
      for (const { handle } of files) sizes.push((await handle.stat()).size);
      const start =
        tail === "all" ? { file: 0, offset: 0, lines: 0 } : await findTail(files, sizes, tail, signal);
      for (const [n, file] of files.entries()) {
        if (n < start.file || this.#scanner.isPastUntil) continue;
        const begin = n === start.file ? start : { offset: 0, lines: 0 };
        if (file.isCompressed) yield* this.#compressed(file, begin.lines);
        else yield* this.#plain(file, begin.offset, sizes[n] ?? 0);
        if (n < files.length - 1) this.#feed.reset();
      }
      this.#current = files.pop();
    } finally {
      await closeAll(files);
    }
  }

  async *#plain(file: LogFile, from: number, to: number): AsyncGenerator<Uint8Array> {
    this.#offset = from;
    while (this.#offset < to && !this.#scanner.isPastUntil) {
      this.#options.signal.throwIfAborted();
      const space = this.#feed.space();
      const wanted = Math.min(space.length, to - this.#offset);
      const { bytesRead } = await file.handle.read(space, 0, wanted, this.#offset);
      if (bytesRead === 0) return;
      this.#offset += bytesRead;
      yield* this.#feed.commit(bytesRead);
    }
  }

  async *#compressed(file: LogFile, linesToSkip: number): AsyncGenerator<Uint8Array> {
    let toSkip = linesToSkip;
    try {
      for await (const chunk of gunzipped(file, this.#options.signal)) {
        let rest = chunk;
        for (; toSkip > 0 && rest.length > 0; toSkip--) {
          const newline = rest.indexOf(0x0a);
          if (newline < 0) break;
          rest = rest.subarray(newline + 1);
        }
        if (toSkip === 0) yield* this.#take(rest);
        if (this.#scanner.isPastUntil) return;
      }
    } catch (error) {
      this.#options.signal.throwIfAborted();
      this.#log.warn("compressed log is damaged", { path: this.#sink.path, error: messageOf(error) });
    }
  }

  *#take(bytes: Buffer): Generator<Uint8Array> {
    for (let rest = bytes; rest.length > 0; ) {
      const copied = rest.copy(this.#feed.space());
      rest = rest.subarray(copied);
      yield* this.#feed.commit(copied);
    }
  }

  async *#newContent(ended: Promise<unknown>, changes: ChangeWatch): AsyncGenerator<Uint8Array> {
    const { signal } = this.#options;
    let isEnded = false;
    const onEnd = (): void => {
      isEnded = true;
      changes.notify();
    };
    ended.then(onEnd, onEnd);
    signal.addEventListener("abort", changes.notify, { once: true });
    try {
      for (;;) {
        signal.throwIfAborted();
        // Noticed before reading: then everything that was ever written is there to be read.
        const isLast = isEnded || this.#isUntilOver();
        yield* this.#untilNow();
        if (isLast || this.#scanner.isPastUntil) return;
        this.#feed.rest();
        await changes.wait(this.#untilMs());
      }
    } finally {
      signal.removeEventListener("abort", changes.notify);
    }
  }

  #isUntilOver(): boolean {
    const { untilNs } = this.#options;
    return untilNs !== undefined && BigInt(Date.now()) * 1_000_000n > untilNs;
  }

  /** How long nothing but a change can be of interest; undefined = for ever. */
  #untilMs(): number | undefined {
    const { untilNs } = this.#options;
    if (untilNs === undefined) return undefined;
    return timerMs(Math.max(0, Number(untilNs / 1_000_000n) - Date.now()) + 1);
  }

  /** What was written since the last look, across rotations. */
  async *#untilNow(): AsyncGenerator<Uint8Array> {
    yield* this.#restOfCurrent();
    if (await this.#isStillWritten()) return;
    const newer = await openLogFiles(this.#sink, this.#current);
    try {
      // The last lines may have come between the read above and the rotation; now there are no more.
      if (newer.length > 0) yield* this.#restOfCurrent();
      for (let file = newer.shift(); file !== undefined; file = newer.shift()) {
        await this.#current?.handle.close();
        this.#current = file;
        this.#offset = 0;
        this.#feed.reset();
        if (file.isCompressed) yield* this.#compressed(file, 0);
        else yield* this.#restOfCurrent();
      }
    } finally {
      await closeAll(newer);
    }
  }

  async *#restOfCurrent(): AsyncGenerator<Uint8Array> {
    const file = this.#current;
    if (file === undefined || file.isCompressed) return;
    const { size } = await file.handle.stat();
    // Somebody has emptied the file under us.
    if (size < this.#offset) {
      this.#feed.reset();
      this.#offset = 0;
    }
    yield* this.#plain(file, this.#offset, size);
  }

  /** Whether the file that we have read is the one that the log's name stands for. */
  async #isStillWritten(): Promise<boolean> {
    const ino = await inodeOf(this.#sink.path);
    return ino === undefined || ino === this.#current?.ino;
  }
}
