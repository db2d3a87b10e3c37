import { expect, test } from "bun:test";
import { absolutePath, baseName, cleanPath, goMode, pathStat } from "./archive-path.ts";

test.each([
  ["a", "/a"],
  ["/a/", "/a/"],
  ["/a/.", "/a/."],
  ["a/b/../c", "/a/c"],
  ["../../x", "/x"],
  [".", "/."],
  ["/", "/"],
  ["//", "/"],
  ["/a/..", "/"],
])("absolutePath(%s) is %s", (path, expected) => {
  expect(absolutePath(path)).toBe(expected);
});

test("cleanPath() says nothing of directories", () => {
  expect(["/a/", "/a/.", "/", "../a"].map(cleanPath)).toEqual(["/a", "/a", "/", "/a"]);
});

test("baseName() is Go's", () => {
  expect(["/a/", "/a/.", "/", "/a/b"].map(baseName)).toEqual(["a", ".", "/", "b"]);
});

// What Docker 26 answered for such files.
test.each([
  ["a link", 0o120777, 134218239],
  ["a directory", 0o040755, 2147484141],
  ["a sticky directory", 0o041777, 2148532735],
  ["a set-id file", 0o104755, 8389101],
  ["a set-gid file", 0o102755, 4194797],
  ["a fifo", 0o010644, 33554852],
  ["a socket", 0o140755, 16777709],
  ["a block device", 0o060660, 67109296],
  ["a character device", 0o020666, 69206454],
])("%s has Go's mode", (_what, mode, expected) => {
  expect(goMode(mode)).toBe(expected);
});

test("a document of a path has Docker's fields", () => {
  const facts = {
    mode: 0o120777,
    sizeBytes: 1,
    mtimeNs: 1_700_000_000_120_000_000n,
    linkTarget: "/a/f",
    access: undefined,
  };
  expect(pathStat("/a/l", facts)).toEqual({
    name: "l",
    size: 1,
    mode: 134218239,
    mtime: "2023-11-14T22:13:20.12Z",
    linkTarget: "/a/f",
  });
});
