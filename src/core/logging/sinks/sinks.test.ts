/** What goes over the wire, taken apart by the rules of each protocol; and what a hostile container makes of it. */
import { expect, test } from "bun:test";
import { gunzipSync, inflateSync } from "node:zlib";
import { type LogRecord, NO_OPEN_LINES, RecordReader } from "../forward/records.ts";
import { DEFAULT_RETRY, type FluentdTarget, type GelfTarget, type JournaldTarget } from "../remote-log.ts";
import { decodeJournalEntry } from "../testing/decode-journal.ts";
import { unpack } from "../testing/unpack.ts";
import { syslogTo } from "../testing/written-log.ts";
import { encoderOf } from "./encoders.ts";
import { readAnswer } from "./msgpack.ts";

const TARGET = {
  retry: DEFAULT_RETRY,
  tag: "tag",
  containerId: "c".repeat(64),
  containerName: "web",
} as const;

/** As the shim's exact log gives them to the forwarder. */
const HOSTILE: readonly Buffer[] = [
  Buffer.from("plain"),
  Buffer.from("\x1b[31mred\x07\t\r"),
  Buffer.from("nul \0 nul"),
  Buffer.from([0x62, 0x61, 0x64, 0xff, 0xc3, 0x28]),
  Buffer.from("PRIORITY=0"),
  Buffer.from("<0>1 2024-01-01T00:00:00Z evil evil 1 - - injected"),
  Buffer.from('","level":0,"_x":"'),
  Buffer.from("12 <0>injected"),
  Buffer.alloc(16_384, "é"),
];

function record(text: Buffer, more: Partial<LogRecord> = {}): LogRecord {
  return { stream: 1, seconds: 1_700_000_000, nanos: 123_456_789, text, part: undefined, ...more };
}

function streamOf(target: Parameters<typeof encoderOf>[0], records: readonly LogRecord[]): Buffer {
  const encoder = encoderOf(target);
  if (encoder.kind !== "stream") throw new Error("no stream");
  return Buffer.from(encoder.encode(records).bytes);
}

function datagramsOf(
  target: Parameters<typeof encoderOf>[0],
  records: readonly LogRecord[],
): readonly Buffer[] {
  const encoder = encoderOf(target);
  if (encoder.kind !== "datagrams") throw new Error("no datagrams");
  return encoder.encode(records).map((bytes) => Buffer.from(bytes));
}

const TCP = { kind: "tcp", host: "h", port: 1 } as const;
const UDP = { kind: "udp", host: "h", port: 1 } as const;

test("syslog has the head of its format", () => {
  const line = (more: Parameters<typeof syslogTo>[1], stream: 1 | 2 = 1): string =>
    streamOf(syslogTo(TCP, more), [record(Buffer.from("text"), { stream })]).toString();
  expect(line({ format: "unix" })).toMatch(/^<30>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d tag\[\d+\]: text\n$/);
  expect(line({ format: "rfc3164" }, 2)).toMatch(
    /^<27>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d host tag\[\d+\]: text\n$/,
  );
  expect(line({ format: "rfc5424" })).toMatch(
    /^<30>1 2023-11-1\dT\d\d:\d\d:20(Z|[+-]\d\d:\d\d) host tag \d+ tag - text\n$/,
  );
  expect(line({ format: "rfc5424micro", facility: 16 })).toMatch(
    /^<134>1 2023-11-1\dT\d\d:\d\d:20\.123456(Z|[+-]\d\d:\d\d) host tag \d+ tag - text\n$/,
  );
});

test("a counted syslog message has its length in bytes before it", () => {
  const bytes = streamOf(syslogTo(TCP, { counted: true }), [
    record(Buffer.from("é")),
    record(Buffer.from("x")),
  ]);
  let rest = bytes;
  const messages: string[] = [];
  while (rest.length > 0) {
    const blank = rest.indexOf(0x20);
    const length = Number(rest.toString("latin1", 0, blank));
    messages.push(rest.toString("utf8", blank + 1, blank + 1 + length));
    rest = rest.subarray(blank + 1 + length);
  }
  expect(messages.map((text) => text.slice(text.indexOf("- ") + 2))).toEqual(["é\n", "x\n"]);
});

test("a syslog tag is one word, whatever is in it", () => {
  const text = streamOf(syslogTo(TCP, { tag: "a b\nc\0<0>" }), [record(Buffer.from("x"))]).toString();
  expect(text).toContain(" host a_b_c_<0> ");
});

test("nothing that a container writes ends a syslog message or begins one", () => {
  const records = HOSTILE.map((text) => record(text));
  const lines = streamOf(syslogTo(TCP), records).toString("latin1").split("\n");
  expect(lines.pop()).toBe("");
  expect(lines.length).toBe(HOSTILE.length);
  for (const line of lines) expect(line).toMatch(/^<30>1 2023-\S+ host tag \d+ tag - [^\0\r]+$/);
  expect(lines[2]).toEndWith("nul #000 nul");
  expect(lines[3]).toEndWith("bad\xff\xc3(");
  expect(datagramsOf(syslogTo(UDP), records).length).toBe(HOSTILE.length);
});

test("an empty line is no syslog message and no GELF message", () => {
  expect(streamOf(syslogTo(TCP), [record(Buffer.alloc(0))]).length).toBe(0);
  expect(datagramsOf(gelf(UDP), [record(Buffer.alloc(0))]).length).toBe(0);
});

function journald(fields: ReadonlyMap<string, string> = new Map()): JournaldTarget {
  return { kind: "journald", ...TARGET, endpoint: { kind: "unixgram", paths: ["/x"] }, fields };
}

test("a journal entry has the text as one field, whatever is in it", () => {
  const entries = datagramsOf(
    journald(
      new Map([
        ["CONTAINER_NAME", "web"],
        ["LABEL", "one\nMESSAGE=fake"],
      ]),
    ),
    HOSTILE.map((text) => record(text, { stream: 2 })),
  ).map(decodeJournalEntry);
  for (const [at, entry] of entries.entries()) {
    expect([...entry.keys()].sort()).toEqual([
      "CONTAINER_NAME",
      "LABEL",
      "MESSAGE",
      "PRIORITY",
      "SYSLOG_TIMESTAMP",
    ]);
    expect(entry.get("MESSAGE")).toEqual(HOSTILE[at] ?? Buffer.alloc(0));
    expect(String(entry.get("PRIORITY"))).toBe("3");
    expect(String(entry.get("LABEL"))).toBe("one\nMESSAGE=fake");
    expect(String(entry.get("SYSLOG_TIMESTAMP"))).toBe("2023-11-14T22:13:20.123456789Z");
  }
});

test("parts of a line are told as Docker tells them", () => {
  const part = { id: "ab", ordinal: 2, isLast: false };
  const [entry] = datagramsOf(journald(), [record(Buffer.from("x"), { part })]).map(decodeJournalEntry);
  const named = Object.fromEntries([...(entry ?? [])].map(([name, value]) => [name, String(value)]));
  expect(named).toMatchObject({
    CONTAINER_PARTIAL_ID: "ab",
    CONTAINER_PARTIAL_ORDINAL: "2",
    CONTAINER_PARTIAL_LAST: "false",
    CONTAINER_PARTIAL_MESSAGE: "true",
  });
  const last = datagramsOf(journald(), [record(Buffer.from("x"), { part: { ...part, isLast: true } })])[0];
  expect(decodeJournalEntry(last ?? Buffer.alloc(0)).has("CONTAINER_PARTIAL_MESSAGE")).toBe(false);
});

function fluentd(more: Partial<FluentdTarget> = {}): FluentdTarget {
  return {
    kind: "fluentd",
    ...TARGET,
    endpoint: TCP,
    attributes: new Map(),
    subSecond: false,
    requestAck: false,
    reconnectMs: 0,
    writeTimeoutMs: 0,
    readTimeoutMs: 0,
    ...more,
  };
}

test("fluentd gets a batch as one message, with the container's bytes", () => {
  const [message, rest] = unpack(
    streamOf(
      fluentd({ attributes: new Map([["tier", "web"]]) }),
      HOSTILE.map((text) => record(text)),
    ),
  );
  expect(rest.length).toBe(0);
  const [tag, entries, option] = listOf(message);
  expect(String(tag)).toBe("tag");
  expect(mapOf(option)).toEqual({ size: HOSTILE.length });
  for (const [at, entry] of listOf(entries).entries()) {
    const [time, fields] = listOf(entry);
    expect(time).toBe(1_700_000_000);
    expect(mapOf(fields)).toEqual({
      tier: "web",
      container_id: TARGET.containerId,
      container_name: "/web",
      source: "stdout",
      log: HOSTILE[at]?.toString("latin1") ?? "",
    });
  }
});

test("fluentd's times have nanoseconds when asked, and a batch is acknowledged by its chunk", () => {
  const target = fluentd({ subSecond: true, requestAck: true, attributes: new Map([["log", "fake"]]) });
  const encoder = encoderOf(target);
  if (encoder.kind !== "stream") throw new Error("no stream");
  const { bytes, ack } = encoder.encode([record(Buffer.from("x"))]);
  const [message] = unpack(Buffer.from(bytes));
  const [, entries, option] = listOf(message);
  const [entry] = listOf(entries);
  expect(listOf(entry)[0]).toEqual({ type: 0, bytes: Buffer.from("6553f100075bcd15", "hex") });
  expect(mapOf(listOf(entry)[1])["log"]).toBe("x");
  expect(mapOf(option)["chunk"]).toBe(ack);
  expect(encoder.isAcknowledged).toBe(true);
});

test("an acknowledgement is read when it is complete, and nothing else is one", () => {
  const answer = Buffer.from([0x81, 0xa3, ...Buffer.from("ack"), 0xa4, ...Buffer.from("abcd")]);
  for (let bytes = 0; bytes < answer.length; bytes++)
    expect(readAnswer(answer.subarray(0, bytes), "ack")).toBeUndefined();
  expect(readAnswer(answer, "ack")).toBe("abcd");
  for (const wrong of ["93010203", "80", "81a161c3", "81a161a162"])
    expect(() => readAnswer(Buffer.from(wrong, "hex"), "ack")).toThrow("answer");
});

function gelf(endpoint: GelfTarget["endpoint"], more: Partial<GelfTarget> = {}): GelfTarget {
  return {
    kind: "gelf",
    ...TARGET,
    endpoint,
    hostname: "host",
    fields: new Map([["_tag", "tag"]]),
    compression: "none",
    level: 1,
    ...more,
  };
}

test("GELF over TCP is one object for each line, each ended by a NUL", () => {
  const parts = streamOf(
    gelf(TCP),
    HOSTILE.map((text) => record(text)),
  )
    .toString()
    .split("\0");
  expect(parts.pop()).toBe("");
  expect(parts.map((text) => JSON.parse(text))).toEqual(
    HOSTILE.map((text) => ({
      _tag: "tag",
      version: "1.1",
      host: "host",
      short_message: text.toString(),
      timestamp: 1_700_000_000.123,
      level: 6,
    })),
  );
});

test("GELF over UDP is compressed as wished, and cut where it does not fit", () => {
  const text = Buffer.from(Array.from({ length: 5000 }, (_, i) => `${i * 7919} `).join(""));
  for (const [compression, open] of [
    ["gzip", gunzipSync],
    ["zlib", inflateSync],
    ["none", (bytes: Buffer) => bytes],
  ] as const) {
    const chunks = datagramsOf(gelf(UDP, { compression }), [record(text)]);
    expect(chunks.length).toBeGreaterThan(3);
    for (const [at, chunk] of chunks.entries()) {
      expect(chunk.length).toBeLessThanOrEqual(1420);
      expect([chunk.readUInt16BE(0), chunk[10], chunk[11]]).toEqual([0x1e0f, at, chunks.length]);
      expect(chunk.subarray(2, 10)).toEqual(chunks[0]?.subarray(2, 10) ?? Buffer.alloc(0));
    }
    const whole = open(Buffer.concat(chunks.map((chunk) => chunk.subarray(12))));
    expect(JSON.parse(whole.toString()).short_message).toBe(text.toString());
  }
});

test("fields that leave no room for the text are left out", () => {
  const huge = new Map([["_big", "x".repeat(300_000)]]);
  const chunks = datagramsOf(gelf(UDP, { fields: huge }), [record(Buffer.from("text"))]);
  expect(chunks.map((chunk) => JSON.parse(chunk.toString()).short_message)).toEqual(["text"]);
});

test("entries become records: bytes, times and parts, also when a line is split between two readers", () => {
  const entry = (log: string, stream = "stdout", time = "2023-11-14T22:13:20.5Z"): string =>
    `${JSON.stringify({ log, stream, time })}\n`;
  const first = new RecordReader("id", NO_OPEN_LINES);
  const [a, b, c] = first.read(Buffer.from(entry("one\n") + entry("part") + entry("err\n", "stderr")));
  expect([a?.text.toString(), a?.part, a?.nanos]).toEqual(["one", undefined, 500_000_000]);
  expect([b?.text.toString(), b?.part?.ordinal, b?.part?.isLast]).toEqual(["part", 1, false]);
  expect([c?.stream, c?.part]).toEqual([2, undefined]);
  const second = new RecordReader("id", first.open);
  const [d, e] = second.read(
    Buffer.from(`${entry("more\\n\n").replace("more\\\\n", "\\udcff")}${entry("next\n")}`),
  );
  expect([d?.text, d?.part]).toEqual([
    Buffer.from([0xff]),
    { id: b?.part?.id ?? "", ordinal: 2, isLast: true },
  ]);
  expect(e?.part).toBeUndefined();
});

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error("not a list");
  return value;
}

function mapOf(value: unknown): Record<string, unknown> {
  if (!(value instanceof Map)) throw new Error("not a map");
  return Object.fromEntries(
    [...value].map(([key, entry]) => [
      String(key),
      Buffer.isBuffer(entry) ? entry.toString("latin1") : entry,
    ]),
  );
}
