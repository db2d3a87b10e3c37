import { describe, expect, test } from "bun:test";
import { normalise } from "./normalise.ts";

const PLACES = { root: "/tmp/gt-x/data", files: "/tmp/gt-y/files" };
const out = (stdout: string): readonly string[] => normalise({ code: 0, stdout, stderr: "" }, PLACES);
const err = (stderr: string): readonly string[] => normalise({ code: 1, stdout: "", stderr }, PLACES);

describe("what no two runs share is replaced", () => {
  test.each([
    [
      `${"a1".repeat(32)} sha256:${"b2".repeat(32)} 0123456789ab 664056844415`,
      "<id> <digest> <short id> <short id>",
    ],
    ["2026-11-29T02:52:39.5Z 2026-11-29 02:52:39 +0000 UTC", "<time> <time>"],
    ["Up 2 seconds   Exited (3) About a minute ago", "Up <duration>  Exited (3) <duration> ago"],
    ["1.98MB (virtual 2kB) 0B", "<size> (virtual <size>) 0B"],
    ["172.18.0.2 02:42:ac:12:00:02 0.0.0.0:32769->80/tcp", "<address> <mac> 0.0.0.0:<port>->80/tcp"],
    ["/tmp/gt-x/data/volumes/v /tmp/gt-y/files/f", "<root>/volumes/v <files>/f"],
  ])("%s", (text, expected) => {
    expect(out(`${text}\n`)).toEqual([`  ${expected}`]);
  });
});

describe("what a command chose stays", () => {
  test.each([
    "10.82.1.10 92:d0:c6:0a:29:33 0.0.0.0:8091->80/tcp",
    "2024-01-01T00:00:00Z 0001-01-01T00:00:00Z",
    "Exited (137) 30000000000 67108864",
    '{"b":"2","a":"1"}',
  ])("%s", (text) => {
    expect(out(`${text}\n`)).toEqual([`  ${text}`]);
  });

  test("empty lines, and sizes in errors", () => {
    expect(out("a\n\nb\n\n")).toEqual(["  a", "  <empty>", "  b", "  <empty>"]);
    expect(err("Minimum memory limit allowed is 6MB\n")).toEqual([
      "! Minimum memory limit allowed is 6MB",
      "= 1",
    ]);
  });
});

test("JSON of several lines becomes a line a value, in order of names", () => {
  expect(out('[\n{"B": [1, "x"], "A": {}, "State": {"Pid": 77}, "Idle": {"Pid": 0}}\n]\n')).toEqual([
    "  [0].A = {}",
    "  [0].B[0] = 1",
    '  [0].B[1] = "x"',
    "  [0].Idle.Pid = 0",
    "  [0].State.Pid = <number>",
  ]);
  expect(out("[\nno JSON\n")).toEqual(["  [", "  no JSON"]);
});

test("the same error by clients of other versions and names is the same", () => {
  const expected = ["! docker: Error response from daemon: no", "= 1"];
  expect(err("docker: Error response from daemon: no.\nSee 'docker run --help'.\n")).toEqual(expected);
  expect(
    err("docker: Error response from daemon: no\n\nRun 'docker run --help' for more information\n"),
  ).toEqual(expected);
  expect(err("gantry: x\n\nUsage:  gantry run IMAGE\n\nCreate and run\n")).toEqual(["! docker: x", "= 1"]);
});
