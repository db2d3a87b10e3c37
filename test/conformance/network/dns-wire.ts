/** As much of RFC 1035 as a test needs to ask and to answer; on purpose not the product's own code. */

export const TYPES: Readonly<Record<string, number>> = { A: 1, PTR: 12, MX: 15, TXT: 16, AAAA: 28, ANY: 255 };
export const RCODES: readonly string[] = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];
const OPT = 41;
const HEADER = 12;

export interface Asked {
  readonly id: number;
  readonly name: string;
  readonly type: number;
  /** What the client can take, if it says so. */
  readonly udpBytes: number | undefined;
  readonly question: Buffer;
}

export interface AnswerText {
  readonly rcode: string;
  /** "A 192.0.2.1", in the message's order. */
  readonly records: readonly string[];
  readonly ttls: readonly number[];
  readonly flags: readonly string[];
}

function wireName(name: string): Buffer {
  const labels = name.split(".").filter((label) => label !== "");
  return Buffer.concat([
    ...labels.flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]),
    Buffer.of(0),
  ]);
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [index, value] of values.entries()) bytes.writeUInt16BE(value, index * 2);
  return bytes;
}

export function query(id: number, name: string, type: number, udpBytes?: number): Buffer {
  const opt = udpBytes === undefined ? [] : [Buffer.of(0), words(OPT, udpBytes, 0, 0, 0)];
  return Buffer.concat([
    words(id, 0x0100, 1, 0, 0, opt.length > 0 ? 1 : 0),
    wireName(name),
    words(type, 1),
    ...opt,
  ]);
}

/** Follows pointers; the offset is that behind the name where it stands. */
function readName(bytes: Buffer, start: number): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let end: number | undefined;
  for (let at = start, steps = 0; steps < 128; steps++) {
    const length = bytes.readUInt8(at);
    if (length === 0) return { name: labels.join("."), end: end ?? at + 1 };
    if (length >= 0xc0) {
      end ??= at + 2;
      at = bytes.readUInt16BE(at) & 0x3fff;
      continue;
    }
    labels.push(bytes.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  throw new Error("a name without an end");
}

export function readQuery(bytes: Buffer): Asked {
  const { name, end } = readName(bytes, HEADER);
  const hasOpt = bytes.readUInt16BE(10) > 0 && bytes.readUInt16BE(end + 5) === OPT;
  return {
    id: bytes.readUInt16BE(0),
    name: name.toLowerCase(),
    type: bytes.readUInt16BE(end),
    udpBytes: hasOpt ? bytes.readUInt16BE(end + 7) : undefined,
    question: bytes.subarray(HEADER, end + 4),
  };
}

/** `flags` besides "this is an answer, and recursion was to be had". */
export function answer(asked: Asked, rcode: number, data: readonly Buffer[], flags = 0): Buffer {
  const records = data.map((bytes) =>
    Buffer.concat([words(0xc00c, asked.type, 1, 0, 60, bytes.length), bytes]),
  );
  return Buffer.concat([
    words(asked.id, 0x8180 | flags | rcode, 1, records.length, 0, 0),
    asked.question,
    ...records,
  ]);
}

export function readAnswer(bytes: Buffer): AnswerText {
  const word = bytes.readUInt16BE(2);
  let at = HEADER;
  for (let left = bytes.readUInt16BE(4); left > 0; left--) at = readName(bytes, at).end + 4;
  const records: string[] = [];
  const ttls: number[] = [];
  for (let left = bytes.readUInt16BE(6); left > 0; left--) {
    at = readName(bytes, at).end;
    const [type, length] = [bytes.readUInt16BE(at), bytes.readUInt16BE(at + 8)];
    ttls.push(bytes.readUInt32BE(at + 4));
    records.push(recordText(bytes, type, at + 10, length));
    at += 10 + length;
  }
  const flags = [...((word & 0x0400) === 0 ? [] : ["aa"]), ...((word & 0x0200) === 0 ? [] : ["tc"])];
  return { rcode: RCODES[word & 15] ?? String(word & 15), records, ttls, flags };
}

function recordText(bytes: Buffer, type: number, at: number, length: number): string {
  const data = bytes.subarray(at, at + length);
  if (type === TYPES["A"]) return `A ${[...data].join(".")}`;
  if (type === TYPES["AAAA"]) return `AAAA ${data.toString("hex").replaceAll(/(....)(?!$)/g, "$1:")}`;
  if (type === TYPES["PTR"]) return `PTR ${readName(bytes, at).name}`;
  if (type === TYPES["TXT"]) return `TXT ${data.toString("latin1", 1)}`;
  return `type ${type}`;
}
