/**
 * The init plan's wire format: the mirror of native/include/plan.h. One table drives both directions, and
 * plan-codec.test.ts compares it with the header, field by field.
 */
import { BinaryReader, BinaryWriter } from "../base/binary.ts";
import { fail } from "../base/errors.ts";
import type { IdKind, Plan, PlanOp, PlanOpKind } from "./plan.ts";

export const PLAN_MAGIC = 0x314c5047;
export const PLAN_HEADER_BYTES = 32;
export const PLAN_MAX_BYTES = 16 << 20;
export const PLAN_MAX_OPS = 65536;

export const PLAN_FLAGS = { join: 1 << 0, terminal: 1 << 1, hostPid: 1 << 2, foreign: 1 << 3 } as const;

export const OP_FLAGS = {
  mayMiss: 1 << 0,
  recursive: 1 << 1,
  idmapTree: 1 << 2,
  targetFile: 1 << 3,
  create: 1 << 4,
  targetMode: 1 << 5,
  copyUp: 1 << 6,
  lookup: 1 << 7,
  top: 1 << 8,
  inherit: 1 << 9,
  report: 1 << 10,
  images: 1 << 11,
  elsewhere: 1 << 12,
} as const;

export type OpFlag = keyof typeof OP_FLAGS;

export const ID_KINDS: readonly IdKind[] = ["none", "number", "name"];

/** How a field travels. `bool`, `char`, `i32` and `id` are u32 on the wire and something handier here. */
export type Wire = "u32" | "u64" | "str" | "strv" | "blob" | "bool" | "char" | "i32" | "id";

export type FieldValue = number | bigint | string | readonly string[] | Uint8Array | boolean;

/** The wires that can carry a field of type V, so that the table below cannot disagree with plan.ts. */
type WireOf<V> = [V] extends [boolean]
  ? "bool"
  : [V] extends [IdKind]
    ? "id"
    : [V] extends ["c" | "b" | "p"]
      ? "char"
      : [V] extends [string]
        ? "str"
        : [V] extends [bigint]
          ? "u64"
          : [V] extends [number]
            ? "u32" | "i32"
            : [V] extends [Uint8Array]
              ? "blob"
              : "strv";

interface Layout<Op> {
  readonly number: number;
  /** In the order of the wire. */
  readonly fields: { readonly [F in Exclude<keyof Op, "kind" | OpFlag>]: WireOf<Op[F]> };
  readonly flags: readonly Extract<keyof Op, OpFlag>[];
}

type Layouts = { readonly [K in PlanOpKind]: Layout<Extract<PlanOp, { readonly kind: K }>> };

const LAYOUTS: Layouts = {
  "cgroup-create": { number: 1, fields: { dir: "str" }, flags: ["inherit"] },
  "cgroup-write": { number: 2, fields: { file: "str", value: "str" }, flags: ["mayMiss"] },
  "cgroup-bpf": { number: 3, fields: { dir: "str", insns: "blob" }, flags: [] },
  "oom-file": { number: 4, fields: { file: "str" }, flags: ["mayMiss"] },
  "ns-path": { number: 5, fields: { cloneFlag: "u32", path: "str" }, flags: [] },
  userns: { number: 6, fields: { uidMap: "str", gidMap: "str" }, flags: [] },
  idmap: { number: 7, fields: { id: "u32", uidMap: "str", gidMap: "str" }, flags: [] },
  hook: {
    number: 8,
    fields: {
      stage: "u32",
      path: "str",
      argv: "strv",
      env: "strv",
      timeoutS: "u32",
      stateHead: "str",
      stateTail: "str",
    },
    flags: [],
  },
  netdev: { number: 9, fields: { name: "str", newName: "str" }, flags: [] },
  "cgroup-leave": { number: 10, fields: { file: "str" }, flags: [] },
  "cgroup-owner": { number: 11, fields: { dir: "str", uid: "u32", files: "strv" }, flags: [] },
  finally: { number: 12, fields: { argv: "strv", env: "strv", timeoutS: "u32" }, flags: [] },
  "cgroup-join": { number: 16, fields: { dir: "str", version: "u32" }, flags: [] },
  unshare: { number: 17, fields: { cloneFlags: "u32" }, flags: [] },
  "time-offsets": { number: 18, fields: { offsets: "str" }, flags: [] },
  affinity: { number: 19, fields: { mask: "blob" }, flags: [] },
  propagation: { number: 20, fields: { propagation: "u64" }, flags: [] },
  "root-overlay": {
    number: 21,
    fields: { lowers: "strv", upper: "str", work: "str", options: "strv", staging: "str", idmap: "u32" },
    flags: ["images"],
  },
  "root-bind": { number: 22, fields: { source: "str", staging: "str", idmap: "u32" }, flags: [] },
  mount: {
    number: 23,
    fields: {
      fstype: "str",
      source: "str",
      target: "str",
      options: "strv",
      attrs: "u64",
      propagation: "u64",
      dirMode: "u32",
      idmap: "u32",
    },
    flags: ["targetMode", "copyUp"],
  },
  bind: {
    number: 24,
    fields: {
      source: "str",
      target: "str",
      attrSet: "u64",
      attrClr: "u64",
      treeAttrSet: "u64",
      treeAttrClr: "u64",
      propagation: "u64",
      idmap: "u32",
      beneath: "str",
    },
    flags: ["recursive", "targetFile", "idmapTree", "elsewhere"],
  },
  device: {
    number: 25,
    fields: { path: "str", type: "char", major: "u32", minor: "u32", mode: "u32", uid: "u32", gid: "u32" },
    flags: [],
  },
  symlink: { number: 26, fields: { value: "str", path: "str" }, flags: [] },
  directory: { number: 27, fields: { path: "str", mode: "u32", uid: "u32", gid: "u32" }, flags: [] },
  mask: { number: 28, fields: { path: "str" }, flags: [] },
  readonly: { number: 29, fields: { path: "str" }, flags: ["top"] },
  console: { number: 30, fields: { rows: "u32", cols: "u32", uid: "u32" }, flags: [] },
  pivot: { number: 31, fields: { rootReadonly: "bool" }, flags: [] },
  "root-propagation": { number: 32, fields: { propagation: "u64" }, flags: [] },
  sysctl: { number: 40, fields: { key: "str", value: "str" }, flags: [] },
  hostname: { number: 41, fields: { name: "str" }, flags: [] },
  domainname: { number: 42, fields: { name: "str" }, flags: [] },
  "loopback-up": { number: 43, fields: {}, flags: [] },
  hooks: { number: 44, fields: { stage: "u32" }, flags: [] },
  rlimit: { number: 50, fields: { resource: "u32", soft: "u64", hard: "u64" }, flags: [] },
  "oom-score-adj": { number: 51, fields: { value: "i32" }, flags: ["mayMiss"] },
  umask: { number: 52, fields: { mask: "u32" }, flags: [] },
  keyring: { number: 53, fields: { name: "str" }, flags: [] },
  sync: { number: 54, fields: {}, flags: ["lookup"] },
  reaper: { number: 55, fields: {}, flags: [] },
  bounding: { number: 56, fields: { keepMask: "u64" }, flags: [] },
  identity: {
    number: 57,
    fields: {
      userKind: "id",
      uid: "u32",
      user: "str",
      groupKind: "id",
      gid: "u32",
      group: "str",
      addGroups: "strv",
      wantHome: "bool",
    },
    flags: ["report"],
  },
  caps: {
    number: 58,
    fields: { permitted: "u64", effective: "u64", inheritable: "u64", ambient: "u64" },
    flags: [],
  },
  cwd: { number: 59, fields: { path: "str" }, flags: ["create"] },
  "no-new-privs": { number: 60, fields: {}, flags: [] },
  seccomp: {
    number: 61,
    fields: { filterFlags: "u32", filter: "blob", listener: "str", stateParts: "strv" },
    flags: [],
  },
  exec: { number: 62, fields: { argv: "strv", env: "strv", searchPath: "str" }, flags: [] },
  personality: { number: 63, fields: { persona: "u32" }, flags: [] },
  scheduler: {
    number: 64,
    fields: {
      policy: "u32",
      schedFlags: "u64",
      nice: "i32",
      priority: "u32",
      runtime: "u64",
      deadline: "u64",
      period: "u64",
    },
    flags: [],
  },
  "io-priority": { number: 65, fields: { ioprio: "u32" }, flags: [] },
  label: { number: 66, fields: { module: "u32", label: "str" }, flags: [] },
  command: {
    number: 67,
    fields: { argv: "strv", env: "strv", timeoutS: "u32", pidFile: "str", consoleSocket: "str" },
    flags: [],
  },
  leave: { number: 68, fields: {}, flags: [] },
};

/** One row of the table in a form that code can walk. */
export interface OpLayout {
  readonly kind: string;
  readonly number: number;
  readonly fields: readonly (readonly [name: string, wire: Wire])[];
  readonly flags: readonly OpFlag[];
}

export const OP_LAYOUTS: readonly OpLayout[] = Object.entries(LAYOUTS).map(([kind, layout]) => ({
  kind,
  number: layout.number,
  fields: Object.entries<Wire>({ ...layout.fields }),
  flags: layout.flags,
}));

const BY_KIND: ReadonlyMap<string, OpLayout> = new Map(OP_LAYOUTS.map((layout) => [layout.kind, layout]));
const BY_NUMBER: ReadonlyMap<number, OpLayout> = new Map(OP_LAYOUTS.map((layout) => [layout.number, layout]));

/** Throws `invalid_argument` for text that C could not hold and for a plan that is too large. */
export function encodePlan(plan: Plan): Buffer {
  if (plan.ops.length > PLAN_MAX_OPS)
    throw fail(
      "invalid_argument",
      `a plan of ${plan.ops.length} steps is too long (at most ${PLAN_MAX_OPS})`,
    );
  const writer = new BinaryWriter();
  writer
    .u32(PLAN_MAGIC)
    .u32(0)
    .u32(plan.ops.length)
    .u32(plan.cloneFlags)
    .u32(planFlags(plan))
    .u32(0)
    .u32(0)
    .u32(0);
  for (const op of plan.ops) encodeOp(writer, op);
  if (writer.length > PLAN_MAX_BYTES)
    throw fail(
      "invalid_argument",
      `a plan of ${writer.length} bytes is too large (at most ${PLAN_MAX_BYTES})`,
    );
  writer.patchU32(4, writer.length);
  return writer.bytes();
}

function planFlags(plan: Plan): number {
  return (
    (plan.join ? PLAN_FLAGS.join : 0) |
    (plan.terminal ? PLAN_FLAGS.terminal : 0) |
    (plan.hostPid ? PLAN_FLAGS.hostPid : 0) |
    (plan.foreign === true ? PLAN_FLAGS.foreign : 0)
  );
}

function encodeOp(writer: BinaryWriter, op: PlanOp): void {
  const layout = BY_KIND.get(op.kind);
  if (layout === undefined) throw fail("internal", `unknown plan step "${op.kind}"`);
  let flags = 0;
  for (const flag of layout.flags) if (Reflect.get(op, flag) === true) flags |= OP_FLAGS[flag];
  writer.u16(layout.number).u16(flags);
  const sizeAt = writer.length;
  writer.u32(0);
  for (const [name, wire] of layout.fields) {
    const value: unknown = Reflect.get(op, name);
    if (!encodeField(writer, wire, value))
      throw fail("internal", `plan step "${op.kind}": field "${name}" is not a ${wire}`);
  }
  writer.patchU32(sizeAt, writer.length - sizeAt - 4);
}

function encodeField(writer: BinaryWriter, wire: Wire, value: unknown): boolean {
  switch (wire) {
    case "u32":
      if (!isIntegerIn(value, 0, 0xffffffff)) return false;
      writer.u32(value);
      return true;
    case "i32":
      if (!isIntegerIn(value, -0x80000000, 0x7fffffff)) return false;
      writer.u32(value);
      return true;
    case "u64":
      if (typeof value !== "bigint" || value < 0n || value >= 1n << 64n) return false;
      writer.u64(value);
      return true;
    case "bool":
      if (typeof value !== "boolean") return false;
      writer.u32(value ? 1 : 0);
      return true;
    case "char":
      if (typeof value !== "string" || value.length !== 1) return false;
      writer.u32(value.charCodeAt(0));
      return true;
    case "id": {
      const index = ID_KINDS.findIndex((kind) => kind === value);
      if (index >= 0) writer.u32(index);
      return index >= 0;
    }
    case "str":
      if (typeof value !== "string") return false;
      writer.str(value);
      return true;
    case "strv": {
      if (!Array.isArray(value)) return false;
      const items: unknown[] = value;
      if (!items.every((item) => typeof item === "string")) return false;
      writer.strv(items);
      return true;
    }
    case "blob":
      if (!(value instanceof Uint8Array)) return false;
      writer.blob(value);
      return true;
  }
}

function isIntegerIn(value: unknown, least: number, most: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= least && value <= most;
}

/** A plan as it was read from the wire, for printing and tests. */
export interface DecodedPlan {
  readonly cloneFlags: number;
  readonly join: boolean;
  readonly terminal: boolean;
  readonly hostPid: boolean;
  readonly foreign: boolean;
  readonly ops: readonly DecodedOp[];
}

export interface DecodedOp {
  readonly layout: OpLayout;
  readonly flags: readonly OpFlag[];
  readonly fields: ReadonlyMap<string, FieldValue>;
}

/** As strict as the C decoder: bytes too many or too few, or an unknown number, refuse the whole plan. */
export function decodePlan(bytes: Uint8Array): DecodedPlan {
  const reader = new BinaryReader(bytes);
  if (reader.u32() !== PLAN_MAGIC) throw fail("internal", "not an init plan");
  if (reader.u32() !== bytes.length) throw fail("internal", "an init plan of the wrong length");
  const count = reader.u32();
  const cloneFlags = reader.u32();
  const flags = reader.u32();
  for (let i = 0; i < 3; i++) if (reader.u32() !== 0) throw fail("internal", "a reserved plan field is used");
  const ops: DecodedOp[] = [];
  for (let i = 0; i < count; i++) ops.push(decodeOp(reader));
  if (reader.remaining > 0) throw fail("internal", `${reader.remaining} bytes after the last plan step`);
  return {
    cloneFlags,
    join: (flags & PLAN_FLAGS.join) !== 0,
    terminal: (flags & PLAN_FLAGS.terminal) !== 0,
    hostPid: (flags & PLAN_FLAGS.hostPid) !== 0,
    foreign: (flags & PLAN_FLAGS.foreign) !== 0,
    ops,
  };
}

function decodeOp(reader: BinaryReader): DecodedOp {
  const number = reader.u16();
  const flags = reader.u16();
  const layout = BY_NUMBER.get(number);
  if (layout === undefined) throw fail("internal", `unknown plan step ${number}`);
  const payload = new BinaryReader(reader.blob());
  const fields = new Map<string, FieldValue>();
  for (const [name, wire] of layout.fields) fields.set(name, decodeField(payload, wire));
  if (payload.remaining > 0)
    throw fail("internal", `plan step "${layout.kind}" has ${payload.remaining} bytes too many`);
  return { layout, flags: layout.flags.filter((flag) => (flags & OP_FLAGS[flag]) !== 0), fields };
}

function decodeField(reader: BinaryReader, wire: Wire): FieldValue {
  switch (wire) {
    case "u32":
      return reader.u32();
    case "i32":
      return reader.u32() | 0;
    case "u64":
      return reader.u64();
    case "bool":
      return reader.u32() !== 0;
    case "char":
      return String.fromCharCode(reader.u32());
    case "id": {
      const kind = ID_KINDS[reader.u32()];
      if (kind === undefined) throw fail("internal", "unknown id kind");
      return kind;
    }
    case "str":
      return reader.str();
    case "strv":
      return reader.strv();
    case "blob":
      return reader.blob();
  }
}
