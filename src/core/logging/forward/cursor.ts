/** Walks through a log from a position on, across rotations, compressed files and a container's next start. */
import type { LogSink } from "../../tasks/tasks.ts";
import { closeAll, inodeOf, type LogFile, openLogFiles } from "../log-files.ts";
import { type FileLines, linesOf } from "./lines.ts";
import { type FileMark, isMarked, markOf, type Position } from "./position.ts";
import { type LogRecord, NO_OPEN_LINES, RecordReader } from "./records.ts";

export interface RecordBatch {
  readonly records: readonly LogRecord[];
  /** Behind the last of them. */
  readonly end: Position;
}

export class LogCursor implements AsyncDisposable {
  readonly #log: Pick<LogSink, "path" | "maxFiles">;
  readonly #records: RecordReader;
  #current: LogFile | undefined;
  #lines: FileLines | undefined;
  #mark: FileMark | undefined;
  /** Known to come after `#current`; open. */
  #newer: LogFile[] = [];
  #hasGap = false;

  private constructor(log: LogSink, records: RecordReader) {
    this.#log = log;
    this.#records = records;
  }

  /** Without a position, and when its file is no more, from the oldest line on. */
  static async open(log: LogSink, containerId: string, from: Position | undefined): Promise<LogCursor> {
    const cursor = new LogCursor(log, new RecordReader(containerId, from?.open ?? NO_OPEN_LINES));
    try {
      await cursor.#seek(from);
      return cursor;
    } catch (error) {
      await cursor[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** True once when lines are gone that nobody has seen: the log went round before they were read. */
  takeGap(): boolean {
    const had = this.#hasGap;
    this.#hasGap = false;
    return had;
  }

  /** Undefined when there is nothing new. Never an empty batch. */
  async next(): Promise<RecordBatch | undefined> {
    for (;;) {
      const lines = await this.#lines?.next();
      if (lines === undefined) {
        if (!(await this.#moveOn())) return undefined;
        continue;
      }
      const records = this.#records.read(lines);
      if (records.length > 0) return { records, end: await this.#position() };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lines?.close();
    await closeAll(this.#newer);
    this.#lines = undefined;
    this.#newer = [];
  }

  async #seek(from: Position | undefined): Promise<void> {
    const files = await openLogFiles(this.#log);
    this.#newer = files;
    const at = from === undefined ? -1 : await indexOf(files, from.file);
    if (from !== undefined && at < 0 && files.length > 0) this.#hasGap = true;
    this.#newer = files.slice(Math.max(at, 0));
    await closeAll(files.slice(0, Math.max(at, 0)));
    if (at >= 0) this.#take(from?.offset ?? 0);
  }

  #take(offset: number): void {
    this.#current = this.#newer.shift();
    this.#lines = this.#current === undefined ? undefined : linesOf(this.#current, offset);
    this.#mark = undefined;
  }

  async #position(): Promise<Position> {
    const { offset } = this.#lines ?? { offset: 0 };
    if (this.#current === undefined) throw new Error("a position outside of the log");
    this.#mark ??= await markOf(this.#current);
    return { file: this.#mark, offset, open: this.#records.open };
  }

  /** False when there is nothing to go on with. True: there may be lines now. */
  async #moveOn(): Promise<boolean> {
    if (this.#newer.length > 0) {
      await this.#lines?.close();
      this.#take(0);
      return true;
    }
    const ino = await inodeOf(this.#log.path);
    if (ino === undefined || ino === this.#current?.ino) return false;
    const newer = await openLogFiles(this.#log, this.#current);
    if (newer.length === 0) return false;
    if (this.#current !== undefined && this.#log.maxFiles > 1 && newer.length >= this.#log.maxFiles)
      this.#hasGap = true;
    // The last lines may have come between the last read and the rotation: the present file has its turn once more.
    this.#newer = newer;
    return true;
  }
}

async function indexOf(files: readonly LogFile[], mark: FileMark): Promise<number> {
  for (const [at, file] of files.entries()) if (await isMarked(file, mark)) return at;
  return -1;
}
