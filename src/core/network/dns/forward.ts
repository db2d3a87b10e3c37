/** What is not known here, asked elsewhere: one server after the other. A failure is never made up, nor a denial. */
import { answerLimit, writeFailure, writeTruncated } from "./answer.ts";
import { type DnsNative, exchange } from "./exchange.ts";
import { FLAG, type Message, RCODE } from "./message.ts";
import type { Upstream } from "./name-view.ts";

/** Servers that cut at this size whatever the client takes are common (RFC 9715). */
const CAUTIOUS_UDP_BYTES = 1232;

export interface Forward {
  /** Its bytes are nobody else's. */
  readonly query: Message;
  readonly transport: "udp" | "tcp";
  readonly upstreams: readonly Upstream[];
  /** A socket of the container's. */
  readonly like: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface Forwarded {
  readonly bytes: Uint8Array;
  /** Another server's, or our failure. */
  readonly isOthers: boolean;
}

/** The bytes for the client; undefined when it was given up by the signal. */
export async function forward(native: DnsNative, what: Forward): Promise<Forwarded | undefined> {
  for (const upstream of what.upstreams) {
    const answer = await ask(native, what, upstream);
    if (what.signal.aborted) return undefined;
    // As Docker has it: whoever cannot or does not want to answer leaves it to the next.
    if (answer === undefined || answer.rcode === RCODE.SERVFAIL || answer.rcode === RCODE.REFUSED) continue;
    return { bytes: forClient(what, answer), isOthers: true };
  }
  return { bytes: writeFailure(what.query, RCODE.SERVFAIL), isOthers: false };
}

async function ask(native: DnsNative, what: Forward, upstream: Upstream): Promise<Message | undefined> {
  const { query, transport, like, timeoutMs, signal } = what;
  const startedMs = performance.now();
  const answer = await exchange(native, { query, upstream, transport, like, timeoutMs, signal });
  if (answer === undefined || transport === "tcp" || (answer.flags & FLAG.TC) === 0) return answer;
  // A client that takes no more than the server gave has to come over TCP itself.
  const limit = answerLimit(query, transport);
  const leftMs = Math.floor(timeoutMs - (performance.now() - startedMs));
  if (limit <= CAUTIOUS_UDP_BYTES || leftMs < 1) return answer;
  const whole = await exchange(native, {
    query,
    upstream,
    transport: "tcp",
    like,
    timeoutMs: leftMs,
    signal,
  });
  return whole !== undefined && whole.bytes.length <= limit ? whole : answer;
}

function forClient({ query, transport }: Forward, answer: Message): Uint8Array {
  if (answer.bytes.length > answerLimit(query, transport)) return writeTruncated(query);
  const bytes = Uint8Array.from(answer.bytes);
  bytes.set(query.bytes.subarray(0, 2));
  return bytes;
}
