/**
 * Reading a container's log back. What comes out is ready for the wire: Docker's 8-byte frames (see 6.5 of the Engine
 * API: type, three zero bytes, big-endian length), or plain bytes for a terminal.
 */
import type { LogSink } from "../tasks/tasks.ts";

export interface LogReadOptions {
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Unix nanoseconds, inclusive. */
  readonly sinceNs: bigint | undefined;
  readonly untilNs: bigint | undefined;
  readonly tail: number | "all";
  readonly timestamps: boolean;
  readonly details: boolean;
  readonly framed: boolean;
  /** Go on after the end of the file, across rotations, until `ended` settles and all is read; undefined = do not follow. */
  readonly follow: { readonly ended: Promise<unknown> } | undefined;
  readonly signal: AbortSignal;
}

export type ReadLog = (sink: LogSink, options: LogReadOptions) => AsyncIterable<Uint8Array>;
