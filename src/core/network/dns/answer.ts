/** DNS messages, written: answers that this server gives itself. The question is repeated byte by byte, so its case is kept. */
import { CLASS_IN, FLAG, type Message, RCODE, TYPE } from "./message.ts";
import { HEADER_BYTES } from "./wire-name.ts";

/** As Docker's resolver has it, in seconds. */
const TTL = 600;
const OLD_UDP_BYTES = 512;
/** What is announced and never exceeded, whatever the other side says it can take. */
export const MAX_UDP_BYTES = 4096;
const OPT_BYTES = 11;
const BADVERS = 16;

/** The owner is always the name that was asked for. */
export interface AnswerRecord {
  readonly type: number;
  readonly data: Uint8Array;
}

/** How long an answer to this query may be. */
export function answerLimit(query: Message, transport: "udp" | "tcp"): number {
  if (transport === "tcp") return 65_535;
  return Math.min(Math.max(query.edns?.udpBytes ?? 0, OLD_UDP_BYTES), MAX_UDP_BYTES);
}

/** An answer with as many of the records as fit; TC says that some did not. */
export function writeAnswer(query: Message, records: readonly AnswerRecord[], limit: number): Uint8Array {
  return write(query, RCODE.NOERROR, records, limit);
}

/** "There is more than fits": the client comes again over TCP. */
export function writeTruncated(query: Message): Uint8Array {
  const bytes = write(query, RCODE.NOERROR, [], OLD_UDP_BYTES);
  bytes[2] = (bytes[2] ?? 0) | (FLAG.TC >> 8);
  return bytes;
}

/** An answer without records. */
export function writeFailure(query: Message, rcode: number): Uint8Array {
  return write(query, rcode, [], OLD_UDP_BYTES);
}

/** RFC 6891 §6.1.3: this server knows version 0 only. */
export function writeBadVersion(query: Message): Uint8Array {
  return write(query, BADVERS, [], OLD_UDP_BYTES);
}

/** RFC 1035 §4.1.1, for what could not be read further than its header. Undefined for what is not even that, or is an answer. */
export function writeFormatError(bytes: Uint8Array): Uint8Array | undefined {
  const [high, low, flags] = bytes;
  if (bytes.length < HEADER_BYTES || high === undefined || low === undefined || flags === undefined)
    return undefined;
  if ((flags & 0x80) !== 0) return undefined;
  const answer = new Uint8Array(HEADER_BYTES);
  answer.set([high, low, 0x80 | (flags & 0x79), RCODE.FORMERR]);
  return answer;
}

function write(query: Message, rcode: number, records: readonly AnswerRecord[], limit: number): Uint8Array {
  const start = query.questions[0]?.end ?? HEADER_BYTES;
  const rest = query.edns === undefined ? 0 : OPT_BYTES;
  let size = start + rest;
  let count = 0;
  for (const { data } of records) {
    if (size + 12 + data.length > limit) break;
    size += 12 + data.length;
    count++;
  }
  const bytes = new Uint8Array(size);
  bytes.set(query.bytes.subarray(0, start));
  const view = new DataView(bytes.buffer);
  const kept = query.flags & (FLAG.RD | FLAG.CD | 0x7800);
  view.setUint16(2, FLAG.QR | FLAG.RA | kept | (count < records.length ? FLAG.TC : 0) | (rcode & 15));
  view.setUint16(4, query.questions.length);
  view.setUint16(6, count);
  view.setUint16(8, 0);
  view.setUint16(10, rest === 0 ? 0 : 1);
  let at = start;
  for (const { type, data } of records.slice(0, count)) {
    view.setUint16(at, 0xc000 | HEADER_BYTES);
    view.setUint16(at + 2, type);
    view.setUint16(at + 4, CLASS_IN);
    view.setUint32(at + 6, TTL);
    view.setUint16(at + 10, data.length);
    bytes.set(data, at + 12);
    at += 12 + data.length;
  }
  if (rest !== 0) {
    view.setUint16(at + 1, TYPE.OPT);
    view.setUint16(at + 3, MAX_UDP_BYTES);
    view.setUint32(at + 5, (rcode >> 4) * 0x1000000);
  }
  return bytes;
}
