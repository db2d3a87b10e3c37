/** DNS messages, read (RFC 1035 §4, RFC 6891). Everything is checked against the message's own length before it is used. */
import { FormatError, HEADER_BYTES, readName } from "./wire-name.ts";

export const TYPE = { A: 1, PTR: 12, AAAA: 28, OPT: 41, IXFR: 251, AXFR: 252, ANY: 255 } as const;
export const CLASS_IN = 1;
export const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;

/** The bits of the second 16-bit word of a header. */
export const FLAG = { QR: 0x8000, AA: 0x0400, TC: 0x0200, RD: 0x0100, RA: 0x0080, CD: 0x0010 } as const;

export const MAX_MESSAGE_BYTES = 65_535;
/** No message has more; a name and the fixed part take eleven bytes at least. */
const MAX_RECORDS = 4096;

export interface Question {
  /** Lower case, without the final dot. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** Where it ends: up to here the message can be repeated as it is. */
  readonly end: number;
}

export interface ResourceRecord {
  readonly name: string;
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  /** A view into the message. */
  readonly data: Uint8Array;
}

export interface Edns {
  readonly udpBytes: number;
  readonly version: number;
  /** Where in the message `udpBytes` stands. */
  readonly udpBytesAt: number;
}

export interface Message {
  readonly bytes: Uint8Array;
  readonly id: number;
  readonly flags: number;
  readonly opcode: number;
  readonly rcode: number;
  readonly questions: readonly Question[];
  readonly answers: readonly ResourceRecord[];
  readonly authorities: readonly ResourceRecord[];
  readonly additionals: readonly ResourceRecord[];
  readonly edns: Edns | undefined;
}

/** Throws FormatError, also for bytes behind the end. The message keeps `bytes`. */
export function readMessage(bytes: Uint8Array): Message {
  if (bytes.length < HEADER_BYTES) throw new FormatError("it is shorter than a header");
  if (bytes.length > MAX_MESSAGE_BYTES) throw new FormatError("it is too long");
  const flags = u16(bytes, 2);
  const counts = [u16(bytes, 6), u16(bytes, 8), u16(bytes, 10)] as const;
  if (counts[0] + counts[1] + counts[2] > MAX_RECORDS) throw new FormatError("it has too many records");
  const questions = readQuestions(bytes, u16(bytes, 4));
  const cursor = { at: questions.at(-1)?.end ?? HEADER_BYTES };
  const answers = readRecords(bytes, cursor, counts[0]);
  const authorities = readRecords(bytes, cursor, counts[1]);
  const additionals = readRecords(bytes, cursor, counts[2]);
  if (cursor.at !== bytes.length) throw new FormatError("it goes on behind its end");
  return {
    bytes,
    id: u16(bytes, 0),
    flags,
    opcode: (flags >> 11) & 15,
    rcode: flags & 15,
    questions,
    answers,
    authorities,
    additionals,
    edns: ednsOf(additionals, bytes),
  };
}

function readQuestions(bytes: Uint8Array, count: number): Question[] {
  // Nobody asks for two things at once; more of them are only work.
  if (count > 1) throw new FormatError("it has more than one question");
  if (count === 0) return [];
  const name = readName(bytes, HEADER_BYTES);
  const end = name.end + 4;
  if (end > bytes.length) throw new FormatError("it ends inside the question");
  return [{ name: name.text, type: u16(bytes, name.end), class: u16(bytes, name.end + 2), end }];
}

function readRecords(bytes: Uint8Array, cursor: { at: number }, count: number): ResourceRecord[] {
  const records: ResourceRecord[] = [];
  for (let i = 0; i < count; i++) {
    const name = readName(bytes, cursor.at);
    const at = name.end;
    if (at + 10 > bytes.length) throw new FormatError("it ends inside a record");
    const end = at + 10 + u16(bytes, at + 8);
    if (end > bytes.length) throw new FormatError("a record's data ends beyond the message");
    records.push({
      name: name.text,
      type: u16(bytes, at),
      class: u16(bytes, at + 2),
      ttl: u16(bytes, at + 4) * 65_536 + u16(bytes, at + 6),
      data: bytes.subarray(at + 10, end),
    });
    cursor.at = end;
  }
  return records;
}

/** RFC 6891 §6.1.1: one at most, and its owner is the root. */
function ednsOf(additionals: readonly ResourceRecord[], bytes: Uint8Array): Edns | undefined {
  let edns: Edns | undefined;
  for (const record of additionals) {
    if (record.type !== TYPE.OPT) continue;
    if (edns !== undefined || record.name !== "") throw new FormatError("its OPT record is out of place");
    edns = {
      udpBytes: record.class,
      version: Math.trunc(record.ttl / 65_536) & 255,
      udpBytesAt: record.data.byteOffset - bytes.byteOffset - 8,
    };
  }
  return edns;
}

function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}
