/** MessagePack, as far as fluentd's forward protocol needs it: writing arrays, maps, texts, numbers; reading an answer. */
import { fail } from "../../../base/errors.ts";

/** Bytes are written as a text, whatever they are: that is what fluentd expects of a log line. */
export type Packable =
  | string
  | Buffer
  | number
  | readonly Packable[]
  | ReadonlyMap<string, Packable>
  | { readonly eventTime: readonly [seconds: number, nanos: number] };

const EVENT_TIME_TYPE = 0;

export function pack(value: Packable): Buffer {
  const parts: Buffer[] = [];
  put(parts, value);
  return Buffer.concat(parts);
}

function put(parts: Buffer[], value: Packable): void {
  if (typeof value === "string") putText(parts, Buffer.from(value));
  else if (typeof value === "number") parts.push(unsigned(value));
  else if (Buffer.isBuffer(value)) putText(parts, value);
  else if (isMap(value)) {
    parts.push(head(value.size, { fix: 0x80, fixMax: 15, u8: undefined, u16: 0xde, u32: 0xdf }));
    for (const [key, entry] of value) {
      putText(parts, Buffer.from(key));
      put(parts, entry);
    }
  } else if (isList(value)) {
    parts.push(head(value.length, { fix: 0x90, fixMax: 15, u8: undefined, u16: 0xdc, u32: 0xdd }));
    for (const entry of value) put(parts, entry);
  } else parts.push(eventTime(value.eventTime));
}

function isMap(value: Packable): value is ReadonlyMap<string, Packable> {
  return value instanceof Map;
}

function isList(value: Packable): value is readonly Packable[] {
  return Array.isArray(value);
}

function putText(parts: Buffer[], bytes: Buffer): void {
  parts.push(head(bytes.length, { fix: 0xa0, fixMax: 31, u8: 0xd9, u16: 0xda, u32: 0xdb }), bytes);
}

interface Heads {
  readonly fix: number;
  readonly fixMax: number;
  readonly u8: number | undefined;
  readonly u16: number;
  readonly u32: number;
}

function head(count: number, { fix, fixMax, u8, u16, u32 }: Heads): Buffer {
  if (count <= fixMax) return Buffer.of(fix | count);
  if (u8 !== undefined && count <= 0xff) return Buffer.of(u8, count);
  const bytes = Buffer.alloc(count <= 0xffff ? 3 : 5);
  bytes[0] = count <= 0xffff ? u16 : u32;
  if (count <= 0xffff) bytes.writeUInt16BE(count, 1);
  else bytes.writeUInt32BE(count, 1);
  return bytes;
}

function unsigned(value: number): Buffer {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff)
    throw fail("internal", `cannot pack the number ${value}`);
  if (value < 0x80) return Buffer.of(value);
  const bytes = Buffer.alloc(5);
  bytes[0] = 0xce;
  bytes.writeUInt32BE(value, 1);
  return bytes;
}

/** Fluentd's own type: seconds and nanoseconds, 32 bits each. */
function eventTime([seconds, nanos]: readonly [number, number]): Buffer {
  const bytes = Buffer.alloc(10);
  bytes[0] = 0xd7;
  bytes[1] = EVENT_TIME_TYPE;
  bytes.writeUInt32BE(seconds >>> 0, 2);
  bytes.writeUInt32BE(nanos, 6);
  return bytes;
}

/** What a map of short texts at the start of `bytes` says of `key`; undefined = not all has come yet. Throws `unavailable` for anything else. */
export function readAnswer(bytes: Buffer, key: string): string | undefined {
  const count = bytes[0];
  if (count === undefined) return undefined;
  if ((count & 0xf0) !== 0x80) throw fail("unavailable", "the sink's answer is not an acknowledgement");
  let at = 1;
  let found: string | undefined;
  for (let i = 0; i < (count & 0x0f) * 2; i += 2) {
    const name = readText(bytes, at);
    const value = name === undefined ? undefined : readText(bytes, name.end);
    if (name === undefined || value === undefined) return undefined;
    if (name.text === key) found = value.text;
    at = value.end;
  }
  if (found === undefined) throw fail("unavailable", `the sink's answer has no "${key}"`);
  return found;
}

function readText(bytes: Buffer, at: number): { readonly text: string; readonly end: number } | undefined {
  const kind = bytes[at];
  if (kind === undefined) return undefined;
  const isFixed = (kind & 0xe0) === 0xa0;
  if (!isFixed && kind !== 0xd9) throw fail("unavailable", "the sink's answer is not an acknowledgement");
  const length = isFixed ? kind & 0x1f : bytes[at + 1];
  if (length === undefined) return undefined;
  const begin = at + (isFixed ? 1 : 2);
  const end = begin + length;
  return end > bytes.length ? undefined : { text: bytes.toString("utf8", begin, end), end };
}
