import { describe, expect, test } from "bun:test";
import { type ContainerRecord, decodePidRecord, decodeRecord, encodeRecord } from "./record.ts";

const RECORD: ContainerRecord = {
  ociVersion: "1.2.0",
  bundle: "/b",
  rootfs: "/b/rootfs",
  created: "2026-01-02T03:04:05.678Z",
  owner: 0,
  creator: { pid: 12, startTicks: 34n },
  annotations: { a: "b" },
  cgroupDirs: ["/sys/fs/cgroup/x"],
  scope: "p-x.scope",
  hasRdt: true,
  needsStartPlan: false,
  hasPoststop: true,
  config: '{"n":9223372036854775807}',
};

describe("container.json", () => {
  test("comes back as it was written", () => {
    expect(decodeRecord(encodeRecord(RECORD))).toEqual(RECORD);
    const { scope: _scope, ...own } = RECORD;
    expect(decodeRecord(encodeRecord(own))).toStrictEqual(own);
  });

  test.each([
    ["", "no JSON"],
    ['{"ociVersion":"1.2.0"', "no JSON"],
    ["[]", "object"],
    [encodeRecord({ ...RECORD, bundle: "" }).replace('"bundle":""', '"bundle":7'), "bundle"],
    [encodeRecord(RECORD).replace('"pid":12', '"pid":0'), "pid"],
    [encodeRecord(RECORD).replace('"pid":12', '"pid":-1'), "pid"],
    [encodeRecord(RECORD).replace("/sys/fs/cgroup/x", "relative"), "cgroupDirs"],
    [encodeRecord(RECORD).replace('"p-x.scope"', "7"), "scope"],
    [encodeRecord(RECORD).replace('"a":"b"', '"a":1'), "annotations"],
    [encodeRecord(RECORD).replace('"owner":0', '"owner":"root"'), "owner"],
  ])("damaged: %s", (text, what) => {
    expect(() => decodeRecord(text)).toThrow(what);
  });
});

test("the pid record is the C program's", () => {
  expect(decodePidRecord('{"pid":7,"startTicks":123456}\n')).toEqual({ pid: 7, startTicks: 123456n });
  for (const bad of ["", "{}", '{"pid":0,"startTicks":1}', '{"pid":7}', '{"pid":"7","startTicks":1}', "7"])
    expect(() => decodePidRecord(bad)).toThrow("damaged");
});
