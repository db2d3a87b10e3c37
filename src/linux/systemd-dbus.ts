/**
 * A D-Bus connection over a unix socket: one method call after the other, and signals for who listens. Every wait has a
 * deadline; whatever the peer does wrong ends the connection and fails what waits. Authentication: SASL EXTERNAL, by the
 * credentials of the socket (dbus-specification, "Authentication Protocol").
 */
import { connect, type Socket } from "node:net";
import { withDeadline } from "../base/deadline.ts";
import { fail, GantryError, messageOf } from "../base/errors.ts";
import {
  type Call,
  DBusReader,
  decodeMessage,
  encodeCall,
  FIXED_BYTES,
  type Message,
  MESSAGE,
  messageBytes,
} from "./systemd-dbus-message.ts";

const AUTH_TIMEOUT_MS = 5_000;
const CALL_TIMEOUT_MS = 25_000;
const MAX_AUTH_BYTES = 1024;

/** An error reply, with its D-Bus name: "org.freedesktop.systemd1.UnitExists". */
export class DBusError extends GantryError {
  readonly dbusName: string;

  constructor(dbusName: string, message: string) {
    super("unavailable", message);
    this.dbusName = dbusName;
  }
}

export class DBusConnection implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, PromiseWithResolvers<Message>>();
  readonly #listeners = new Set<(signal: Message) => void>();
  #received = Buffer.alloc(0);
  #authenticated: PromiseWithResolvers<void> | undefined = Promise.withResolvers<void>();
  #serial = 0;
  #failure: Error | undefined;
  readonly #ended = Promise.withResolvers<never>();

  private constructor(socket: Socket) {
    this.#socket = socket;
    // It is there for who waits for a signal; nobody may.
    this.#ended.promise.catch(() => {});
    socket.on("data", (chunk) => this.#receive(typeof chunk === "string" ? Buffer.from(chunk) : chunk));
    socket.on("error", (error) => this.#end(error));
    socket.on("close", () => this.#end(fail("unavailable", "the D-Bus peer closed the connection")));
  }

  /** Connects and authenticates as user `uid`. Throws `unavailable` when nobody answers there, or says no. */
  static async open(path: string, uid: number): Promise<DBusConnection> {
    const connection = new DBusConnection(connect({ path }));
    const ready = connection.#authenticated?.promise;
    const hex = Buffer.from(String(uid)).toString("hex");
    // In one piece, as sd-bus's own clients do: a BEGIN that systemd reads together with the first message leaves that
    // message lying until another comes (observed with 252).
    connection.#socket.write(`\0AUTH EXTERNAL ${hex}\r\nBEGIN\r\n`);
    try {
      await withDeadline(`authentication at "${path}"`, AUTH_TIMEOUT_MS, Promise.resolve(ready));
    } catch (cause) {
      connection.#socket.destroy();
      throw fail("unavailable", `cannot speak to "${path}": ${messageOf(cause)}`, cause);
    }
    return connection;
  }

  /** Rejects when the connection is over; never resolves. */
  get ended(): Promise<never> {
    return this.#ended.promise;
  }

  onSignal(listener: (signal: Message) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** The body of the answer. Throws `DBusError` for an error reply, `unavailable` when there is none in time. */
  async call(call: Call, timeoutMs = CALL_TIMEOUT_MS): Promise<DBusReader> {
    if (this.#failure !== undefined) throw this.#failure;
    const serial = ++this.#serial;
    const waiting = Promise.withResolvers<Message>();
    this.#waiting.set(serial, waiting);
    try {
      this.#socket.write(encodeCall(call, serial));
      const reply = await withDeadline(`D-Bus call ${call.member}`, timeoutMs, waiting.promise);
      if (reply.type === MESSAGE.error) throw errorOf(reply, call.member);
      return new DBusReader(reply.body);
    } finally {
      this.#waiting.delete(serial);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#socket.destroyed) return;
    this.#socket.on("close", () => resolve());
    this.#socket.destroy();
    await promise;
  }

  #receive(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    try {
      if (this.#authenticated !== undefined) this.#takeAnswer(this.#authenticated);
      if (this.#authenticated === undefined) this.#takeMessages();
    } catch (error) {
      this.#end(error instanceof Error ? error : fail("internal", String(error)));
    }
  }

  #takeAnswer(authenticated: PromiseWithResolvers<void>): void {
    const end = this.#received.indexOf("\r\n");
    if (end < 0) {
      if (this.#received.length > MAX_AUTH_BYTES) throw fail("unavailable", "the D-Bus peer talks too much");
      return;
    }
    const line = this.#received.toString("latin1", 0, end);
    if (!line.startsWith("OK "))
      throw fail("unavailable", `authentication was refused: ${JSON.stringify(line.slice(0, 100))}`);
    this.#received = this.#received.subarray(end + 2);
    this.#authenticated = undefined;
    authenticated.resolve();
  }

  #takeMessages(): void {
    while (this.#received.length >= FIXED_BYTES) {
      const bytes = messageBytes(this.#received);
      if (this.#received.length < bytes) return;
      // A copy: its alignment counts from its own beginning, and it may be kept.
      const message = decodeMessage(Buffer.from(this.#received.subarray(0, bytes)));
      this.#received = this.#received.subarray(bytes);
      if (message.type === MESSAGE.signal) this.#listeners.forEach((listener) => listener(message));
      else if (message.replySerial !== undefined) this.#waiting.get(message.replySerial)?.resolve(message);
    }
  }

  #end(error: Error): void {
    this.#failure ??= error;
    this.#authenticated?.reject(this.#failure);
    this.#ended.reject(this.#failure);
    for (const { reject } of this.#waiting.values()) reject(this.#failure);
    this.#socket.destroy();
  }
}

function errorOf({ errorName = "", signature, body }: Message, member: string): DBusError {
  const text = signature.startsWith("s") ? new DBusReader(body).string() : errorName;
  return new DBusError(errorName, `D-Bus call ${member} failed: ${text.slice(0, 1000)}`);
}
