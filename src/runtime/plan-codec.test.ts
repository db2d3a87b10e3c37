import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  decodePlan,
  encodePlan,
  ID_KINDS,
  OP_FLAGS,
  OP_LAYOUTS,
  PLAN_FLAGS,
  PLAN_HEADER_BYTES,
  PLAN_MAGIC,
  PLAN_MAX_BYTES,
  PLAN_MAX_OPS,
  type Wire,
} from "./plan-codec.ts";
import type { Plan, PlanOp } from "./plan.ts";

const header = readFileSync(join(import.meta.dirname, "../../native/include/plan.h"), "utf8");

/** What the header says of one op: its comment starts with the fields. */
interface HeaderOp {
  readonly name: string;
  readonly number: number;
  readonly fields: readonly { readonly type: string; readonly name: string | undefined }[];
  readonly flags: readonly string[];
}

function headerOps(): HeaderOp[] {
  return [...header.matchAll(/\bOP_(\w+) = (\d+),\s*\/\*([\s\S]*?)\*\//g)].map(
    ([, name = "", number, comment = ""]) => {
      const fields: { type: string; name: string | undefined }[] = [];
      const field = /\s*(u32|u64|strv|str|blob)\b(?: ([a-z_]+))?(?: \([^)]*\))?(,)?/y;
      for (let more = true; more; ) {
        const match = field.exec(comment);
        if (match === null) break;
        fields.push({ type: match[1] ?? "", name: match[2] });
        more = match[3] !== undefined;
      }
      return { name, number: Number(number), fields, flags: comment.match(/OPF_\w+/g) ?? [] };
    },
  );
}

function snake(camel: string): string {
  return camel.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

const C_TYPES: Readonly<Record<Wire, string>> = {
  u32: "u32",
  u64: "u64",
  str: "str",
  strv: "strv",
  blob: "blob",
  bool: "u32",
  char: "u32",
  i32: "u32",
  id: "u32",
};

describe("the codec's table agrees with plan.h", () => {
  const ops = headerOps();

  test("in the list of ops and their numbers", () => {
    expect(ops.length).toBeGreaterThan(30);
    expect(OP_LAYOUTS.map(({ kind, number }) => [kind, number])).toEqual(
      ops.map(({ name, number }) => [name.toLowerCase().replaceAll("_", "-"), number]),
    );
  });

  test.each(ops.map((op) => [op.name, op] as const))("in the fields of OP_%s", (_, op) => {
    const layout = OP_LAYOUTS.find(({ number }) => number === op.number);
    expect(layout?.fields.map(([, wire]) => C_TYPES[wire])).toEqual(op.fields.map(({ type }) => type));
    layout?.fields.forEach(([name], i) => {
      const there = op.fields[i]?.name;
      if (there !== undefined) expect(snake(name)).toBe(there);
    });
  });

  test.each(ops.map((op) => [op.name, op] as const))("in the flags of OP_%s", (_, op) => {
    const layout = OP_LAYOUTS.find(({ number }) => number === op.number);
    const here = (layout?.flags ?? []).map((flag) => `OPF_${snake(flag).toUpperCase()}`);
    const explained = [...header.matchAll(/(OPF_\w+) = 1u << \d+, \/\* (\w+):/g)];
    const there = explained.flatMap(([, flag = "", name]) => (name === op.name ? [flag] : []));
    expect(here.sort()).toEqual([...new Set([...op.flags, ...there])].sort());
  });

  test("in flags, id kinds and limits", () => {
    const bits = (prefix: string): Record<string, number> =>
      Object.fromEntries(
        [...header.matchAll(new RegExp(`\\b${prefix}_(\\w+) = 1u << (\\d+)`, "g"))].map(
          ([, name = "", bit]) => [name, 1 << Number(bit)],
        ),
      );
    const upper = (flags: Readonly<Record<string, number>>): Record<string, number> =>
      Object.fromEntries(Object.entries(flags).map(([name, bit]) => [snake(name).toUpperCase(), bit]));
    expect(upper(PLAN_FLAGS)).toEqual(bits("PLAN"));
    expect(upper(OP_FLAGS)).toEqual(bits("OPF"));
    const ids = [...header.matchAll(/\bID_(\w+) = (\d+)/g)].map(([, name = "", n]) => [
      name.toLowerCase(),
      Number(n),
    ]);
    expect(Object.fromEntries(ids)).toEqual(Object.fromEntries(ID_KINDS.map((kind, i) => [kind, i])));
    const define = (name: string): string | undefined =>
      new RegExp(`#define ${name} (.*?)(?: /\\*|\\n)`).exec(header)?.[1];
    expect(define("PLAN_MAGIC")).toBe(`0x${PLAN_MAGIC.toString(16)}u`);
    expect(define("PLAN_HEADER_BYTES")).toBe(`${PLAN_HEADER_BYTES}u`);
    expect(define("PLAN_MAX_BYTES")).toBe(`(${PLAN_MAX_BYTES >> 20}u << 20)`);
    expect(define("PLAN_MAX_OPS")).toBe(`${PLAN_MAX_OPS}u`);
  });
});

const PLAN: Plan = {
  cloneFlags: 0x6c020000,
  join: false,
  terminal: true,
  hostPid: false,
  ops: [
    { kind: "cgroup-write", mayMiss: true, file: "/f", value: "é" },
    { kind: "cgroup-bpf", dir: "/d", insns: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
    {
      kind: "bind",
      recursive: true,
      targetFile: true,
      idmapTree: false,
      elsewhere: true,
      source: "/s",
      target: "/t",
      attrSet: 1n,
      attrClr: 0n,
      treeAttrSet: 2n,
      treeAttrClr: 0n,
      propagation: 1n << 18n,
      idmap: 0xffffffff,
      beneath: "a/b",
    },
    { kind: "device", path: "/dev/x", type: "b", major: 8, minor: 1, mode: 0o600, uid: 0, gid: 6 },
    { kind: "pivot", rootReadonly: true },
    { kind: "oom-score-adj", mayMiss: false, value: -500 },
    {
      kind: "identity",
      userKind: "name",
      uid: 0,
      user: "www",
      groupKind: "number",
      gid: 4294967294,
      group: "",
      addGroups: ["7", "audio"],
      wantHome: true,
    },
    { kind: "rlimit", resource: 7, soft: 1024n, hard: 0xffffffffffffffffn },
    { kind: "sync", lookup: true },
  ],
};

describe("encodePlan()", () => {
  test("comes back from decodePlan() field by field", () => {
    const decoded = decodePlan(encodePlan(PLAN));
    expect(decoded).toMatchObject({ cloneFlags: 0x6c020000, join: false, terminal: true, hostPid: false });
    const flat: unknown = decoded.ops.map(({ layout, flags, fields }) => ({
      kind: layout.kind,
      flags,
      ...Object.fromEntries(
        [...fields].map(([name, value]) => [name, value instanceof Uint8Array ? [...value] : value]),
      ),
    }));
    const expected = PLAN.ops.map((op) => {
      const entries = Object.entries(op).map(([name, value]): [string, unknown] => [
        name,
        value instanceof Uint8Array ? [...value] : value,
      ]);
      const isFlag = (name: string): boolean => name in OP_FLAGS;
      return {
        ...Object.fromEntries(entries.filter(([name]) => !isFlag(name))),
        flags: entries.filter(([name, value]) => isFlag(name) && value === true).map(([name]) => name),
      };
    });
    expect(flat).toEqual(expected);
  });

  test("lays out the bytes as the header draws them", () => {
    const bytes = encodePlan({ ...PLAN, ops: [{ kind: "cwd", create: true, path: "/a" }] });
    expect(bytes.toString("hex")).toBe(
      [
        "47504c31", // GPL1
        "2f000000", // bytes
        "01000000", // ops
        "0000026c", // clone flags
        "02000000", // terminal
        "000000000000000000000000",
        "3b00", // cwd
        "1000", // create
        "07000000", // payload
        "020000002f6100", // "/a"
      ].join(""),
    );
  });

  test.each<[string, PlanOp]>([
    ["a NUL", { kind: "hostname", name: "a\0b" }],
    ["a number out of range", { kind: "umask", mask: -1 }],
    ["a fraction", { kind: "umask", mask: 0.5 }],
    ["a 65-bit number", { kind: "bounding", keepMask: 1n << 64n }],
  ])("refuses %s", (_, op) => {
    expect(() => encodePlan({ ...PLAN, ops: [op] })).toThrow();
  });

  test("refuses a plan larger than the C side takes", () => {
    const op: PlanOp = { kind: "hostname", name: "x".repeat(1 << 20) };
    expect(() => encodePlan({ ...PLAN, ops: Array.from({ length: 17 }, () => op) })).toThrow("too large");
  });
});

describe("decodePlan()", () => {
  const bytes = encodePlan(PLAN);

  test("refuses every truncation", () => {
    for (let size = 0; size < bytes.length; size++)
      expect(() => decodePlan(bytes.subarray(0, size))).toThrow();
  });

  test("refuses bytes left over in a payload", () => {
    const longer = Buffer.concat([
      encodePlan({ ...PLAN, ops: [{ kind: "sync", lookup: true }] }),
      Buffer.alloc(4),
    ]);
    longer.writeUInt32LE(longer.length, 4);
    longer.writeUInt32LE(4, 36);
    expect(() => decodePlan(longer)).toThrow("4 bytes too many");
  });

  test("refuses an unknown op", () => {
    const other = Buffer.from(encodePlan({ ...PLAN, ops: [{ kind: "sync", lookup: true }] }));
    other.writeUInt16LE(999, 32);
    expect(() => decodePlan(other)).toThrow("unknown plan step 999");
  });
});
