/** Interpreters for the programs we make: classic BPF as seccomp runs it, and the little of eBPF that device rules use. */

export interface SeccompData {
  readonly number: number;
  readonly architecture: number;
  readonly args: readonly bigint[];
}

/** Runs a filter as the kernel does, with its checks. Returns the 32-bit answer and the number of steps. */
export function runSeccomp(
  filter: Uint8Array,
  data: SeccompData,
): { readonly ret: number; readonly steps: number } {
  const view = new DataView(filter.buffer, filter.byteOffset, filter.byteLength);
  const memory = Buffer.alloc(64);
  memory.writeUInt32LE(data.number >>> 0, 0);
  memory.writeUInt32LE(data.architecture >>> 0, 4);
  data.args.forEach((arg, i) => memory.writeBigUInt64LE(arg, 16 + 8 * i));
  const count = filter.byteLength / 8;
  let a = 0;
  let steps = 0;
  for (let pc = 0; pc < count; pc++) {
    steps++;
    const code = view.getUint16(pc * 8, true);
    const jt = view.getUint8(pc * 8 + 2);
    const jf = view.getUint8(pc * 8 + 3);
    const k = view.getUint32(pc * 8 + 4, true);
    switch (code) {
      case 0x20:
        if (k % 4 !== 0 || k > 60) throw new Error(`load from ${k}`);
        a = memory.readUInt32LE(k);
        break;
      case 0x54:
        a = (a & k) >>> 0;
        break;
      case 0x05:
        pc += k;
        break;
      case 0x15:
        pc += a === k ? jt : jf;
        break;
      case 0x25:
        pc += a > k ? jt : jf;
        break;
      case 0x35:
        pc += a >= k ? jt : jf;
        break;
      case 0x06:
        return { ret: k, steps };
      default:
        throw new Error(`unknown instruction ${code.toString(16)}`);
    }
  }
  throw new Error("fell off the end of the filter");
}

/** Runs a CGROUP_DEVICE program: whether it allows the access. */
export function runDeviceProgram(
  insns: Uint8Array,
  context: { readonly type: number; readonly access: number; readonly major: number; readonly minor: number },
): boolean {
  const view = new DataView(insns.buffer, insns.byteOffset, insns.byteLength);
  const words = [(context.access << 16) | context.type, context.major, context.minor];
  const registers = Array.from({ length: 11 }, () => 0);
  const read = (register: number): number => registers[register] ?? 0;
  for (let pc = 0; pc < insns.byteLength / 8; pc++) {
    const code = view.getUint8(pc * 8);
    const dst = view.getUint8(pc * 8 + 1) & 15;
    const src = view.getUint8(pc * 8 + 1) >> 4;
    const offset = view.getInt16(pc * 8 + 2, true);
    const imm = view.getInt32(pc * 8 + 4, true);
    switch (code) {
      case 0x61:
        if (src !== 1) throw new Error("load from elsewhere than the context");
        registers[dst] = words[offset / 4] ?? Number.NaN;
        break;
      case 0xbf:
        registers[dst] = read(src);
        break;
      case 0xb7:
        registers[dst] = imm;
        break;
      case 0x57:
        registers[dst] = read(dst) & imm;
        break;
      case 0x77:
        registers[dst] = read(dst) >>> imm;
        break;
      case 0x15:
        if (read(dst) === imm) pc += offset;
        break;
      case 0x55:
        if (read(dst) !== imm) pc += offset;
        break;
      case 0x95:
        return read(0) === 1;
      default:
        throw new Error(`unknown instruction ${code.toString(16)}`);
    }
  }
  throw new Error("fell off the end of the program");
}
