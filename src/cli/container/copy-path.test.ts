import { describe, expect, test } from "bun:test";
import {
  collision,
  endingAs,
  followed,
  insideRoot,
  isPattern,
  parsePlace,
  planCopy,
  splitPath,
} from "./copy-path.ts";

describe("parsePlace()", () => {
  test.each([
    ["c:/etc", "c", "/etc"],
    ["c:", "c", ""],
    ["c:a:b", "c", "a:b"],
    ["/a:b", "", "/a:b"],
    ["./a:b", "", "./a:b"],
    [".a:b", "", ".a:b"],
    ["file", "", "file"],
    ["-", "", "-"],
  ])("%s is in %p: %s", (text, container, path) => {
    expect(parsePlace(text)).toEqual({ container, path });
  });
});

test("a path keeps saying that it is a directory, or that its content is meant", () => {
  expect(endingAs("/a", "a/")).toBe("/a/");
  expect(endingAs("/a", "./a/.")).toBe("/a/.");
  expect(endingAs("/", "/.")).toBe("/.");
  expect(endingAs("/a", "a")).toBe("/a");
  expect(insideRoot("../x/./y/")).toBe("/x/y/");
  expect(insideRoot(".")).toBe("/.");
});

test("splitPath() gives the name that an archive begins with", () => {
  expect(splitPath("/a/b/")).toEqual({ directory: "/a", name: "b" });
  expect(splitPath("/a/b/.")).toEqual({ directory: "/a/b", name: "." });
  expect(splitPath("/")).toEqual({ directory: "/", name: "/" });
});

test("a link that is followed gives its copy its own name", () => {
  expect(followed("/a/link", "/b/file")).toEqual({ path: "/b/file", rename: "link" });
  expect(followed("/a/link/", "/b/link")).toEqual({ path: "/b/link/", rename: "" });
  expect(followed("/a/link/.", "/b/dir")).toEqual({ path: "/b/dir/.", rename: "" });
});

describe("planCopy()", () => {
  const file = { path: "/s/file", rename: "", isDirectory: false };
  const directory = { path: "/s/dir", rename: "", isDirectory: true };
  const content = { path: "/s/dir/.", rename: "", isDirectory: true };
  test.each([
    ["a file into a directory", file, { path: "/d", kind: "directory" }, "/d", "file"],
    ["a file over a file", file, { path: "/d/x", kind: "other" }, "/d", "x"],
    ["a file to a new name", file, { path: "/d/x", kind: "nothing" }, "/d", "x"],
    ["a directory into a directory", directory, { path: "/d", kind: "directory" }, "/d", "dir"],
    ["a directory to a new name", directory, { path: "/d/x", kind: "nothing" }, "/d", "x"],
    ["a directory to a new name with a slash", directory, { path: "/d/x/", kind: "nothing" }, "/d", "x"],
    ["a content into a directory", content, { path: "/d", kind: "directory" }, "/d", "."],
    ["a content to a new name", content, { path: "/d/x", kind: "nothing" }, "/d", "x"],
    ["a renamed one", { ...file, rename: "link" }, { path: "/d", kind: "directory" }, "/d", "link"],
  ] as const)("%s", (_what, source, target, where, name) => {
    expect(planCopy(source, target)).toEqual({ directory: where, name });
  });

  test("refuses in Docker's words", () => {
    expect(planCopy(directory, { path: "/d/x", kind: "other" })).toEqual({
      refused: "cannot copy directory",
    });
    expect(planCopy(file, { path: "/d/x/", kind: "nothing" })).toEqual({ refused: "no such directory" });
    expect(planCopy(file, { path: "/d/x/.", kind: "nothing" })).toEqual({ refused: "no such directory" });
  });
});

test("patterns and names that collide are seen", () => {
  expect(["/a/*", "/a/?", "/a/[b]", "/a/b"].map(isPattern)).toEqual([true, true, true, false]);
  expect(collision(["/a/x", "/b/y", "/c/x/"])).toEqual(["/a/x", "/c/x/"]);
  expect(collision(["/a/.", "/b/."])).toBeUndefined();
});
