/** A frame as WebSocket clients send it. */
export function maskedFrame(opcode: number, text: string): Buffer {
  const mask = [0x11, 0x22, 0x33, 0x44];
  const plain = Buffer.from(text);
  const head =
    plain.length < 126
      ? [0x80 | opcode, 0x80 | plain.length]
      : [0x80 | opcode, 0x80 | 126, plain.length >> 8, plain.length & 0xff];
  return Buffer.from([...head, ...mask, ...plain.map((byte, i) => byte ^ (mask[i & 3] ?? 0))]);
}
