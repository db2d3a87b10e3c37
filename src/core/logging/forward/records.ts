/** Log entries as sinks want them: time, stream, text without its newline, and which part of a long line it is. */
import { createHash } from "node:crypto";
import { EntryScanner } from "../entry-scanner.ts";
import { FIXED_TIME_BYTES, UtcTime } from "../entry-time.ts";

export interface LogRecord {
  readonly stream: 1 | 2;
  /** Unix time. */
  readonly seconds: number;
  readonly nanos: number;
  /** The container's bytes: any, but never a newline. Valid until the next batch. */
  readonly text: Buffer;
  readonly part: LogPart | undefined;
}

/** Lines of more than 16 KiB come in parts, as with Docker. */
export interface LogPart {
  /** The same for all parts of a line. */
  readonly id: string;
  /** From 1. */
  readonly ordinal: number;
  readonly isLast: boolean;
}

/** How far the last line of a stream has come: the next entry goes on with it if it has the same time. */
export interface OpenLine {
  readonly seconds: number;
  readonly nanos: number;
  /** Of its latest part; 0 = the line is complete. */
  readonly ordinal: number;
}

export type OpenLines = readonly [stdout: OpenLine, stderr: OpenLine];

const COMPLETE: OpenLine = { seconds: 0, nanos: 0, ordinal: 0 };
export const NO_OPEN_LINES: OpenLines = [COMPLETE, COMPLETE];

const NEWLINE = 0x0a;
const HEADER_BYTES = 8;

/** Turns whole lines of a log file into records. */
export class RecordReader {
  readonly #containerId: string;
  readonly #time = new UtcTime();
  readonly #scanner = new EntryScanner({
    stdout: true,
    stderr: true,
    sinceNs: undefined,
    untilNs: undefined,
    timestamps: true,
    details: false,
    framed: true,
  });
  #open: [OpenLine, OpenLine];

  constructor(containerId: string, open: OpenLines) {
    this.#containerId = containerId;
    this.#open = [...open];
  }

  /** What has to be remembered with the position behind the last line that was read. */
  get open(): OpenLines {
    return [...this.#open];
  }

  get damaged(): number {
    return this.#scanner.damaged;
  }

  /** `lines` ends behind a newline. */
  read(lines: Buffer): readonly LogRecord[] {
    const frames = Buffer.concat(this.#scanner.scan(lines, 0, lines.length));
    const records: LogRecord[] = [];
    for (let at = 0; at < frames.length; ) {
      const end = at + HEADER_BYTES + frames.readUInt32BE(at + 4);
      const stream = frames[at] === 2 ? 2 : 1;
      const text = at + HEADER_BYTES + FIXED_TIME_BYTES;
      this.#time.read(frames, at + HEADER_BYTES, text - 1);
      records.push(this.#record(stream, frames.subarray(text, end)));
      at = end;
    }
    return records;
  }

  #record(stream: 1 | 2, text: Buffer): LogRecord {
    const { seconds, nanos } = this.#time;
    const isLast = text.at(-1) === NEWLINE;
    const before = this.#open[stream - 1] ?? COMPLETE;
    const goesOn = before.ordinal > 0 && before.seconds === seconds && before.nanos === nanos;
    const ordinal = goesOn ? before.ordinal + 1 : 1;
    this.#open[stream - 1] = isLast ? COMPLETE : { seconds, nanos, ordinal };
    return {
      stream,
      seconds,
      nanos,
      text: isLast ? text.subarray(0, -1) : text,
      part: isLast && !goesOn ? undefined : { id: this.#partId(stream, seconds, nanos), ordinal, isLast },
    };
  }

  /** Not random: another daemon may send the rest of the line. */
  #partId(stream: number, seconds: number, nanos: number): string {
    const line = `${this.#containerId}/${stream}/${seconds}.${nanos}`;
    return createHash("sha256").update(line).digest("hex");
  }
}
