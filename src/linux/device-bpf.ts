/**
 * Device rules as an eBPF program of type CGROUP_DEVICE, which cgroup v2 has instead of a devices controller.
 *
 * The kernel calls it with struct bpf_cgroup_dev_ctx { u32 access << 16 | type; u32 major; u32 minor } and takes 0 for
 * no. Each bit of the access is decided by the last rule that fits: so the rules are tried backwards, an allowing one
 * takes its bits off those still wanted (yes, when none is left), a denying one says no to any of them.
 * include/uapi/linux/bpf.h; bpf_prog_array in kernel/bpf/cgroup.c
 *
 * It is attached once, to a cgroup that nobody is in yet, and stays for life: no update changes device rules (runc's
 * leaves them, too), so no program is ever replaced and there is no moment without one.
 */
import type { DeviceRule } from "./device-rules.ts";

export const DEVCG = { mknod: 1, read: 2, write: 4, block: 1, char: 2 } as const;

const OP = {
  loadWord: 0x61,
  moveReg: 0xbf,
  moveImm: 0xb7,
  andImm: 0x57,
  shiftRightImm: 0x77,
  jumpIfEqual: 0x15,
  jumpIfNot: 0x55,
  exit: 0x95,
} as const;

/** r0 answer, r1 context, r2 type, r3 access still wanted, r4 major, r5 minor */
interface Insn {
  readonly op: number;
  readonly dst?: number;
  readonly src?: number;
  readonly offset?: number;
  readonly imm?: number;
}

/** struct bpf_insn[] */
export function compileDeviceProgram(rules: readonly DeviceRule[]): Uint8Array {
  const program: Insn[] = [
    { op: OP.loadWord, dst: 2, src: 1, offset: 0 },
    { op: OP.moveReg, dst: 3, src: 2 },
    { op: OP.andImm, dst: 2, imm: 0xffff },
    { op: OP.shiftRightImm, dst: 3, imm: 16 },
    { op: OP.loadWord, dst: 4, src: 1, offset: 4 },
    { op: OP.loadWord, dst: 5, src: 1, offset: 8 },
    ...rules.toReversed().flatMap(ruleBlock),
    ...answer(false),
  ];
  return encode(program);
}

function answer(yes: boolean): Insn[] {
  return [{ op: OP.moveImm, dst: 0, imm: yes ? 1 : 0 }, { op: OP.exit }];
}

function ruleBlock(rule: DeviceRule): Insn[] {
  const bits = accessBits(rule.access);
  const all = DEVCG.mknod | DEVCG.read | DEVCG.write;
  const verdict = rule.allow
    ? [
        { op: OP.andImm, dst: 3, imm: all & ~bits },
        { op: OP.jumpIfNot, dst: 3, imm: 0, offset: 2 },
        ...answer(true),
      ]
    : [
        { op: OP.moveReg, dst: 0, src: 3 },
        { op: OP.andImm, dst: 0, imm: bits },
        { op: OP.jumpIfEqual, dst: 0, imm: 0, offset: 2 },
        ...answer(false),
      ];
  const type = rule.type === "a" ? undefined : rule.type === "c" ? DEVCG.char : DEVCG.block;
  const wanted = [
    { dst: 2, imm: type },
    { dst: 4, imm: rule.major },
    { dst: 5, imm: rule.minor },
  ].flatMap(({ dst, imm }) => (imm === undefined ? [] : [{ dst, imm }]));
  const conditions = wanted.map(({ dst, imm }, i) => ({
    op: OP.jumpIfNot,
    dst,
    imm,
    offset: wanted.length - 1 - i + verdict.length,
  }));
  return [...conditions, ...verdict];
}

function accessBits(access: string): number {
  return (
    (access.includes("m") ? DEVCG.mknod : 0) |
    (access.includes("r") ? DEVCG.read : 0) |
    (access.includes("w") ? DEVCG.write : 0)
  );
}

function encode(program: readonly Insn[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(({ op, dst = 0, src = 0, offset = 0, imm = 0 }, i) => {
    bytes.writeUInt8(op, i * 8);
    bytes.writeUInt8(dst | (src << 4), i * 8 + 1);
    bytes.writeInt16LE(offset, i * 8 + 2);
    bytes.writeInt32LE(imm | 0, i * 8 + 4);
  });
  return bytes;
}
