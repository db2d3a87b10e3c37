/** Messages as a client or a server of the outside would send them, also wrong ones. */
import { CLASS_IN, FLAG, TYPE } from "../message.ts";
import { nameBytes } from "../wire-name.ts";

export interface TestQuery {
  readonly id?: number;
  readonly name?: string;
  readonly type?: number;
  readonly class?: number;
  readonly flags?: number;
  /** Adds an OPT record that says so. */
  readonly udpBytes?: number;
  readonly ednsVersion?: number;
  readonly isDnssecOk?: boolean;
}

function u16(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [at, value] of values.entries()) bytes.writeUInt16BE(value, at * 2);
  return bytes;
}

export function wire(name: string): Uint8Array {
  const bytes = nameBytes(name);
  if (bytes === undefined) throw new Error(`"${name}" is no name`);
  return bytes;
}

export function queryBytes(query: TestQuery = {}): Buffer {
  const { id = 0x1234, name = "web", type = TYPE.A, flags = FLAG.RD, udpBytes } = query;
  const opt =
    udpBytes === undefined
      ? Buffer.alloc(0)
      : Buffer.concat([
          Buffer.from([0]),
          u16(TYPE.OPT, udpBytes, query.ednsVersion ?? 0, query.isDnssecOk === true ? 0x8000 : 0, 0),
        ]);
  return Buffer.concat([
    u16(id, flags, 1, 0, 0, udpBytes === undefined ? 0 : 1),
    wire(name),
    u16(type, query.class ?? CLASS_IN),
    opt,
  ]);
}

export interface TestRecord {
  readonly type: number;
  readonly data: Uint8Array;
}

/** What a server answers to `query`: the question repeated, and records of that name. */
export function responseBytes(
  query: Uint8Array,
  records: readonly TestRecord[],
  { flags = FLAG.QR | FLAG.RD | FLAG.RA, udpBytes }: { flags?: number; udpBytes?: number } = {},
): Buffer {
  const head = Buffer.from(query);
  const hasOpt = head.readUInt16BE(10) === 1;
  const question = head.subarray(12, hasOpt ? head.length - 11 : head.length);
  const opt =
    udpBytes === undefined
      ? Buffer.alloc(0)
      : Buffer.concat([Buffer.from([0]), u16(TYPE.OPT, udpBytes, 0, 0, 0)]);
  return Buffer.concat([
    head.subarray(0, 2),
    u16(flags, 1, records.length, 0, udpBytes === undefined ? 0 : 1),
    question,
    ...records.flatMap(({ type, data }) => [
      u16(0xc00c, type, CLASS_IN, 0, 60, data.length),
      Buffer.from(data),
    ]),
    opt,
  ]);
}
