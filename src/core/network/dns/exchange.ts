/**
 * One question to one other server: a socket of its own with a port of the kernel's choice, connected, so that only the asked
 * address can answer, and an id that nobody can guess. What is no answer to the question is ignored.
 */
import { randomInt } from "node:crypto";
import { adoptSocket } from "../../../base/bun-socket.ts";
import type { Native } from "../../../linux/native.ts";
import type { NativeSockets } from "../../../linux/native-sockets.ts";
import { MAX_UDP_BYTES } from "./answer.ts";
import { frame, FrameReader } from "./frames.ts";
import { FLAG, MAX_MESSAGE_BYTES, type Message, readMessage } from "./message.ts";
import type { Upstream } from "./name-view.ts";
import { FormatError } from "./wire-name.ts";

export type DnsNative = NativeSockets & Pick<Native, "closeFd">;

export interface Exchange {
  readonly query: Message;
  readonly upstream: Upstream;
  readonly transport: "udp" | "tcp";
  /** A socket of the container's, for servers that are reached through its network. */
  readonly like: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** The answer, with the id of the exchange and not of the query; undefined when none came in time. */
export async function exchange(native: DnsNative, what: Exchange): Promise<Message | undefined> {
  const { upstream, transport, timeoutMs, signal } = what;
  const startedMs = performance.now();
  const connecting = native.connectSocket({
    transport,
    like: upstream.through === "container" ? what.like : undefined,
    address: upstream.address,
    port: upstream.port,
    timeoutMs,
  });
  // Whatever the kernel says against it, there is no answer from this server.
  const fd = await connecting.catch(() => undefined);
  if (fd === undefined) return undefined;
  const leftMs = timeoutMs - (performance.now() - startedMs);
  if (signal.aborted || leftMs <= 0) {
    native.closeFd(fd);
    return undefined;
  }
  const question = outgoing(what.query);
  if (transport === "tcp") return overTcp(fd, question, leftMs, signal);
  return overUdp(native, fd, question, leftMs, signal);
}

/** The query as it came, but for its id, and for a size beyond what is read here. */
function outgoing(query: Message): Message {
  const bytes = Buffer.from(query.bytes);
  bytes.writeUInt16BE(randomInt(65_536), 0);
  if (query.edns !== undefined && query.edns.udpBytes > MAX_UDP_BYTES)
    bytes.writeUInt16BE(MAX_UDP_BYTES, query.edns.udpBytesAt);
  return readMessage(bytes);
}

async function overUdp(
  native: DnsNative,
  fd: number,
  question: Message,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Message | undefined> {
  const { promise, resolve } = Promise.withResolvers<Message | undefined>();
  const giveUp = (): void => resolve(undefined);
  const timer = setTimeout(giveUp, timeoutMs);
  signal.addEventListener("abort", giveUp);
  try {
    native.watchDatagrams(fd, {
      batch(datagrams) {
        for (const { bytes } of datagrams) {
          const answer = answerTo(question, bytes);
          if (answer !== undefined) return resolve(answer);
        }
      },
      ended: giveUp,
    });
    native.sendDatagrams(fd, [{ peer: new Uint8Array(), bytes: question.bytes }]);
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", giveUp);
    native.unwatch(fd);
    native.closeFd(fd);
  }
}

async function overTcp(
  fd: number,
  question: Message,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Message | undefined> {
  const stream = await adoptSocket(fd);
  const giveUp = (): void => stream.close();
  const timer = setTimeout(giveUp, timeoutMs);
  signal.addEventListener("abort", giveUp);
  if (signal.aborted) giveUp();
  try {
    await stream.write(frame(question.bytes));
    const frames = new FrameReader(stream, MAX_MESSAGE_BYTES);
    for (;;) {
      const bytes = await frames.next();
      if (bytes === undefined) return undefined;
      const answer = answerTo(question, bytes);
      if (answer !== undefined) return answer;
    }
  } catch {
    return undefined; // the connection broke: no answer from this server
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", giveUp);
    stream.close();
  }
}

/** `bytes` as a message, if it answers exactly this question. */
function answerTo(question: Message, bytes: Uint8Array): Message | undefined {
  if (bytes[0] !== question.bytes[0] || bytes[1] !== question.bytes[1]) return undefined;
  let answer: Message;
  try {
    answer = readMessage(Uint8Array.from(bytes));
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
  if ((answer.flags & FLAG.QR) === 0 || answer.opcode !== question.opcode) return undefined;
  const [asked] = question.questions;
  const [echoed] = answer.questions;
  // Servers that understood nothing need not repeat the question; their answer has no records either.
  if (echoed === undefined) return answer.rcode === 0 || answer.answers.length > 0 ? undefined : answer;
  const isSame = echoed.name === asked?.name && echoed.type === asked.type && echoed.class === asked.class;
  return isSame ? answer : undefined;
}
