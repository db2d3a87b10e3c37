import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BinaryWriter } from "../base/binary.ts";
import { FrameReader } from "./frames.ts";
import {
  MAX_FRAME_BYTES,
  SHIM_FLAG,
  SHIM_KIND,
  SHIM_LOG_FLAG,
  SHIM_STATUS,
  type ShimRequest,
  decodeDescriptor,
  decodeKept,
  decodeMessage,
  decodeProcess,
  decodeState,
  encodeRequest,
} from "./protocol.ts";
import { decodeRequest, encodeFrame } from "./testing/fake-shim.ts";

const header = readFileSync(join(import.meta.dirname, "../../native/include/shim-protocol.h"), "utf8");

/** The members of one C enum, values evaluated: plain numbers, hexadecimal or `1u << n`. */
function cEnum(name: string): Record<string, number> {
  const body = new RegExp(`enum ${name} \\{([\\s\\S]*?)\\};`).exec(header)?.[1] ?? "";
  const members: Record<string, number> = {};
  for (const [, key, value] of body
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .matchAll(/SHIM_(\w+) = (1u << \d+|0x[0-9a-f]+|\d+)/g)) {
    const shift = /1u << (\d+)/.exec(value ?? "");
    members[key ?? ""] = shift === null ? Number(value) : 1 << Number(shift[1]);
  }
  return members;
}

function frameOf(bytes: Uint8Array): ReturnType<FrameReader["next"]> {
  const reader = new FrameReader();
  reader.push(Buffer.from(bytes));
  return reader.next();
}

test("kinds, flags and statuses are those of the C header", () => {
  expect<Record<string, number>>(SHIM_KIND).toEqual(cEnum("shim_kind"));
  expect<Record<string, number>>(SHIM_FLAG).toEqual(cEnum("shim_flags"));
  expect<Record<string, number>>(SHIM_LOG_FLAG).toEqual(cEnum("shim_log_flags"));
  expect<Record<string, number>>(SHIM_STATUS).toEqual(cEnum("shim_status"));
});

test("the frame limit is that of the C header", () => {
  const terms = /#define SHIM_MAX_FRAME \(\((\d+)u << (\d+)\) \+ (\d+)u\)/.exec(header);
  expect(MAX_FRAME_BYTES).toBe((Number(terms?.[1]) << Number(terms?.[2])) + Number(terms?.[3]));
});

const REQUESTS: readonly ShimRequest[] = [
  {
    kind: "create",
    run: true,
    terminal: false,
    stdin: true,
    stdinOnce: true,
    window: { rows: 24, cols: 80 },
    log: {
      path: "/l/a.log",
      maxBytes: 2 ** 40,
      maxFiles: 3,
      compress: true,
      exact: true,
      attrs: '{"a":"b"}',
    },
    plan: Buffer.from("plan"),
  },
  {
    kind: "create",
    run: false,
    terminal: true,
    stdin: false,
    stdinOnce: false,
    window: { rows: 0, cols: 0 },
    log: undefined,
    plan: Buffer.from(""),
  },
  { kind: "start" },
  { kind: "signal", execId: "", signal: 15 },
  { kind: "resize", execId: "e1", window: { rows: 1, cols: 2 } },
  {
    kind: "exec",
    execId: "e1",
    terminal: true,
    stdin: true,
    stream: true,
    window: { rows: 1, cols: 2 },
    plan: Buffer.from("p"),
  },
  { kind: "attach", stdin: true, stdout: false, stderr: true },
  { kind: "close-stdin", execId: "e1" },
  { kind: "subscribe" },
  { kind: "state" },
  { kind: "keep", name: "dns", descriptor: 7 },
  { kind: "clear-log" },
  { kind: "kept" },
];

test("every request comes back from its encoding", () => {
  for (const request of REQUESTS) {
    const frame = frameOf(encodeRequest(513, request));
    if (frame === undefined) throw new Error(`no frame for ${request.kind}`);
    expect(frame.tag).toBe(513);
    expect(decodeRequest(frame)).toEqual(request);
  }
});

test("what a shim keeps is told by name", () => {
  const answer = new BinaryWriter().u32(42).u32(2).str("a").u32(9).str("b").u32(10).bytes();
  expect(decodeKept(answer)).toEqual({
    pid: 42,
    descriptors: new Map([
      ["a", 9],
      ["b", 10],
    ]),
  });
  expect(decodeDescriptor(new BinaryWriter().u32(9).bytes())).toBe(9);
  expect(() => decodeKept(new BinaryWriter().u32(42).u32(9).bytes())).toThrow("keeps 9 descriptors");
});

test("a create request has the header's bytes", () => {
  const bytes = encodeRequest(1, {
    kind: "create",
    run: true,
    terminal: false,
    stdin: false,
    stdinOnce: false,
    window: { rows: 2, cols: 3 },
    log: { path: "/l", maxBytes: 5, maxFiles: 4, compress: false, exact: false, attrs: "" },
    plan: Buffer.from([9]),
  });
  expect(Buffer.from(bytes).toString("hex")).toBe(
    "2d000000" + // payload bytes
      "01000100" + // create, tag 1
      "01000000" + // SHIM_RUN
      "02000000" +
      "03000000" +
      "02000000" +
      "2f6c00" +
      "0500000000000000" +
      "04000000" +
      "00000000" +
      "00000000" +
      "00" +
      "01000000" +
      "09",
  );
});

test("encodeRequest() refuses a plan beyond the frame limit", () => {
  expect(() =>
    encodeRequest(1, {
      kind: "exec",
      execId: "e",
      terminal: false,
      stdin: false,
      stream: false,
      window: { rows: 0, cols: 0 },
      plan: Buffer.alloc(MAX_FRAME_BYTES),
    }),
  ).toThrow("too long");
});

test("decodeMessage() reads an exit event", () => {
  const frame = frameOf(
    encodeFrame(SHIM_KIND.EVENT_EXIT, 0, (w) =>
      w.u32(137).u32(9).u32(1).u64(1_700_000_000_123_456_789n).u64(7n),
    ),
  );
  if (frame === undefined) throw new Error("no frame");
  expect(decodeMessage(frame)).toEqual({
    kind: "event",
    event: {
      kind: "exit",
      exitCode: 137,
      signal: 9,
      oomKilled: true,
      exitedAtNs: 1_700_000_000_123_456_789n,
      lostLogBytes: 7n,
    },
  });
});

test("decodeMessage() reads that memory has run out", () => {
  const payload = Buffer.alloc(0);
  expect(decodeMessage({ kind: 0x8002, tag: 0, payload })).toEqual({ kind: "event", event: { kind: "oom" } });
  expect(() => decodeMessage({ kind: 0x8002, tag: 0, payload: Buffer.alloc(1) })).toThrow("1 bytes too many");
});

test("decodeMessage() passes over an event of a newer shim and refuses any other unknown kind", () => {
  const payload = Buffer.alloc(0);
  expect(decodeMessage({ kind: 0x8abc, tag: 0, payload })).toBeUndefined();
  expect(() => decodeMessage({ kind: 0x4002, tag: 1, payload })).toThrow("unknown kind 16386");
});

test("answers with missing or additional bytes are refused", () => {
  expect(() => decodeProcess(Buffer.alloc(11))).toThrow("ends 1 bytes early");
  expect(() => decodeProcess(Buffer.alloc(13))).toThrow("1 bytes too many");
  expect(() => decodeState(Buffer.from([4, 0, 0, 0, ...Buffer.alloc(12)]))).toThrow("unknown status 4");
});

test("FrameReader yields the same frames however the bytes are cut", () => {
  const all = Buffer.concat([
    encodeFrame(SHIM_KIND.REPLY_OK, 1, (w) => w.str("one")),
    encodeFrame(SHIM_KIND.REPLY_OK, 2),
    encodeFrame(SHIM_KIND.REPLY_OK, 3, (w) => w.str("three")),
  ]);
  for (let size = 1; size <= all.length; size++) {
    const reader = new FrameReader();
    const seen: string[] = [];
    for (let at = 0; at < all.length; at += size) {
      reader.push(all.subarray(at, at + size));
      for (let frame = reader.next(); frame !== undefined; frame = reader.next())
        seen.push(`${frame.tag}:${frame.payload.length}`);
    }
    expect(seen).toEqual(["1:8", "2:0", "3:10"]);
  }
});

test("FrameReader refuses a frame beyond the limit before it has arrived", () => {
  const reader = new FrameReader();
  const head = Buffer.alloc(8);
  head.writeUInt32LE(MAX_FRAME_BYTES + 1);
  reader.push(head);
  expect(() => reader.next()).toThrow(`${MAX_FRAME_BYTES + 1} bytes`);
});

test("FrameReader hands over what follows a frame", () => {
  const reader = new FrameReader();
  reader.push(Buffer.concat([encodeFrame(SHIM_KIND.REPLY_OK, 1), Buffer.from("stream ")]));
  reader.push(Buffer.from("begins"));
  expect(reader.next()?.tag).toBe(1);
  expect(reader.takeRest().toString()).toBe("stream begins");
  expect(reader.next()).toBeUndefined();
});
