/**
 * A shim without a container, in this process: speaks the protocol on `shim.sock` and on the connection that stands
 * for descriptor 3, writes `pid` and `exit` as the real one does, and does what a test tells it to.
 */
import { writeFileSync } from "node:fs";
import { type Server, type Socket, connect, createServer } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { BinaryReader, BinaryWriter } from "../../base/binary.ts";
import { FrameReader } from "../frames.ts";
import {
  type Frame,
  type ProcessIdentity,
  SHIM_FLAG,
  SHIM_KIND,
  SHIM_LOG_FLAG,
  SHIM_STATUS,
  type ShimRequest,
} from "../protocol.ts";

export interface Refusal {
  readonly errno: number;
  readonly op: number;
  readonly text: string;
}

export interface FakeExit {
  readonly exitCode: number;
  readonly signal?: number;
  readonly oomKilled?: boolean;
  readonly exitedAtNs?: bigint;
}

interface Attached {
  readonly socket: Socket;
  /** "" = the main process. */
  readonly execId: string;
}

export function encodeFrame(kind: number, tag: number, write: (w: BinaryWriter) => void = () => {}): Buffer {
  const w = new BinaryWriter().u32(0).u16(kind).u16(tag);
  write(w);
  w.patchU32(0, w.length - 8);
  return Buffer.from(w.bytes());
}

function decodeCreate(r: BinaryReader): ShimRequest {
  const flags = r.u32();
  const window = { rows: r.u32(), cols: r.u32() };
  const path = r.str();
  const [maxBytes, maxFiles, logFlags, attrs] = [Number(r.u64()), r.u32(), r.u32(), r.str()];
  const log = {
    path,
    maxBytes,
    maxFiles,
    compress: (logFlags & SHIM_LOG_FLAG.LOG_COMPRESSED) !== 0,
    exact: (logFlags & SHIM_LOG_FLAG.LOG_EXACT) !== 0,
    attrs,
  };
  return {
    kind: "create",
    run: (flags & SHIM_FLAG.RUN) !== 0,
    terminal: (flags & SHIM_FLAG.TERMINAL) !== 0,
    stdin: (flags & SHIM_FLAG.STDIN) !== 0,
    stdinOnce: (flags & SHIM_FLAG.STDIN_ONCE) !== 0,
    window,
    log: path === "" ? undefined : log,
    plan: r.blob(),
  };
}

function decodeExec(r: BinaryReader): ShimRequest {
  const execId = r.str();
  const flags = r.u32();
  return {
    kind: "exec",
    execId,
    terminal: (flags & SHIM_FLAG.TERMINAL) !== 0,
    stdin: (flags & SHIM_FLAG.STDIN) !== 0,
    stream: (flags & SHIM_FLAG.STREAM) !== 0,
    window: { rows: r.u32(), cols: r.u32() },
    plan: r.blob(),
  };
}

function decodeAttach(flags: number): ShimRequest {
  return {
    kind: "attach",
    stdin: (flags & SHIM_FLAG.STDIN) !== 0,
    stdout: (flags & SHIM_FLAG.STDOUT) !== 0,
    stderr: (flags & SHIM_FLAG.STDERR) !== 0,
  };
}

/** The other direction of `encodeRequest`. */
export function decodeRequest({ kind, payload }: Frame): ShimRequest {
  const r = new BinaryReader(payload);
  const request = ((): ShimRequest => {
    switch (kind) {
      case SHIM_KIND.CREATE:
        return decodeCreate(r);
      case SHIM_KIND.START:
        return { kind: "start" };
      case SHIM_KIND.SIGNAL:
        return { kind: "signal", execId: r.str(), signal: r.u32() };
      case SHIM_KIND.RESIZE:
        return { kind: "resize", execId: r.str(), window: { rows: r.u32(), cols: r.u32() } };
      case SHIM_KIND.EXEC:
        return decodeExec(r);
      case SHIM_KIND.ATTACH:
        return decodeAttach(r.u32());
      case SHIM_KIND.CLOSE_STDIN:
        return { kind: "close-stdin", execId: r.str() };
      case SHIM_KIND.SUBSCRIBE:
        return { kind: "subscribe" };
      case SHIM_KIND.STATE:
        return { kind: "state" };
      case SHIM_KIND.KEEP:
        return { kind: "keep", name: r.str(), descriptor: r.u32() };
      case SHIM_KIND.KEPT:
        return { kind: "kept" };
      case SHIM_KIND.CLEAR_LOG:
        return { kind: "clear-log" };
      default:
        throw new Error(`unknown request ${kind}`);
    }
  })();
  if (r.remaining > 0) throw new Error(`${r.remaining} bytes too many in "${request.kind}"`);
  return request;
}

export class FakeShim {
  /** Every request in order of arrival. */
  readonly requests: ShimRequest[] = [];
  /** Numbers of this very process. */
  readonly #kept = new Map<string, number>();
  /** What came in on streams, by exec id. */
  readonly input = new Map<string, string>();
  /** Called with the exec id ("" = main process) when a stream's input has ended. */
  onInputEnd: (execId: string) => void = () => {};
  /** Answers for requests of a kind, instead of success. */
  readonly refusals = new Map<ShimRequest["kind"], Refusal>();
  /** Called for every request before it is answered. */
  onRequest: (request: ShimRequest) => void = () => {};
  status: keyof typeof SHIM_STATUS = "NEW";
  readonly #directory: string;
  readonly #process: ProcessIdentity;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #subscribers = new Set<Socket>();
  #attached: Attached[] = [];
  #firstIsControl: boolean;
  #frozen: (() => void)[] | undefined;

  private constructor(directory: string, process: ProcessIdentity, adopted: boolean) {
    this.#directory = directory;
    this.#process = process;
    this.#firstIsControl = !adopted;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  /** A shim as it is right after its start; `control` stands for the daemon's end of descriptor 3. */
  static spawn(directory: string, process: ProcessIdentity): { shim: FakeShim; control: Duplex } {
    const shim = new FakeShim(directory, process, false);
    const path = join(directory, "shim.sock");
    shim.#server.listen(path);
    return { shim, control: connect({ path, allowHalfOpen: true }) };
  }

  /** One more connection, as from the daemon. */
  connect(): Duplex {
    return connect({ path: join(this.#directory, "shim.sock"), allowHalfOpen: true });
  }

  /** A shim that an earlier daemon left behind with a running process. */
  static async running(directory: string, process: ProcessIdentity): Promise<FakeShim> {
    const shim = new FakeShim(directory, process, true);
    shim.status = "RUNNING";
    shim.#writePid();
    const { promise, resolve } = Promise.withResolvers<void>();
    shim.#server.listen(join(directory, "shim.sock"), resolve);
    await promise;
    return shim;
  }

  /** Stops answering, as under SIGSTOP. */
  freeze(): void {
    this.#frozen ??= [];
  }

  thaw(): void {
    const late = this.#frozen ?? [];
    this.#frozen = undefined;
    for (const answer of late) answer();
  }

  /** Output of a process, already framed the way its streams carry it. */
  output(bytes: string | Uint8Array, execId = ""): void {
    for (const { socket, execId: id } of this.#attached) if (id === execId) socket.write(bytes);
  }

  execExit(execId: string, exitCode: number, signal = 0): void {
    this.#endStreams(execId);
    this.#event(
      encodeFrame(SHIM_KIND.EVENT_EXEC_EXIT, 0, (w) => w.str(execId).u32(exitCode).u32(signal).u64(1n)),
    );
  }

  runOutOfMemory(): void {
    this.#event(encodeFrame(SHIM_KIND.EVENT_OOM, 0, (w) => w));
  }

  /** The main process ends: `exit` file, event, and the end of the shim. */
  exit(exit: FakeExit): void {
    this.writeExit(exit);
    this.status = "EXITED";
    this.#event(
      encodeFrame(SHIM_KIND.EVENT_EXIT, 0, (w) =>
        w
          .u32(exit.exitCode)
          .u32(exit.signal ?? 0)
          .u32(exit.oomKilled ? 1 : 0)
          .u64(exit.exitedAtNs ?? 1n)
          .u64(0n),
      ),
    );
    this.#endStreams("");
    this.#server.close();
    for (const socket of this.#sockets) socket.end();
  }

  writeExit(exit: FakeExit): void {
    const text = JSON.stringify({
      exitCode: exit.exitCode,
      signal: exit.signal ?? 0,
      oomKilled: exit.oomKilled ?? false,
      exitedAtNs: String(exit.exitedAtNs ?? 1n),
      lostLogBytes: "0",
    });
    writeFileSync(join(this.#directory, "exit"), `${text}\n`);
  }

  /** SIGKILL of the shim: every connection is gone, nothing is written. */
  crash(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #endStreams(execId: string): void {
    for (const { socket, execId: id } of this.#attached) if (id === execId) socket.end();
    this.#attached = this.#attached.filter(({ execId: id }) => id !== execId);
  }

  #event(frame: Buffer): void {
    for (const socket of this.#subscribers) socket.write(frame);
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    if (this.#firstIsControl) this.#subscribers.add(socket);
    this.#firstIsControl = false;
    const frames = new FrameReader();
    const read = (chunk: Buffer): void => {
      frames.push(chunk);
      for (let frame = frames.next(); frame !== undefined; frame = frames.next()) {
        const request = decodeRequest(frame);
        this.requests.push(request);
        this.onRequest(request);
        const { tag } = frame;
        const answer = (): void => this.#answer(socket, tag, request);
        if (this.#frozen === undefined) answer();
        else this.#frozen.push(answer);
        if (request.kind !== "attach" && !(request.kind === "exec" && request.stream)) continue;
        socket.off("data", read);
        this.#readStream(socket, request.kind === "exec" ? request.execId : "", frames.takeRest());
        return;
      }
    };
    socket.on("data", read);
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#subscribers.delete(socket);
    });
  }

  #readStream(socket: Socket, execId: string, begin: Buffer): void {
    this.input.set(execId, begin.toString());
    socket.on("data", (chunk: Buffer) => {
      this.input.set(execId, (this.input.get(execId) ?? "") + chunk.toString());
    });
    socket.on("end", () => {
      this.onInputEnd(execId);
    });
  }

  #answer(socket: Socket, tag: number, request: ShimRequest): void {
    const refusal = this.refusals.get(request.kind);
    if (refusal !== undefined) {
      const { errno, op, text } = refusal;
      socket.write(encodeFrame(SHIM_KIND.REPLY_ERROR, tag, (w) => w.u32(errno).u32(op).str(text)));
      if (request.kind === "create" || request.kind === "start") {
        this.#server.close();
        for (const each of this.#sockets) each.end();
      }
      return;
    }
    socket.write(encodeFrame(SHIM_KIND.REPLY_OK, tag, (w) => this.#perform(w, socket, request)));
  }

  #perform(w: BinaryWriter, socket: Socket, request: ShimRequest): void {
    switch (request.kind) {
      case "create":
        this.status = request.run ? "RUNNING" : "CREATED";
        this.#writePid();
        w.u32(this.#process.pid).u64(this.#process.startTicks);
        break;
      case "start":
        this.status = "RUNNING";
        break;
      case "exec":
        if (request.stream) this.#attached.push({ socket, execId: request.execId });
        w.u32(this.#process.pid + 1).u64(this.#process.startTicks);
        break;
      case "attach":
        this.#attached.push({ socket, execId: "" });
        break;
      case "subscribe":
        this.#subscribers.add(socket);
        break;
      case "state":
        w.u32(SHIM_STATUS[this.status]).u32(this.#process.pid).u64(this.#process.startTicks);
        break;
      case "keep":
        this.#kept.set(request.name, request.descriptor);
        w.u32(request.descriptor);
        break;
      case "kept":
        w.u32(process.pid).u32(this.#kept.size);
        for (const [name, descriptor] of this.#kept) w.str(name).u32(descriptor);
        break;
      case "signal":
      case "resize":
      case "close-stdin":
      case "clear-log":
        break;
    }
  }

  #writePid(): void {
    const { pid, startTicks } = this.#process;
    writeFileSync(join(this.#directory, "pid"), `{"pid":${pid},"startTicks":${startTicks}}\n`);
  }
}
