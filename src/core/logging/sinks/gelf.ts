/**
 * GELF 1.1: a JSON object a message. Over TCP it ends with a NUL, which JSON never holds; over UDP it is compressed and, where it
 * does not fit, cut into chunks:
 *
 *     0x1e 0x0f | message id, 8 bytes | index | count | data
 */
import { randomBytes } from "node:crypto";
import { constants, deflateSync, gzipSync } from "node:zlib";
import type { LogRecord } from "../forward/records.ts";
import type { GelfTarget } from "../remote-log.ts";
import type { Encoder } from "./encoder.ts";

const LEVEL_ERROR = 3;
const LEVEL_INFO = 6;
/** Go-gelf's: a chunk fits into an Ethernet frame. */
const CHUNK_BYTES = 1420;
const CHUNK_HEAD_BYTES = 12;
const CHUNKS_MAX = 128;

export function gelfEncoder(target: GelfTarget): Encoder {
  const extra = Object.fromEntries(target.fields);
  const form = (record: LogRecord): string => message(target.hostname, record, extra);
  const worded = (records: readonly LogRecord[]): readonly LogRecord[] =>
    records.filter(({ text }) => text.length > 0);
  if (target.endpoint.kind === "udp")
    return {
      kind: "datagrams",
      byDescriptor: false,
      encode: (records) =>
        worded(records).flatMap(
          (record) =>
            chunksOf(compressed(target, form(record))) ??
            // Fields that fill all the chunks there may be are left out before the text is.
            chunksOf(compressed(target, message(target.hostname, record, shortFields(target)))) ??
            [],
        ),
    };
  return {
    kind: "stream",
    isAcknowledged: false,
    encode: (records) => ({
      bytes: Buffer.from(
        worded(records)
          .map((record) => `${form(record)}\0`)
          .join(""),
      ),
      ack: undefined,
    }),
  };
}

function message(hostname: string, record: LogRecord, extra: Readonly<Record<string, string>>): string {
  return JSON.stringify({
    ...extra,
    version: "1.1",
    host: hostname,
    short_message: record.text.toString("utf8"),
    timestamp: Number(`${record.seconds}.${String(Math.trunc(record.nanos / 1e6)).padStart(3, "0")}`),
    level: record.stream === 2 ? LEVEL_ERROR : LEVEL_INFO,
  });
}

function compressed({ compression, level }: GelfTarget, text: string): Buffer {
  const options = { level: level === -1 ? constants.Z_DEFAULT_COMPRESSION : level };
  switch (compression) {
    case "gzip":
      return gzipSync(text, options);
    case "zlib":
      return deflateSync(text, options);
    case "none":
      return Buffer.from(text);
  }
}

function shortFields({ containerId, containerName }: GelfTarget): Readonly<Record<string, string>> {
  return { _container_id: containerId, _container_name: containerName };
}

/** Undefined for a message that has no place in the most chunks there may be: with nothing but its text each has. */
function chunksOf(bytes: Buffer): readonly Buffer[] | undefined {
  if (bytes.length <= CHUNK_BYTES) return [bytes];
  const room = CHUNK_BYTES - CHUNK_HEAD_BYTES;
  const count = Math.ceil(bytes.length / room);
  if (count > CHUNKS_MAX) return undefined;
  const id = randomBytes(8);
  return Array.from({ length: count }, (_, index) =>
    Buffer.concat([
      Buffer.of(0x1e, 0x0f),
      id,
      Buffer.of(index, count),
      bytes.subarray(index * room, (index + 1) * room),
    ]),
  );
}
