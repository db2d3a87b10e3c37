/**
 * Events in files, so that they outlive the daemon. Lines are appended to the last of some files, each named by the number of
 * its first event; the oldest go when all together are larger than TOTAL_BYTES. Lines are written together, FLUSH_MS after
 * the first of them, and never synced: whoever publishes pays for a push to a list.
 *
 * A disk that refuses costs the events that it refused, and one line of the daemon's log.
 */
import { constants, mkdirSync } from "node:fs";
import { type FileHandle, open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, fail, messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { decodeHead, decodeLine, encodeLine } from "./event-line.ts";
import type { EventHistory, NumberedEvent } from "./events.ts";
import { lastLine, readLines } from "./read-lines.ts";

const FLUSH_MS = 100;
/** Waiting for a disk that does not answer; more are given up. */
const PENDING_MAX = 8192;
/** An image's labels may be as large as its author likes: an event that does not fit is told, but not kept. */
const LINE_MAX = 256 << 10;

export interface EventLogLimits {
  readonly totalBytes: number;
  readonly fileBytes: number;
}
const LIMITS: EventLogLimits = { totalBytes: 8 << 20, fileBytes: 512 << 10 };

interface EventFile {
  readonly path: string;
  readonly first: number;
  bytes: number;
}

export class EventLog implements EventHistory {
  readonly #directory: string;
  readonly #log: Logger;
  readonly #limits: EventLogLimits;
  readonly #files: EventFile[];
  readonly last: number;
  /** The last file, open for appending. */
  #handle: FileHandle | undefined;
  #pending: NumberedEvent[] = [];
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #settled: number;
  #isRefused = false;

  private constructor(
    directory: string,
    log: Logger,
    limits: EventLogLimits,
    found: { readonly files: EventFile[]; readonly last: number },
  ) {
    this.#directory = directory;
    this.#log = log.with({ component: "events" });
    this.#limits = limits;
    this.#files = found.files;
    this.last = found.last;
    this.#settled = found.last;
  }

  static async open(directory: string, log: Logger, limits: EventLogLimits = LIMITS): Promise<EventLog> {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return new EventLog(directory, log, limits, await findFiles(directory));
  }

  get settled(): number {
    return this.#settled;
  }

  append(event: NumberedEvent): void {
    if (this.#pending.length >= PENDING_MAX)
      this.#giveUp(this.#pending.splice(0), "the disk does not answer");
    this.#pending.push(event);
    if (this.#writing !== undefined) return;
    this.#timer ??= setTimeout(() => void this.flush(), FLUSH_MS).unref();
  }

  /** Writes what waits. Never rejects. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#writing !== undefined) await this.#writing;
    const batch = this.#pending.splice(0);
    if (batch.length === 0) return;
    this.#writing = this.#write(batch).finally(() => {
      this.#writing = undefined;
      if (this.#pending.length > 0) this.#timer ??= setTimeout(() => void this.flush(), FLUSH_MS).unref();
    });
    await this.#writing;
  }

  async close(): Promise<void> {
    await this.flush();
    await this.#handle?.close();
    this.#handle = undefined;
  }

  async *read(from: number, sinceNs: bigint): AsyncGenerator<NumberedEvent> {
    const [oldest] = this.#files;
    if (oldest === undefined) return;
    if (from !== 0 && from < oldest.first) throw fallenBehind();
    const files = this.#files.filter((_, index) => (this.#files[index + 1]?.first ?? Infinity) > from);
    for (const { path, bytes } of files) {
      let handle: FileHandle;
      try {
        handle = await open(path, "r");
      } catch (error) {
        if (errnoOf(error) !== "ENOENT") throw fail("internal", "cannot read the history of events", error);
        if (from === 0) continue;
        throw fallenBehind();
      }
      try {
        for await (const line of readLines(handle, bytes, LINE_MAX)) {
          const head = decodeHead(line);
          if (head === undefined || head.number < from || head.timeNano < sinceNs) continue;
          const event = decodeLine(line);
          if (event !== undefined) yield event;
        }
      } finally {
        await handle.close();
      }
    }
  }

  async #write(batch: readonly NumberedEvent[]): Promise<void> {
    const [first] = batch;
    if (first === undefined) return;
    const lines = Buffer.from(
      batch
        .map(encodeLine)
        .filter((line) => Buffer.byteLength(line) <= LINE_MAX)
        .join(""),
    );
    try {
      const file = await this.#fileFor(first.number, lines.length);
      for (let at = 0; at < lines.length; ) {
        const { bytesWritten } = await file.handle.write(lines, at, lines.length - at, file.entry.bytes + at);
        at += bytesWritten;
      }
      file.entry.bytes += lines.length;
      this.#settle(batch);
      this.#isRefused = false;
    } catch (error) {
      await this.#handle?.close().catch(() => undefined);
      this.#handle = undefined;
      this.#giveUp(batch, messageOf(error));
    }
  }

  async #fileFor(
    first: number,
    more: number,
  ): Promise<{ readonly entry: EventFile; readonly handle: FileHandle }> {
    let entry = this.#files.at(-1);
    if (entry === undefined || (entry.bytes > 0 && entry.bytes + more > this.#limits.fileBytes)) {
      await this.#handle?.close();
      this.#handle = undefined;
      entry = { path: join(this.#directory, nameOf(first)), first, bytes: 0 };
      this.#files.push(entry);
      await this.#dropOldest();
    }
    if (this.#handle === undefined) {
      this.#handle = await open(entry.path, constants.O_RDWR | constants.O_CREAT, 0o600);
      // The part of a line that could not be finished.
      await this.#handle.truncate(entry.bytes);
    }
    return { entry, handle: this.#handle };
  }

  async #dropOldest(): Promise<void> {
    let total = this.#files.reduce((sum, { bytes }) => sum + bytes, this.#limits.fileBytes);
    while (total > this.#limits.totalBytes && this.#files.length > 1) {
      const oldest = this.#files.shift();
      if (oldest === undefined) return;
      total -= oldest.bytes;
      await rm(oldest.path, { force: true });
    }
  }

  #giveUp(batch: readonly NumberedEvent[], reason: string): void {
    if (!this.#isRefused) this.#log.warn("events are not kept", { reason });
    this.#isRefused = true;
    this.#settle(batch);
  }

  #settle(batch: readonly NumberedEvent[]): void {
    this.#settled = Math.max(this.#settled, batch.at(-1)?.number ?? 0);
  }
}

function fallenBehind(): Error {
  return fail("unavailable", "the event listener fell behind all events that are kept");
}

function nameOf(first: number): string {
  return `${String(first).padStart(15, "0")}.events`;
}

/** What earlier daemons left. A line that its writer could not finish is cut off by the next write. */
async function findFiles(directory: string): Promise<{ readonly files: EventFile[]; readonly last: number }> {
  const files: EventFile[] = [];
  const names = (await readdir(directory)).filter((name) => /^\d{15}\.events$/.test(name)).toSorted();
  for (const name of names) {
    const path = join(directory, name);
    files.push({ path, first: Number(name.slice(0, 15)), bytes: (await stat(path)).size });
  }
  let last = 0;
  for (let entry = files.at(-1); entry !== undefined; entry = files.at(-1)) {
    const handle = await open(entry.path, "r");
    let end: Awaited<ReturnType<typeof lastLine>>;
    try {
      end = await lastLine(handle, entry.bytes, LINE_MAX);
    } finally {
      await handle.close();
    }
    entry.bytes = end?.end ?? 0;
    const head = end === undefined ? undefined : decodeHead(end.line);
    if (head !== undefined) {
      last = head.number;
      break;
    }
    files.pop();
    await rm(entry.path, { force: true });
  }
  return { files, last };
}
