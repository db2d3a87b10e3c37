import { expect, test } from "bun:test";
import { EntryScanner, type ScanOptions } from "./entry-scanner.ts";

const T1 = "2024-01-02T03:04:05.123456789Z";
const ALL: ScanOptions = {
  stdout: true,
  stderr: true,
  sinceNs: undefined,
  untilNs: undefined,
  timestamps: false,
  details: false,
  framed: true,
};

interface Written {
  readonly log: string;
  readonly stream?: string;
  readonly attrs?: Readonly<Record<string, string>>;
  readonly time?: string;
}

function entry({ log, stream = "stdout", attrs, time = T1 }: Written): string {
  return `${JSON.stringify({ log, stream, ...(attrs === undefined ? {} : { attrs }), time })}\n`;
}

function scanned(text: string | Buffer, options: Partial<ScanOptions> = {}): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat(new EntryScanner({ ...ALL, ...options }).scan(bytes, 0, bytes.length));
}

function plain(text: string | Buffer, options: Partial<ScanOptions> = {}): string {
  return scanned(text, { framed: false, ...options }).toString();
}

function frame(stream: number, text: string): Buffer {
  const payload = Buffer.from(text);
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

test("each entry becomes a frame of its stream", () => {
  const text = [
    entry({ log: "out\n" }),
    entry({ log: "err\n", stream: "stderr" }),
    entry({ log: "part" }),
  ].join("");
  expect(scanned(text)).toEqual(Buffer.concat([frame(1, "out\n"), frame(2, "err\n"), frame(1, "part")]));
});

test("every text comes back as it was written, whatever its length and characters", () => {
  const pieces = [
    "",
    "a",
    '"',
    "\\",
    "/",
    "\n",
    "\r\t\b\f\v\0\x7f",
    "é",
    "€",
    "😀",
    "\u2028",
    "x".repeat(23),
    "y".repeat(300),
  ];
  const texts: string[] = [];
  for (const a of pieces) for (const b of pieces) for (const c of ["", "\n", "😀\n"]) texts.push(a + b + c);
  const file = texts.map((log) => entry({ log })).join("");
  expect(scanned(file)).toEqual(Buffer.concat(texts.map((text) => frame(1, text))));
});

test("escapes that JSON.stringify does not use are understood", () => {
  const raw = (text: string): string => `{"log":"${text}","stream":"stdout","time":"${T1}"}\n`;
  const file = entry({ log: "" }) + raw("\\u003c\\u003E\\/\\u00e9\\u20AC\\ud83d\\ude00\\n");
  expect(plain(file)).toBe("<>/é€😀\n");
});

test("half a pair that stands for a byte becomes that byte, seen the first time and again", () => {
  const raw = (text: string): string => `{"log":"${text}","stream":"stdout","time":"${T1}"}\n`;
  const file = raw("a\\udcff\\udc80é") + raw("\\udcc3(");
  expect(scanned(file, { framed: false })).toEqual(Buffer.from("a\xff\x80\xc3\xa9\xc3(", "latin1"));
});

test("half a surrogate pair becomes the replacement character", () => {
  const raw = (text: string): string => `{"log":"${text}","stream":"stdout","time":"${T1}"}\n`;
  expect(plain(entry({ log: "" }) + raw("a\\ud83d|\\ude00|\\ud83dx"))).toBe("a�|�|�x");
});

test("a line that is no entry is left out and counted, and its neighbours are not", () => {
  const bad = [
    "not json\n",
    "\n",
    "[]\n",
    "null\n",
    '{"log":1,"stream":"stdout","time":"x"}\n',
    `{"log":"bad escape \\q","stream":"stdout","time":"${T1}"}\n`,
    `{"log":"bad escape \\u12x4","stream":"stdout","time":"${T1}"}\n`,
    '{"log":"cut off\n',
    '{"log":"no time","stream":"stdout"}\n',
    '{"log":"bad time","stream":"stdout","time":"soon"}\n',
  ];
  for (const line of bad) {
    const scanner = new EntryScanner(ALL);
    const bytes = Buffer.from(entry({ log: "before\n" }) + line + entry({ log: "after\n" }));
    expect(Buffer.concat(scanner.scan(bytes, 0, bytes.length))).toEqual(
      Buffer.concat([frame(1, "before\n"), frame(1, "after\n")]),
    );
    expect(scanner.damaged).toBe(1);
  }
});

test("an entry with its members in another order, or with more of them, is understood", () => {
  const file =
    `{"time":"${T1}","stream":"stderr","log":"other order\\n"}\n` +
    `{"log":"more\\n","stream":"stdout","time":"${T1}","more":1}\n` +
    `{ "log": "spaces\\n", "stream": "stdout", "time": "${T1}" }\n`;
  expect(scanned(file)).toEqual(
    Buffer.concat([frame(2, "other order\n"), frame(1, "more\n"), frame(1, "spaces\n")]),
  );
});

test("an entry of an unknown stream is not shown", () => {
  expect(plain(entry({ log: "x\n", stream: "stdlog" }).repeat(3) + entry({ log: "y\n" }))).toBe("y\n");
});

test("stdout and stderr are chosen", () => {
  const file = (entry({ log: "o\n" }) + entry({ log: "e\n", stream: "stderr" })).repeat(3);
  expect(plain(file, { stderr: false })).toBe("o\no\no\n");
  expect(plain(file, { stdout: false })).toBe("e\ne\ne\n");
});

test("since and until are inclusive and nothing is read after until", () => {
  const ns = (n: number): bigint => 1_700_000_000_000_000_000n + BigInt(n);
  const time = (n: number): string => `2023-11-14T22:13:20.${String(n).padStart(9, "0")}Z`;
  const file = [1, 2, 3, 4, 2].map((n) => entry({ log: `${n}\n`, time: time(n) })).join("");
  expect(plain(file, { sinceNs: ns(2) })).toBe("2\n3\n4\n2\n");
  expect(plain(file, { untilNs: ns(3) })).toBe("1\n2\n3\n");
  expect(plain(file, { sinceNs: ns(2), untilNs: ns(2) })).toBe("2\n");
  const scanner = new EntryScanner({ ...ALL, untilNs: ns(3) });
  scanner.scan(Buffer.from(file), 0, file.length);
  expect(scanner.isPastUntil).toBe(true);
});

test("timestamps have nine digits whatever the entry has", () => {
  const file =
    entry({ log: "a\n", time: "2024-05-06T07:08:09Z" }) +
    entry({ log: "b\n", time: "2024-05-06T07:08:09.12Z" }) +
    entry({ log: "c\n", time: "2024-05-06T09:08:09.5+02:00" });
  expect(plain(file, { timestamps: true })).toBe(
    "2024-05-06T07:08:09.000000000Z a\n" +
      "2024-05-06T07:08:09.120000000Z b\n" +
      "2024-05-06T09:08:09.500000000+02:00 c\n",
  );
});

test("the shortest entries fit with everything that can come before them", () => {
  const file = entry({ log: "", time: "2024-05-06T07:08:09Z" }).repeat(100);
  expect(scanned(file, { timestamps: true, details: true })).toEqual(
    Buffer.concat(Array<Buffer>(100).fill(frame(1, "2024-05-06T07:08:09.000000000Z  "))),
  );
});

test("details come sorted and escaped, behind the timestamp, and as one space when there are none", () => {
  const attrs = { b: "2 x", "a/!": "é" };
  const file = entry({ log: "1\n", attrs }) + entry({ log: "2\n", attrs }) + entry({ log: "3\n" }).repeat(2);
  expect(plain(file, { details: true, timestamps: true })).toBe(
    `${T1} a%2F%21=%C3%A9,b=2+x 1\n${T1} a%2F%21=%C3%A9,b=2+x 2\n${T1}  3\n${T1}  3\n`,
  );
  expect(plain(file)).toBe("1\n2\n3\n3\n");
});

test("details longer than the attributes themselves do not run over", () => {
  const attrs = { "%": "€".repeat(50) };
  const file = entry({ log: "", attrs, time: "2024-05-06T07:08:09Z" }).repeat(20);
  expect(plain(file, { details: true })).toBe(`%25=${"%E2%82%AC".repeat(50)} `.repeat(20));
});

test("attributes that look like the end of an entry do not confuse", () => {
  const attrs = { time: T1, stream: "stderr", log: '","stream":"stderr","time":"' };
  const file = entry({ log: '","stream":"stderr","time":"x"}\n', attrs }).repeat(3);
  expect(scanned(file)).toEqual(
    Buffer.concat(Array<Buffer>(3).fill(frame(1, '","stream":"stderr","time":"x"}\n'))),
  );
});

test("heads that alternate beyond what is remembered come out right", () => {
  const texts: string[] = [];
  let file = "";
  for (let i = 0; i < 200; i++) {
    texts.push(`n=${i % 7} ${i}\n`);
    file += entry({ log: `${i}\n`, attrs: { n: String(i % 7) }, stream: i % 3 === 0 ? "stderr" : "stdout" });
  }
  expect(plain(file, { details: true })).toBe(texts.join(""));
});

test("the scanner takes its bytes from a part of a buffer", () => {
  const file = entry({ log: `${"z".repeat(100)}\n` });
  const bytes = Buffer.from(`garbage${file}${file}garbage`);
  const scanner = new EntryScanner({ ...ALL, framed: false });
  expect(Buffer.concat(scanner.scan(bytes, 7, 7 + 2 * file.length)).toString()).toBe(
    `${"z".repeat(100)}\n`.repeat(2),
  );
});
