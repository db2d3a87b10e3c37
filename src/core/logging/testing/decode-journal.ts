/** The journal's native protocol, read as systemd does. */
export function decodeJournalEntry(bytes: Buffer): ReadonlyMap<string, Buffer> {
  const fields = new Map<string, Buffer>();
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0x0a, at);
    if (end < 0) throw new Error("a field without an end");
    const line = bytes.subarray(at, end);
    const equals = line.indexOf(0x3d);
    const name = line.toString("latin1", 0, equals < 0 ? line.length : equals);
    if (fields.has(name)) throw new Error(`"${name}" is there twice`);
    if (equals >= 0) {
      fields.set(name, line.subarray(equals + 1));
      at = end + 1;
    } else {
      const length = Number(bytes.readBigUInt64LE(end + 1));
      const begin = end + 9;
      if (bytes[begin + length] !== 0x0a) throw new Error(`"${name}" does not end with a newline`);
      fields.set(name, bytes.subarray(begin, begin + length));
      at = begin + length + 1;
    }
  }
  return fields;
}
