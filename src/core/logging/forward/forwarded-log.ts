/**
 * One container's log on its way to a sink. A pass reads from the position on and sends, batch by batch; a sink that fails ends the
 * pass, and after a pause the next one begins where the sink is known to have everything. In between nothing of the log is held:
 * no descriptor, no memory.
 */
import { setTimeout as pause } from "node:timers/promises";
import { messageOf } from "../../../base/errors.ts";
import type { Logger } from "../../../base/log.ts";
import { ChangeWatch } from "../change-watch.ts";
import type { ForwardedLog } from "../forwarding.ts";
import { LogCursor, type RecordBatch } from "./cursor.ts";
import type { RemoteLog } from "../remote-log.ts";
import type { Link } from "./link.ts";
import { type Position, readPosition, writePosition } from "./position.ts";

export interface ForwardedParts {
  readonly openLink: (log: ForwardedLog, signal: AbortSignal) => Promise<Link>;
  readonly log: Logger;
}

/** What was sent so long ago without a complaint has arrived. */
const SETTLE_MS = 1_000;
/** How often the position is written down. */
const WRITE_MS = 250;
/** How often to look when nothing says that something has changed. */
const LOOK_MS = 30_000;
/** Lines that follow each other closely share a batch. */
const GATHER_MS = 10;
const SMALL_BATCH = 64;
const LONGEST_PAUSE_MS = 10_000;
const PAUSE_GROWTH = 1.5;
const REPEATS_MAX = 3;

interface Sent {
  readonly end: Position;
  /** All that the link had sent by then. */
  readonly bytes: number;
  readonly atMs: number;
}

export class ForwardedLogRun {
  readonly #log: ForwardedLog;
  readonly #parts: ForwardedParts;
  readonly #end = new AbortController();
  readonly #changes: ChangeWatch;
  /** Everything before it is the sink's. */
  #settled: Position | undefined;
  #written: Position | undefined;
  /** Behind `#settled`, in order. */
  #sent: Sent[] = [];
  #writtenMs = Number.NEGATIVE_INFINITY;
  #link: Link | undefined;
  #renewAtMs = Number.POSITIVE_INFINITY;
  /** How often lines were sent again from the same place on, because the connection broke. */
  #repeats = 0;
  #repeatedFrom: Position | undefined | "never" = "never";
  #ended: Promise<unknown> | undefined;
  #isEnded = false;
  #failures = 0;
  #isFinished = false;
  #isDrained = false;
  /** Settles when nobody waits for another attempt any more. */
  readonly #released = Promise.withResolvers<void>();
  #isReleased = false;
  readonly finished: Promise<void>;

  constructor(log: ForwardedLog, ended: Promise<unknown>, parts: ForwardedParts) {
    this.#log = log;
    this.#parts = parts;
    this.#changes = new ChangeWatch(log.file.path);
    const position = readPosition(log.positionPath);
    if (position === "damaged")
      parts.log.warn("how far a log was sent is lost: it is sent from its beginning", { id: log.id });
    else this.#settled = this.#written = position;
    this.goOn(ended);
    this.finished = this.#run().finally(() => {
      this.#isFinished = true;
    });
  }

  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** The container runs (again) until `ended`. */
  goOn(ended: Promise<unknown>): void {
    this.#ended = ended;
    this.#isEnded = false;
    const tell = (): void => {
      if (this.#ended !== ended) return;
      this.#isEnded = true;
      this.#changes.notify();
    };
    ended.then(tell, tell);
  }

  /** Everything that the log had was sent when it finished. */
  get isDrained(): boolean {
    return this.#isDrained;
  }

  /** The log ends here: what is left is tried once more, at once. */
  release(): void {
    this.#isReleased = true;
    this.#released.resolve();
    this.goOn(Promise.resolve());
  }

  /** Ends it as soon as possible; what is not sent is told by the position. */
  async stop(): Promise<void> {
    this.#end.abort();
    this.#changes.notify();
    await this.finished;
  }

  async #run(): Promise<void> {
    const { signal } = this.#end;
    try {
      let isLast = false;
      while (!(await this.#hasFinished()) && !isLast) {
        if (!this.#isReleased) await Promise.race([this.#pause(signal), this.#released.promise]);
        isLast = this.#isReleased;
      }
    } catch (error) {
      if (!signal.aborted)
        this.#parts.log.error("a log is not sent any more", { id: this.#log.id, error: messageOf(error) });
    } finally {
      await this.#leave();
      this.#changes[Symbol.dispose]();
    }
  }

  /** One pass. False when it has failed and there is more to be done. */
  async #hasFinished(): Promise<boolean> {
    const { signal } = this.#end;
    try {
      await this.#pass(signal);
      // At once: a container that starts from now on gets another run.
      this.#isFinished = true;
      this.#isDrained = true;
      return true;
    } catch (error) {
      if (signal.aborted) return true;
      this.#failed(error);
      return false;
    }
  }

  async #pass(signal: AbortSignal): Promise<void> {
    const { id, file } = this.#log;
    await using cursor = await LogCursor.open(file, id, this.#settled);
    if (this.#failures > this.#log.remote.retry.maxRetries) await this.#giveUp(cursor);
    for (;;) {
      signal.throwIfAborted();
      // Noticed before reading: then everything that was ever written is there to be read.
      const isLast = this.#isEnded;
      const batch = await cursor.next();
      if (cursor.takeGap())
        this.#parts.log.warn("a log went round before it was sent: lines are missing", { id });
      if (batch !== undefined) {
        await this.#send(batch, signal);
        if (batch.records.length < SMALL_BATCH && !this.#isEnded)
          await pause(GATHER_MS, undefined, { signal });
      } else if (isLast) {
        await this.#close();
        if (this.#isEnded) return;
      } else await this.#idle();
    }
  }

  async #send(batch: RecordBatch, signal: AbortSignal): Promise<void> {
    const link = await this.#linked(signal);
    await link.send(batch.records, signal);
    if (this.#failures > 0) this.#parts.log.info("a log's sink is back", { id: this.#log.id });
    this.#failures = 0;
    this.#sent.push({ end: batch.end, bytes: link.sentBytes, atMs: performance.now() });
    this.#settle();
  }

  async #linked(signal: AbortSignal): Promise<Link> {
    if (this.#link?.isOpen === false) throw new Error("the sink has closed the connection");
    if (this.#link !== undefined && performance.now() > this.#renewAtMs) await this.#close();
    if (this.#link === undefined) {
      this.#link = await this.#parts.openLink(this.#log, signal);
      this.#renewAtMs = renewalOf(this.#log.remote);
      void this.#link.gone.then(this.#changes.notify);
    }
    return this.#link;
  }

  /**
   * What the sink has for sure is settled, and what its kernel has had for a while, which it will have read. Written down when there is
   * something new, not too often.
   */
  #settle(): void {
    const certain = this.#link?.certainBytes ?? 0;
    const isCertain = this.#link?.isCertain ?? false;
    const beforeMs = performance.now() - (isCertain ? 0 : SETTLE_MS);
    for (let [first] = this.#sent; first !== undefined; [first] = this.#sent) {
      if (first.atMs > beforeMs || first.bytes > certain) break;
      this.#settled = first.end;
      this.#sent.shift();
    }
    // Bounds the list: a batch of a moment stands for its neighbours.
    if (this.#sent.length > 64) this.#sent = this.#sent.filter((_, at) => at % 2 === 1);
    if (performance.now() - this.#writtenMs >= WRITE_MS) this.#write();
  }

  #write(): void {
    if (this.#settled === undefined || this.#settled === this.#written) return;
    try {
      writePosition(this.#log.positionPath, this.#settled);
      this.#written = this.#settled;
    } catch (error) {
      this.#parts.log.warn("cannot write down how far a log was sent", {
        id: this.#log.id,
        error: messageOf(error),
      });
    }
    this.#writtenMs = performance.now();
  }

  /** Nothing to send. A sink that has closed the connection meanwhile may not have got everything. */
  async #idle(): Promise<void> {
    const isAllWritten = this.#sent.length === 0 && this.#settled === this.#written;
    await this.#changes.wait(isAllWritten ? LOOK_MS : SETTLE_MS);
    if (this.#link?.isOpen === false) {
      if (this.#sent.length > 0) throw new Error("the sink has closed the connection");
      this.#unlink();
    }
    this.#settle();
  }

  async #close(): Promise<void> {
    this.#settle();
    try {
      await this.#link?.close();
    } catch (error) {
      // What is settled already needs no farewell.
      if (this.#sent.length > 0) throw error;
    }
    this.#link = undefined;
    this.#settleAll();
    this.#write();
  }

  #settleAll(): void {
    this.#settled = this.#sent.at(-1)?.end ?? this.#settled;
    this.#sent = [];
  }

  #unlink(): void {
    this.#link?.destroy();
    this.#link = undefined;
  }

  #failed(error: unknown): void {
    this.#settle();
    this.#unlink();
    this.#limitRepeats();
    this.#sent = [];
    this.#failures++;
    if (this.#failures === 1)
      this.#parts.log.warn("a log's sink does not answer: its lines wait", {
        id: this.#log.id,
        sink: this.#log.remote.kind,
        error: messageOf(error),
      });
  }

  /** A sink that takes lines and breaks off each time gets them often enough, but not for ever. */
  #limitRepeats(): void {
    if (this.#sent.length === 0) return;
    this.#repeats = this.#repeatedFrom === this.#settled ? this.#repeats + 1 : 0;
    this.#repeatedFrom = this.#settled;
    if (this.#repeats >= REPEATS_MAX) this.#settleAll();
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const { waitMs } = this.#log.remote.retry;
    const longest = Math.max(LONGEST_PAUSE_MS, waitMs);
    const ms = Math.min(waitMs * PAUSE_GROWTH ** Math.min(this.#failures - 1, 40), longest);
    await pause(ms, undefined, { signal });
  }

  /** The user has said how often a batch is tried. */
  async #giveUp(cursor: LogCursor): Promise<void> {
    const batch = await cursor.next();
    if (batch === undefined) return;
    this.#parts.log.warn("lines were given up after the last attempt to send them", {
      id: this.#log.id,
      lines: batch.records.length,
    });
    this.#settled = batch.end;
    this.#failures = 0;
    this.#write();
  }

  /** For good, or until the next daemon: what was sent gets the chance to arrive. */
  async #leave(): Promise<void> {
    try {
      await this.#close();
    } catch {
      // Sent again by the next one.
      this.#unlink();
      this.#write();
    }
  }
}

function renewalOf(remote: RemoteLog): number {
  return remote.kind === "fluentd" && remote.reconnectMs > 0
    ? performance.now() + remote.reconnectMs
    : Number.POSITIVE_INFINITY;
}
