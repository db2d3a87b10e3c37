/**
 * Entries in the journal's native protocol: one datagram each, a field a line. A value with a newline has its length instead:
 *
 *     NAME=value\n        NAME\n | u64 little-endian | value | \n
 *
 * (systemd's JOURNAL_NATIVE_PROTOCOL.) A container's text has its length always: nothing in it is looked at.
 */
import { timeText } from "../entry-time.ts";
import type { LogRecord } from "../forward/records.ts";
import type { JournaldTarget } from "../remote-log.ts";
import type { Encoder } from "./encoder.ts";

const PRIORITY_ERROR = 3;
const PRIORITY_INFO = 6;

export function journaldEncoder(target: JournaldTarget): Encoder {
  const constant = Buffer.concat([...target.fields].map(([name, value]) => field(name, value)));
  return {
    kind: "datagrams",
    byDescriptor: true,
    encode: (records) => records.map((record) => entry(record, constant)),
  };
}

function entry(record: LogRecord, constant: Buffer): Buffer {
  const { stream, seconds, nanos, text, part } = record;
  const fields = [
    counted("MESSAGE", text),
    field("PRIORITY", String(stream === 2 ? PRIORITY_ERROR : PRIORITY_INFO)),
    constant,
    field("SYSLOG_TIMESTAMP", timeText({ seconds, nanos })),
  ];
  if (part !== undefined) {
    fields.push(
      field("CONTAINER_PARTIAL_ID", part.id),
      field("CONTAINER_PARTIAL_ORDINAL", String(part.ordinal)),
      field("CONTAINER_PARTIAL_LAST", String(part.isLast)),
    );
    if (!part.isLast) fields.push(field("CONTAINER_PARTIAL_MESSAGE", "true"));
  }
  return Buffer.concat(fields);
}

function field(name: string, value: string): Buffer {
  return value.includes("\n") ? counted(name, Buffer.from(value)) : Buffer.from(`${name}=${value}\n`);
}

function counted(name: string, value: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(value.length));
  return Buffer.concat([Buffer.from(`${name}\n`), length, value, Buffer.from("\n")]);
}
