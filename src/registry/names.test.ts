import { describe, expect, test } from "bun:test";
import { isAnyDigest, isRepositoryName, isTag, parseManifestReference } from "./names.ts";
import { parseTarget } from "./target.ts";

const HEX = "a".repeat(64);

describe("names", () => {
  test.each(["a", "a/b", "0/1", "a.b", "a_b", "a__b", "a-b", "a---b", "a.b/c__d/e-f", "a".repeat(255)])(
    "%s is one",
    (name) => {
      expect(isRepositoryName(name)).toBe(true);
    },
  );

  test.each([
    "",
    "/",
    "a/",
    "/a",
    "a//b",
    "A",
    "a.",
    ".a",
    "a..b",
    "a___b",
    "a_.b",
    "-a",
    "a b",
    "a\n",
    "ä",
    "a:b",
    "a".repeat(256),
  ])("%p is none", (name) => {
    expect(isRepositoryName(name)).toBe(false);
  });

  test("no text makes the grammar slow", () => {
    const start = performance.now();
    for (const text of ["a-".repeat(120), "a/".repeat(120), "a__".repeat(80), `${"a".repeat(254)}!`])
      expect(isRepositoryName(text)).toBe(false);
    expect(performance.now() - start).toBeLessThan(500);
  });
});

test("tags", () => {
  for (const tag of ["a", "A.b-c_d", "_", "0", "a".repeat(128), "__proto__"]) expect(isTag(tag)).toBe(true);
  for (const tag of ["", ".", "-a", "a/b", "a:b", "a+b", "ä", "a\n", "a".repeat(129)])
    expect(isTag(tag)).toBe(false);
});

test("digests of any algorithm", () => {
  for (const digest of [`sha256:${HEX}`, `sha512:${HEX}${HEX}`, "blake3:abc=_-", "a+b.c:X"])
    expect(isAnyDigest(digest)).toBe(true);
  for (const digest of [
    "",
    "sha256",
    `sha256:${HEX}a`,
    `sha512:${HEX}`,
    "a:",
    ":a",
    "A:b",
    "a::b",
    "a:b/c",
    "a".repeat(300),
  ])
    expect(isAnyDigest(digest)).toBe(false);
});

test("a reference with a colon is a digest, whatever it is worth", () => {
  expect(parseManifestReference("v1")).toEqual({ kind: "tag", tag: "v1" });
  expect(parseManifestReference("x:y")).toEqual({ kind: "digest", digest: "x:y" });
  expect(parseManifestReference(".")).toEqual({ kind: "invalid", text: "." });
});

describe("paths", () => {
  test.each([
    ["/v2", "version", undefined],
    ["/v2/", "version", undefined],
    ["/v2/_catalog", "catalog", undefined],
    ["/healthz", "health", undefined],
    ["/auth/token", "token", undefined],
    ["/v2/a/b/tags/list", "tags", "a/b"],
    ["/v2/tags/list/tags/list", "tags", "tags/list"],
    ["/v2/a/manifests/x", "manifest", "a"],
    ["/v2/manifests/manifests/manifests", "manifest", "manifests"],
    ["/v2/a/blobs/x", "blob", "a"],
    ["/v2/a/blobs/uploads", "uploads", "a"],
    ["/v2/a/blobs/uploads/", "uploads", "a"],
    ["/v2/a/blobs/uploads/id", "upload", "a"],
    ["/v2/blobs/uploads/blobs/uploads/", "uploads", "blobs/uploads"],
    ["/v2/a/referrers/sha256%3Ax", "referrers", "a"],
  ])("%s is %s of %p", (path, kind, repository) => {
    const parsed = parseTarget(path);
    if (parsed.kind !== "target") throw new Error(parsed.kind);
    expect<string>(parsed.target.kind).toBe(kind);
    if ("repository" in parsed.target) expect(parsed.target.repository).toBe(repository ?? "");
  });

  test.each([
    "",
    "/",
    "/v1/",
    "/v2x",
    "/v2/x",
    "/v2/a/tags",
    "/v2/a/b/c",
    "/V2/",
    "/v2/a%2Fb/tags/list",
    "/v2/a/manifests/%",
    "/v2/a/blobs/%00",
  ])("%p leads nowhere", (path) => {
    expect(parseTarget(path).kind).toBe("unknown");
  });

  test.each([
    "/v2/A/tags/list",
    "/v2//tags/list",
    "/v2/a//b/manifests/x",
    "/v2/../blobs/x",
    "/v2/blobs/uploads/",
  ])("%p has a name that is none", (path) => {
    expect(parseTarget(path).kind).toBe("invalid name");
  });
});
