import { expect, test } from "bun:test";
import { UtcTime, compareMoments, copyFixed, momentOfNs, parseTime } from "./entry-time.ts";

function read(text: string): UtcTime | undefined {
  const bytes = Buffer.from(`..${text}..`);
  const time = new UtcTime();
  return time.read(bytes, 2, bytes.length - 2) ? time : undefined;
}

test("UtcTime reads the same seconds as Date for days all over the calendar", () => {
  for (let day = -800_000; day < 100_000; day += 37) {
    const date = new Date(day * 86_400_000 + 45_296_000);
    const text = date.toISOString();
    if (text.length !== 24) continue;
    expect(read(`${text.slice(0, 19)}Z`)?.seconds).toBe(date.getTime() / 1000);
  }
});

test("UtcTime reads fractions of one to nine digits", () => {
  expect(read("1970-01-01T00:00:01Z")).toMatchObject({ seconds: 1, nanos: 0 });
  expect(read("1970-01-01T00:00:01.5Z")).toMatchObject({ seconds: 1, nanos: 500_000_000 });
  expect(read("1970-01-01T00:00:01.000000007Z")).toMatchObject({ seconds: 1, nanos: 7 });
});

test("UtcTime refuses what is no time in UTC", () => {
  for (const text of [
    "1970-01-01T00:00:01.Z",
    "1970-01-01T00:00:01.0000000001Z",
    "1970-01-01T00:00:01+01:00",
    "1970-0x-01T00:00:01Z",
    "1970-01-01T00:00:01,5Z",
    "1970-01-01T00:00:01.5xZ",
  ])
    expect(read(text)).toBeUndefined();
});

test("copyFixed() fills a fraction up to nine digits", () => {
  for (const [text, fixed] of [
    ["2024-05-06T07:08:09Z", "2024-05-06T07:08:09.000000000Z "],
    ["2024-05-06T07:08:09.12Z", "2024-05-06T07:08:09.120000000Z "],
    ["2024-05-06T07:08:09.123456789Z", "2024-05-06T07:08:09.123456789Z "],
  ] as const) {
    const from = Buffer.from(text);
    const out = Buffer.alloc(40);
    expect(out.toString("latin1", 3, copyFixed(from, 0, from.length, out, 3))).toBe(fixed);
  }
});

test("moments compare to the nanosecond, also before 1970", () => {
  expect(momentOfNs(-1n)).toEqual({ seconds: -1, nanos: 999_999_999 });
  expect(compareMoments(momentOfNs(1_700_000_000_000_000_001n), momentOfNs(1_700_000_000_000_000_002n))).toBe(
    -1,
  );
  expect(compareMoments(momentOfNs(5n), momentOfNs(5n))).toBe(0);
});

test("parseTime() keeps a zone of its own", () => {
  expect(parseTime("2024-05-06T09:08:09.5+02:00")).toEqual({
    moment: { seconds: Date.UTC(2024, 4, 6, 7, 8, 9) / 1000, nanos: 500_000_000 },
    fixed: "2024-05-06T09:08:09.500000000+02:00 ",
  });
  expect(parseTime("yesterday")).toBeUndefined();
});
