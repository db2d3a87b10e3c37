/** Logs of writes, made by hand. */

export interface TestEntry {
  readonly sector: number;
  readonly bytes?: Buffer;
  /** Without bytes. */
  readonly sectors?: number;
  readonly flags?: number;
}

export function logOf(...entries: readonly TestEntry[]): Buffer {
  return Buffer.concat([
    superBlock(512),
    ...entries.flatMap((each) => [entry(each, 512), each.bytes ?? Buffer.alloc(0)]),
  ]);
}

/** The number of entries is 0, as it is until the first flush. */
export function superBlock(sectorBytes: number): Buffer {
  const block = Buffer.alloc(Math.max(512, sectorBytes));
  block.writeBigUInt64LE(0x6a736677736872n, 0);
  block.writeBigUInt64LE(1n, 8);
  block.writeUInt32LE(sectorBytes, 24);
  return block;
}

export function entry({ sector, bytes, sectors = 0, flags = 0 }: TestEntry, sectorBytes: number): Buffer {
  const header = Buffer.alloc(sectorBytes);
  header.writeBigUInt64LE(BigInt(sector), 0);
  header.writeBigUInt64LE(BigInt(bytes === undefined ? sectors : bytes.length / sectorBytes), 8);
  header.writeBigUInt64LE(BigInt(flags), 16);
  return header;
}
