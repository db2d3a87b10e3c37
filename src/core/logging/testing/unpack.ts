/** MessagePack, read by its specification: texts as bytes, maps as Map, extension types as they are. */
export function unpack(bytes: Buffer): readonly [value: unknown, rest: Buffer] {
  const kind = bytes[0];
  if (kind === undefined) throw new Error("nothing to unpack");
  if (kind < 0x80) return [kind, bytes.subarray(1)];
  if (kind < 0x90) return map(kind & 0x0f, bytes.subarray(1));
  if (kind < 0xa0) return list(kind & 0x0f, bytes.subarray(1));
  if (kind < 0xc0) return text(kind & 0x1f, bytes.subarray(1));
  switch (kind) {
    case 0xce:
      return [bytes.readUInt32BE(1), bytes.subarray(5)];
    case 0xd7:
      return [{ type: bytes.readInt8(1), bytes: bytes.subarray(2, 10) }, bytes.subarray(10)];
    case 0xd9:
      return text(bytes.readUInt8(1), bytes.subarray(2));
    case 0xda:
      return text(bytes.readUInt16BE(1), bytes.subarray(3));
    case 0xdb:
      return text(bytes.readUInt32BE(1), bytes.subarray(5));
    case 0xdc:
      return list(bytes.readUInt16BE(1), bytes.subarray(3));
    case 0xdd:
      return list(bytes.readUInt32BE(1), bytes.subarray(5));
    case 0xde:
      return map(bytes.readUInt16BE(1), bytes.subarray(3));
    case 0xdf:
      return map(bytes.readUInt32BE(1), bytes.subarray(5));
    default:
      throw new Error(`MessagePack kind 0x${kind.toString(16)}`);
  }
}

function text(length: number, bytes: Buffer): readonly [Buffer, Buffer] {
  if (bytes.length < length) throw new Error("a text is cut short");
  return [bytes.subarray(0, length), bytes.subarray(length)];
}

function list(count: number, bytes: Buffer): readonly [unknown[], Buffer] {
  const values: unknown[] = [];
  let rest = bytes;
  for (let i = 0; i < count; i++) {
    const [value, after] = unpack(rest);
    values.push(value);
    rest = after;
  }
  return [values, rest];
}

function map(count: number, bytes: Buffer): readonly [Map<string, unknown>, Buffer] {
  const [flat, rest] = list(count * 2, bytes);
  const values = new Map<string, unknown>();
  for (let i = 0; i < flat.length; i += 2) {
    const key = String(flat[i]);
    if (values.has(key)) throw new Error(`"${key}" is there twice`);
    values.set(key, flat[i + 1]);
  }
  return [values, rest];
}
