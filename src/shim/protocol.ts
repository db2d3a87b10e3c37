/**
 * What a shim and its daemon say to each other: the mirror of native/include/shim-protocol.h (a test compares the two).
 *
 *     frame   u32 payload_bytes | u16 kind | u16 tag | payload          little-endian, fields as in plan.h
 *
 *     request      answer's payload       then
 *     create       pid, start ticks       events on descriptor 3
 *     start        –
 *     signal       –                      error ESRCH when the process is gone
 *     resize       –
 *     exec         pid, start ticks       with `stream` the connection is a stream from here on
 *     attach       –                      the connection is a stream from here on
 *     close-stdin  –
 *     subscribe    –                      events on this connection, too
 *     state        status, pid, ticks
 *     keep         descriptor             the shim has a copy of the daemon's descriptor, under that number
 *     kept         its pid, names, descriptors
 *     clear-log    –                      the log's files are gone, a new one begins
 *
 *     event        when
 *     exit         the main process has ended, all output is in the log, the `exit` file is written
 *     exec-exit    an exec's process has ended and its output is out
 *     oom          memory has run out in the task's cgroup; before the exit of who was killed for it
 *
 * A request's tag comes back with its answer; events carry tag 0.
 */
import { BinaryReader, BinaryWriter } from "../base/binary.ts";
import { fail } from "../base/errors.ts";

/** Longest payload either side sends: a plan (16 MiB) and what goes with it. */
export const MAX_FRAME_BYTES = (16 << 20) + 65_536;
export const FRAME_HEADER_BYTES = 8;

/** `enum shim_kind`, names without their prefix. */
export const SHIM_KIND = {
  CREATE: 1,
  START: 2,
  SIGNAL: 3,
  RESIZE: 4,
  EXEC: 5,
  ATTACH: 6,
  CLOSE_STDIN: 7,
  SUBSCRIBE: 8,
  STATE: 9,
  KEEP: 10,
  KEPT: 11,
  CLEAR_LOG: 12,
  REPLY_OK: 0x4000,
  REPLY_ERROR: 0x4001,
  EVENT_EXIT: 0x8000,
  EVENT_EXEC_EXIT: 0x8001,
  EVENT_OOM: 0x8002,
} as const;

/** `enum shim_flags`. */
export const SHIM_FLAG = {
  RUN: 1 << 0,
  TERMINAL: 1 << 1,
  STDIN: 1 << 2,
  STDIN_ONCE: 1 << 3,
  STDOUT: 1 << 4,
  STDERR: 1 << 5,
  STREAM: 1 << 6,
} as const;

/** `enum shim_log_flags`. */
export const SHIM_LOG_FLAG = { LOG_COMPRESSED: 1 << 0, LOG_EXACT: 1 << 1 } as const;

/** `enum shim_status`. */
export const SHIM_STATUS = { NEW: 0, CREATED: 1, RUNNING: 2, EXITED: 3 } as const;

const FIRST_EVENT = 0x8000;

export interface Window {
  readonly rows: number;
  readonly cols: number;
}

export interface CreateRequest {
  readonly kind: "create";
  /** Start at once: the answer comes when execve has succeeded, else when the process is created. */
  readonly run: boolean;
  readonly terminal: boolean;
  readonly stdin: boolean;
  readonly stdinOnce: boolean;
  readonly window: Window;
  /** undefined = keep no log. */
  readonly log:
    | {
        readonly path: string;
        /** 0 = no limit. */
        readonly maxBytes: number;
        readonly maxFiles: number;
        readonly compress: boolean;
        /** Bytes that are not UTF-8 are kept. */
        readonly exact: boolean;
        /** A JSON object text, or "". */
        readonly attrs: string;
      }
    | undefined;
  readonly plan: Uint8Array;
}

export interface ExecRequest {
  readonly kind: "exec";
  readonly execId: string;
  readonly terminal: boolean;
  readonly stdin: boolean;
  readonly stream: boolean;
  readonly window: Window;
  readonly plan: Uint8Array;
}

/** `execId` "" = the main process. */
export type ShimRequest =
  | CreateRequest
  | { readonly kind: "start" }
  | { readonly kind: "signal"; readonly execId: string; readonly signal: number }
  | { readonly kind: "resize"; readonly execId: string; readonly window: Window }
  | ExecRequest
  | { readonly kind: "attach"; readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean }
  | { readonly kind: "close-stdin"; readonly execId: string }
  | { readonly kind: "subscribe" }
  | { readonly kind: "state" }
  | { readonly kind: "keep"; readonly name: string; readonly descriptor: number }
  | { readonly kind: "kept" }
  | { readonly kind: "clear-log" };

/** A process that cannot be taken for another one that got its number later. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat. */
  readonly startTicks: bigint;
}

export type ShimStatus = "new" | "created" | "running" | "exited";

export interface ShimState extends ProcessIdentity {
  readonly status: ShimStatus;
}

export interface ShimExit {
  readonly kind: "exit";
  readonly exitCode: number;
  readonly signal: number;
  readonly oomKilled: boolean;
  readonly exitedAtNs: bigint;
  readonly lostLogBytes: bigint;
}

export interface ShimExecExit {
  readonly kind: "exec-exit";
  readonly execId: string;
  readonly exitCode: number;
  readonly signal: number;
  readonly exitedAtNs: bigint;
}

export type ShimEvent = ShimExit | ShimExecExit | { readonly kind: "oom" };

/** The shim refused a request. `op` is 1 + the index of the plan's step that failed, 0 when it was none. */
export interface ShimErrorReply {
  readonly kind: "error";
  readonly tag: number;
  readonly errno: number;
  readonly op: number;
  readonly text: string;
}

export type ShimMessage =
  | { readonly kind: "ok"; readonly tag: number; readonly body: Uint8Array }
  | ShimErrorReply
  | { readonly kind: "event"; readonly event: ShimEvent };

export interface Frame {
  readonly kind: number;
  readonly tag: number;
  readonly payload: Buffer;
}

function flags(of: Readonly<Partial<Record<keyof typeof SHIM_FLAG, boolean>>>): number {
  let bits = 0;
  if (of.RUN) bits |= SHIM_FLAG.RUN;
  if (of.TERMINAL) bits |= SHIM_FLAG.TERMINAL;
  if (of.STDIN) bits |= SHIM_FLAG.STDIN;
  if (of.STDIN_ONCE) bits |= SHIM_FLAG.STDIN_ONCE;
  if (of.STDOUT) bits |= SHIM_FLAG.STDOUT;
  if (of.STDERR) bits |= SHIM_FLAG.STDERR;
  if (of.STREAM) bits |= SHIM_FLAG.STREAM;
  return bits;
}

function writeCreate(w: BinaryWriter, r: CreateRequest): number {
  w.u32(flags({ RUN: r.run, TERMINAL: r.terminal, STDIN: r.stdin, STDIN_ONCE: r.stdinOnce }));
  w.u32(r.window.rows).u32(r.window.cols);
  w.str(r.log?.path ?? "")
    .u64(BigInt(r.log?.maxBytes ?? 0))
    .u32(r.log?.maxFiles ?? 0)
    .u32((r.log?.compress ? SHIM_LOG_FLAG.LOG_COMPRESSED : 0) | (r.log?.exact ? SHIM_LOG_FLAG.LOG_EXACT : 0))
    .str(r.log?.attrs ?? "");
  w.blob(r.plan);
  return SHIM_KIND.CREATE;
}

function writeExec(w: BinaryWriter, r: ExecRequest): number {
  const { terminal, stdin, stream } = r;
  w.str(r.execId).u32(
    flags({ TERMINAL: terminal, STDIN: stdin, STREAM: stream, STDOUT: stream, STDERR: stream }),
  );
  w.u32(r.window.rows).u32(r.window.cols).blob(r.plan);
  return SHIM_KIND.EXEC;
}

/** Writes the payload and returns the frame's kind. */
function writeRequest(w: BinaryWriter, r: ShimRequest): number {
  switch (r.kind) {
    case "create":
      return writeCreate(w, r);
    case "start":
      return SHIM_KIND.START;
    case "signal":
      w.str(r.execId).u32(r.signal);
      return SHIM_KIND.SIGNAL;
    case "resize":
      w.str(r.execId).u32(r.window.rows).u32(r.window.cols);
      return SHIM_KIND.RESIZE;
    case "exec":
      return writeExec(w, r);
    case "attach":
      w.u32(flags({ STDIN: r.stdin, STDOUT: r.stdout, STDERR: r.stderr }));
      return SHIM_KIND.ATTACH;
    case "close-stdin":
      w.str(r.execId);
      return SHIM_KIND.CLOSE_STDIN;
    case "subscribe":
      return SHIM_KIND.SUBSCRIBE;
    case "state":
      return SHIM_KIND.STATE;
    case "keep":
      w.str(r.name).u32(r.descriptor);
      return SHIM_KIND.KEEP;
    case "kept":
      return SHIM_KIND.KEPT;
    case "clear-log":
      return SHIM_KIND.CLEAR_LOG;
  }
}

/** The whole frame of a request. Throws `invalid_argument` for text with a NUL and for more than MAX_FRAME_BYTES. */
export function encodeRequest(tag: number, request: ShimRequest): Uint8Array {
  const w = new BinaryWriter().u32(0).u32(0);
  const kind = writeRequest(w, request);
  const payloadBytes = w.length - FRAME_HEADER_BYTES;
  if (payloadBytes > MAX_FRAME_BYTES)
    throw fail("invalid_argument", `a "${request.kind}" request of ${payloadBytes} bytes is too long`);
  w.patchU32(0, payloadBytes);
  w.patchU32(4, (tag << 16) | kind);
  return w.bytes();
}

/** Refuses bytes behind the last field. */
function exactly<T>(what: string, payload: Uint8Array, read: (r: BinaryReader) => T): T {
  const reader = new BinaryReader(payload);
  const value = read(reader);
  if (reader.remaining > 0) throw fail("internal", `${reader.remaining} bytes too many in a shim's ${what}`);
  return value;
}

/** Undefined for an event this daemon does not know: the shim may be of a newer version. Throws for anything else unknown. */
export function decodeMessage({ kind, tag, payload }: Frame): ShimMessage | undefined {
  switch (kind) {
    case SHIM_KIND.REPLY_OK:
      return { kind: "ok", tag, body: payload };
    case SHIM_KIND.REPLY_ERROR:
      return exactly("refusal", payload, (r) => ({
        kind: "error",
        tag,
        errno: r.u32(),
        op: r.u32(),
        text: r.str(),
      }));
    case SHIM_KIND.EVENT_EXIT: {
      const event: ShimExit = exactly("exit event", payload, (r) => ({
        kind: "exit",
        exitCode: r.u32(),
        signal: r.u32(),
        oomKilled: r.u32() !== 0,
        exitedAtNs: r.u64(),
        lostLogBytes: r.u64(),
      }));
      return { kind: "event", event };
    }
    case SHIM_KIND.EVENT_EXEC_EXIT: {
      const event: ShimExecExit = exactly("exec's exit event", payload, (r) => ({
        kind: "exec-exit",
        execId: r.str(),
        exitCode: r.u32(),
        signal: r.u32(),
        exitedAtNs: r.u64(),
      }));
      return { kind: "event", event };
    }
    case SHIM_KIND.EVENT_OOM:
      return exactly("event", payload, () => ({ kind: "event", event: { kind: "oom" } }));
    default:
      if (kind >= FIRST_EVENT) return undefined;
      throw fail("internal", `unknown kind ${kind} in a shim's frame`);
  }
}

/** The answer to create and exec. */
export function decodeProcess(body: Uint8Array): ProcessIdentity {
  return exactly("answer", body, (r) => ({ pid: r.u32(), startTicks: r.u64() }));
}

/** The answer to state. */
export function decodeState(body: Uint8Array): ShimState {
  return exactly("state", body, (r) => ({ status: statusName(r.u32()), pid: r.u32(), startTicks: r.u64() }));
}

/** `SHIM_KEPT_MAX`. */
export const MAX_KEPT = 8;

/** The answer to keep: the shim's number. */
export function decodeDescriptor(body: Uint8Array): number {
  return exactly("descriptor", body, (r) => r.u32());
}

export interface Kept {
  /** The shim's. */
  readonly pid: number;
  /** Its numbers, by name. */
  readonly descriptors: ReadonlyMap<string, number>;
}

/** The answer to kept. */
export function decodeKept(body: Uint8Array): Kept {
  return exactly("list of descriptors", body, (r) => {
    const pid = r.u32();
    const count = r.u32();
    if (count > MAX_KEPT) throw fail("internal", `a shim says that it keeps ${count} descriptors`);
    return { pid, descriptors: new Map(Array.from({ length: count }, () => [r.str(), r.u32()] as const)) };
  });
}

function statusName(status: number): ShimStatus {
  switch (status) {
    case SHIM_STATUS.NEW:
      return "new";
    case SHIM_STATUS.CREATED:
      return "created";
    case SHIM_STATUS.RUNNING:
      return "running";
    case SHIM_STATUS.EXITED:
      return "exited";
    default:
      throw fail("internal", `unknown status ${status} in a shim's state`);
  }
}
