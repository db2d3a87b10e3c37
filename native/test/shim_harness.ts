/**
 * Drives one gantry-shim over its protocol, for the tests beside this file. Frames and plans are put together here by
 * hand, from shim-protocol.h and plan.h alone, so that a mistake in the product's own codec cannot hide one in the shim.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { setImmediate } from "node:timers/promises";

/** The shim with a stand-in for the container, under the sanitizers: `make -C native shim-fake`. */
export const binary =
  process.env["GANTRY_SHIM_FAKE"] ?? join(import.meta.dirname, "../../build/native-checked/gantry-shim-fake");

/** The product: `make -C native`. */
export const realBinary = process.env["GANTRY_SHIM"] ?? join(import.meta.dirname, "../../build/gantry-shim");

for (const path of [binary, realBinary]) {
  if (!existsSync(path)) throw new Error(`${path} is missing: make -C native all shim-fake`);
}

export const kinds = {
  create: 1,
  start: 2,
  signal: 3,
  resize: 4,
  exec: 5,
  attach: 6,
  closeStdin: 7,
  subscribe: 8,
  state: 9,
  keep: 10,
  kept: 11,
  clearLog: 12,
  ok: 0x4000,
  error: 0x4001,
  exit: 0x8000,
  execExit: 0x8001,
  oom: 0x8002,
} as const;

export const flags = {
  run: 1,
  terminal: 2,
  stdin: 4,
  stdinOnce: 8,
  stdout: 16,
  stderr: 32,
  stream: 64,
} as const;

export const allOutput = flags.stdout | flags.stderr;

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

export function str(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([u32(bytes.length), bytes, Buffer.of(0)]);
}

function strv(texts: readonly string[]): Buffer {
  return Buffer.concat([u32(texts.length), ...texts.map(str)]);
}

function blob(bytes: Buffer): Buffer {
  return Buffer.concat([u32(bytes.length), bytes]);
}

export function frame(kind: number, tag: number, payload: Buffer): Buffer {
  return Buffer.concat([u32(payload.length), u16(kind), u16(tag), payload]);
}

export interface PlanOptions {
  readonly join?: boolean;
  readonly terminal?: boolean;
  /** CLONE_NEW* of a plan that the product's own container performs. */
  readonly namespaces?: number;
  readonly environment?: readonly string[];
}

const planFlags = { join: 1, terminal: 2 };
const cloneNewNs = 0x20000;
const msPrivate = 1n << 18n;

const ops = {
  propagation: 20,
  rootBind: 22,
  console: 30,
  pivot: 31,
  sync: 54,
  exec: 62,
} as const;

function op(kind: number, ...fields: Buffer[]): Buffer {
  const payload = Buffer.concat(fields);
  return Buffer.concat([u16(kind), u16(0), u32(payload.length), payload]);
}

/** A plan with what the shim's stand-in for the container performs: SYNC, EXEC and CONSOLE, which must not be without a root. */
export function plan(argv: readonly string[], options: PlanOptions = {}): Buffer {
  const isJoin = options.join === true;
  const isTerminal = options.terminal === true;
  const hasRoot = isTerminal && !isJoin;
  const environment = options.environment ?? ["PATH=/usr/bin:/bin"];
  const list = [
    ...(hasRoot
      ? [op(ops.propagation, u64(msPrivate)), op(ops.rootBind, str("/"), str("/mnt"), u32(0))]
      : []),
    ...(isTerminal ? [op(ops.console, u32(24), u32(80), u32(0))] : []),
    ...(hasRoot ? [op(ops.pivot, u32(0))] : []),
    ...(isJoin ? [] : [op(ops.sync)]),
    op(ops.exec, strv(argv), strv(environment), str("/usr/bin:/bin")),
  ];
  const body = Buffer.concat(list);
  const header = [
    0x314c5047,
    32 + body.length,
    list.length,
    (hasRoot || isJoin ? cloneNewNs : 0) | (options.namespaces ?? 0),
    (isJoin ? planFlags.join : 0) | (isTerminal ? planFlags.terminal : 0),
    0,
    0,
    0,
  ];
  return Buffer.concat([...header.map(u32), body]);
}

export function sh(script: string): string[] {
  return ["/bin/sh", "-c", script];
}

/** For what only a file or /proc can tell: looks again until it is so. */
export async function until(isSo: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!isSo()) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${isSo.toString()}`);
    await setImmediate();
  }
}

/** Bytes arriving from a socket, taken by whoever waits for them. */
export class Incoming {
  #bytes = Buffer.alloc(0);
  #ended = false;
  #error: Error | undefined;
  #wake: () => void = () => undefined;

  constructor(stream: Readable) {
    stream.on("data", (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#wake();
    });
    stream.on("end", () => this.#end(undefined));
    stream.on("close", () => this.#end(undefined));
    stream.on("error", (error: Error) => this.#end(error));
  }

  get error(): Error | undefined {
    return this.#error;
  }

  #end(error: Error | undefined): void {
    this.#ended = true;
    this.#error ??= error;
    this.#wake();
  }

  async #more(): Promise<boolean> {
    if (this.#ended) return false;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    return true;
  }

  /** Undefined at the end of the stream. */
  async take(size: number): Promise<Buffer | undefined> {
    while (this.#bytes.length < size) if (!(await this.#more())) return undefined;
    const taken = this.#bytes.subarray(0, size);
    this.#bytes = this.#bytes.subarray(size);
    return taken;
  }

  async until(text: string): Promise<string> {
    while (!this.#bytes.includes(text)) {
      if (!(await this.#more()))
        throw new Error(`stream ended before ${JSON.stringify(text)}: ${this.#bytes.toString()}`);
    }
    const end = this.#bytes.indexOf(text) + text.length;
    const taken = this.#bytes.subarray(0, end).toString();
    this.#bytes = this.#bytes.subarray(end);
    return taken;
  }

  async rest(): Promise<Buffer> {
    while (await this.#more());
    return this.#bytes;
  }
}

export interface Frame {
  readonly kind: number;
  readonly tag: number;
  readonly payload: Buffer;
}

export interface ShimError {
  readonly errno: number;
  readonly op: number;
  readonly text: string;
}

export function decodeError(frame: Frame): ShimError {
  const { payload } = frame;
  return {
    errno: payload.readUInt32LE(0),
    op: payload.readUInt32LE(4),
    text: payload.subarray(12, payload.length - 1).toString(),
  };
}

export function errnoName(errno: number): string | undefined {
  return Object.entries(constants.errno).find(([, value]) => value === errno)?.[0];
}

export interface ExitEvent {
  readonly exitCode: number;
  readonly signal: number;
  readonly oomKilled: number;
  readonly exitedAtNs: bigint;
  readonly lostLogBytes: bigint;
}

export function decodeExit(frame: Frame): ExitEvent {
  const { payload } = frame;
  return {
    exitCode: payload.readUInt32LE(0),
    signal: payload.readUInt32LE(4),
    oomKilled: payload.readUInt32LE(8),
    exitedAtNs: payload.readBigUInt64LE(12),
    lostLogBytes: payload.readBigUInt64LE(20),
  };
}

/** Docker's stream framing, split by stream. */
export function demultiplex(bytes: Buffer): { stdout: Buffer; stderr: Buffer } {
  const parts: Buffer[][] = [[], []];
  for (let at = 0; at < bytes.length; ) {
    const size = bytes.readUInt32BE(at + 4);
    parts[(bytes[at] ?? 0) - 1]?.push(bytes.subarray(at + 8, at + 8 + size));
    at += 8 + size;
  }
  return { stdout: Buffer.concat(parts[0] ?? []), stderr: Buffer.concat(parts[1] ?? []) };
}

export class Connection {
  readonly incoming: Incoming;
  readonly #readable: Readable;
  readonly #writable: Writable;
  #tag = 0;
  readonly #frames: Frame[] = [];
  #arrival: Promise<boolean> | undefined;

  constructor(readable: Readable, writable: Writable) {
    this.incoming = new Incoming(readable);
    this.#readable = readable;
    this.#writable = writable;
    writable.on("error", () => undefined);
  }

  send(bytes: Buffer | string): void {
    this.#writable.write(bytes);
  }

  /** Half-close: end of standard input on a stream. */
  end(): void {
    this.#writable.end();
  }

  destroy(): void {
    this.#writable.destroy();
  }

  /** Stops reading, so that the kernel's buffers fill. */
  pause(): void {
    this.#readable.pause();
  }

  resume(): void {
    this.#readable.resume();
  }

  /** Settles when the kernel has taken everything. */
  sendAndDrain(text: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#writable.write(text, () => {
      resolve();
    });
    return promise;
  }

  async #frame(): Promise<Frame | undefined> {
    const header = await this.incoming.take(8);
    if (header === undefined) return undefined;
    const payload = await this.incoming.take(header.readUInt32LE(0));
    if (payload === undefined) return undefined;
    return { kind: header.readUInt16LE(4), tag: header.readUInt16LE(6), payload };
  }

  /** Sends a request without waiting: returns its tag. */
  post(kind: number, ...fields: Buffer[]): number {
    this.#tag += 1;
    this.send(frame(kind, this.#tag, Buffer.concat(fields)));
    return this.#tag;
  }

  /** The first frame that fits, also of those that came while somebody waited for another one. */
  async #first(fits: (frame: Frame) => boolean): Promise<Frame | undefined> {
    for (;;) {
      const at = this.#frames.findIndex(fits);
      if (at >= 0) return this.#frames.splice(at, 1)[0];
      this.#arrival ??= this.#frame().then((arrived) => {
        this.#arrival = undefined;
        if (arrived !== undefined) this.#frames.push(arrived);
        return arrived !== undefined;
      });
      if (!(await this.#arrival)) return undefined;
    }
  }

  async reply(tag: number): Promise<Frame> {
    const reply = await this.#first((frame) => frame.tag === tag && frame.kind < 0x8000);
    if (reply === undefined) throw new Error("connection ended before the reply");
    return reply;
  }

  request(kind: number, ...fields: Buffer[]): Promise<Frame> {
    return this.reply(this.post(kind, ...fields));
  }

  async ok(kind: number, ...fields: Buffer[]): Promise<Buffer> {
    const reply = await this.request(kind, ...fields);
    if (reply.kind !== kinds.ok) throw new Error(JSON.stringify(decodeError(reply)));
    return reply.payload;
  }

  /** The next event of a kind; undefined when the connection ended. */
  event(kind: number): Promise<Frame | undefined> {
    return this.#first((frame) => frame.kind === kind);
  }
}

export interface CreateOptions {
  readonly flags?: number;
  readonly rows?: number;
  readonly cols?: number;
  readonly logPath?: string;
  readonly maxBytes?: bigint;
  readonly maxFiles?: number;
  readonly compress?: boolean;
  readonly exact?: boolean;
  readonly attrs?: string;
  readonly plan: Buffer;
}

function createFields(options: CreateOptions): Buffer[] {
  return [
    u32(options.flags ?? flags.run),
    u32(options.rows ?? 0),
    u32(options.cols ?? 0),
    str(options.logPath ?? ""),
    u64(options.maxBytes ?? 0n),
    u32(options.maxFiles ?? 1),
    u32((options.compress === true ? 1 : 0) | (options.exact === true ? 2 : 0)),
    str(options.attrs ?? ""),
    blob(options.plan),
  ];
}

export function execFields(
  execId: string,
  execFlags: number,
  execPlan: Buffer,
  rows = 0,
  cols = 0,
): Buffer[] {
  return [str(execId), u32(execFlags), u32(rows), u32(cols), blob(execPlan)];
}

export interface LogEntry {
  readonly log: string;
  readonly stream: string;
  readonly time: string;
}

function decodeEntry(line: string): LogEntry {
  const entry: unknown = JSON.parse(line);
  if (typeof entry !== "object" || entry === null) throw new Error(`not an entry: ${line}`);
  const { log, stream, time } = { log: undefined, stream: undefined, time: undefined, ...entry };
  if (typeof log !== "string" || typeof stream !== "string" || typeof time !== "string")
    throw new Error(`not an entry: ${line}`);
  return { log, stream, time };
}

export function parseLog(text: string): LogEntry[] {
  return text.split("\n").slice(0, -1).map(decodeEntry);
}

export function readLog(path: string): LogEntry[] {
  return parseLog(readFileSync(path, "utf8"));
}

export interface StartOptions {
  readonly binary: string;
  readonly environment?: NodeJS.ProcessEnv;
  readonly prefix?: readonly string[];
  readonly directory?: string;
}

/** A shim with its daemon's connection, in a directory of its own. */
export class Shim {
  readonly directory: string;
  readonly child: ChildProcess;
  readonly daemon: Connection;
  readonly ended: Promise<number | null>;
  readonly #ownsDirectory: boolean;
  #stderr = "";
  #isListening = false;

  constructor(options: StartOptions) {
    this.#ownsDirectory = options.directory === undefined;
    this.directory = options.directory ?? mkdtempSync(join(tmpdir(), "shim-"));
    const command = [...(options.prefix ?? []), options.binary, "shim", "test"];
    this.child = spawn(command[0] ?? options.binary, command.slice(1), {
      cwd: this.directory,
      env: { ...process.env, ...options.environment },
      stdio: ["ignore", "ignore", "pipe", "pipe"],
    });
    const end = this.child.stdio[3];
    if (!(end instanceof Readable) || !(end instanceof Writable))
      throw new Error("descriptor 3 is not a duplex stream");
    this.daemon = new Connection(end, end);
    this.child.stderr?.on("data", (chunk: Buffer) => {
      this.#stderr += chunk.toString();
    });
    this.ended = new Promise((resolve) => {
      this.child.on("exit", resolve);
    });
  }

  get logPath(): string {
    return join(this.directory, "log");
  }

  get stderr(): string {
    return this.#stderr;
  }

  read(name: string): string {
    return readFileSync(join(this.directory, name), "utf8");
  }

  create(options: CreateOptions): Promise<Frame> {
    return this.daemon.request(kinds.create, ...createFields(options));
  }

  /** Creates, runs and waits for the end. */
  async run(options: CreateOptions): Promise<ExitEvent> {
    const reply = await this.create(options);
    if (reply.kind !== kinds.ok) throw new Error(JSON.stringify(decodeError(reply)));
    return this.exit();
  }

  async exit(connection = this.daemon): Promise<ExitEvent> {
    const event = await connection.event(kinds.exit);
    if (event === undefined) throw new Error(`the shim ended without an exit event: ${this.#stderr}`);
    return decodeExit(event);
  }

  /** The shim listens when it has answered something. */
  async connect(): Promise<Connection> {
    if (!this.#isListening) await this.daemon.ok(kinds.state);
    this.#isListening = true;
    return new Promise((resolve, reject) => {
      const socket: Socket = connect({ path: join(this.directory, "shim.sock"), allowHalfOpen: true });
      socket.on("error", reject);
      socket.on("connect", () => resolve(new Connection(socket, socket)));
    });
  }

  async attach(streams: number): Promise<Connection> {
    const connection = await this.connect();
    await connection.ok(kinds.attach, u32(streams));
    return connection;
  }

  /** The name of the error that a request gets. */
  async errno(kind: number, ...fields: Buffer[]): Promise<string | undefined> {
    const reply = await this.daemon.request(kind, ...fields);
    return reply.kind === kinds.error ? errnoName(decodeError(reply).errno) : undefined;
  }

  /** Ends the main process and waits for the report. */
  async kill(signal = 9): Promise<ExitEvent> {
    await this.daemon.ok(kinds.signal, str(""), u32(signal));
    return this.exit();
  }

  log(): LogEntry[] {
    return readLog(this.logPath);
  }

  /** A test that failed half-way leaves a container, and its shim would rightly stay with it. */
  #killAll(): void {
    const children = readFileSync(`/proc/${this.child.pid}/task/${this.child.pid}/children`, "utf8");
    for (const pid of children.split(" ").filter(Boolean)) process.kill(Number(pid), "SIGKILL");
    this.child.kill("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.daemon.destroy();
    if (this.child.exitCode === null) {
      const deadline = setTimeout(() => this.#killAll(), 3000);
      await this.ended;
      clearTimeout(deadline);
    }
    if (this.#ownsDirectory) rmSync(this.directory, { recursive: true, force: true });
  }
}
