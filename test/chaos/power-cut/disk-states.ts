/**
 * The states in which a power cut may leave a disk that has a write cache: everything up to the last flush is there, and of
 * what came since any sectors, in whatever order they went. Cuts are asked for in the order of their moments.
 */
import { execFileSync } from "node:child_process";
import { closeSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import type { LoggedWrite, WriteLog } from "./write-log.ts";

export interface Cut {
  /** How many writes of the log the disk had answered. */
  readonly writes: number;
  /** What of those since the last flush is lost. */
  readonly loses: "nothing" | "everything" | "some";
}

/** For one write: its sectors that were lost. Undefined: all of them. */
type Lost = (write: LoggedWrite, sectors: number) => readonly boolean[] | undefined;

export class DiskStates implements Disposable {
  readonly #log: WriteLog;
  readonly #bytes: number;
  readonly #logFd: number;
  readonly #diskFd: number;
  readonly #diskPath: string;
  /** The writes that are on the disk at `#diskPath`: up to a flush. */
  #flushed = 0;

  /** `scratch` becomes a file of `bytes`, the disk as of the last flush. */
  constructor(log: WriteLog, logPath: string, scratch: string, bytes: number) {
    this.#log = log;
    this.#bytes = bytes;
    this.#diskPath = scratch;
    this.#logFd = openSync(logPath, "r");
    this.#diskFd = openSync(scratch, "w+", 0o600);
    ftruncateSync(this.#diskFd, bytes);
  }

  /** Makes `path` the disk after the cut. `random` is asked by cuts that lose some. */
  make(path: string, cut: Cut, random: () => number): void {
    const flushed = lastFlush(this.#log.writes, cut.writes);
    if (flushed < this.#flushed) throw new Error("cuts are to come in the order of their moments");
    for (const write of this.#log.writes.slice(this.#flushed, flushed)) this.#apply(write, this.#diskFd);
    this.#flushed = flushed;
    execFileSync("cp", ["--reflink=auto", "--sparse=auto", this.#diskPath, path]);
    const fd = openSync(path, "r+");
    try {
      const lost = loss(cut.loses, random);
      for (const write of this.#log.writes.slice(flushed, cut.writes)) this.#apply(write, fd, lost);
    } finally {
      closeSync(fd);
    }
  }

  #apply(write: LoggedWrite, fd: number, lost: Lost = () => []): void {
    const { offset, length, bytesAt } = write;
    if (offset + length > this.#bytes) throw new Error(`a write at byte ${offset}, behind the disk's end`);
    const { sectorBytes } = this.#log;
    const sectors = length / sectorBytes;
    const missing = write.isForced ? [] : lost(write, sectors);
    if (missing === undefined || length === 0) return;
    const bytes = Buffer.alloc(length);
    if (bytesAt !== undefined) readSync(this.#logFd, bytes, 0, length, bytesAt);
    for (let first = 0; first < sectors; ) {
      const isLost = missing[first] === true;
      let end = first + 1;
      while (end < sectors && (missing[end] === true) === isLost) end++;
      if (!isLost)
        writeSync(fd, bytes, first * sectorBytes, (end - first) * sectorBytes, offset + first * sectorBytes);
      first = end;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#logFd);
    closeSync(this.#diskFd);
  }
}

/** How many of the first `count` writes a flush has made last: what came before the latest one, and that one's own place. */
export function lastFlush(writes: readonly LoggedWrite[], count: number): number {
  for (let i = count; i > 0; i--) if (writes[i - 1]?.flushes === true) return i - 1;
  return 0;
}

/** Every cut loses another share. One write of four that are not lost as a whole is torn. */
function loss(loses: Cut["loses"], random: () => number): Lost {
  if (loses === "nothing") return () => [];
  if (loses === "everything") return () => undefined;
  const share = random();
  return (_write, sectors) => {
    if (random() < share) return undefined;
    return random() < 0.25 ? Array.from({ length: sectors }, () => random() < 0.5) : [];
  };
}
