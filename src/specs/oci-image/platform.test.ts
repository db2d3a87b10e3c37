import { describe, expect, test } from "bun:test";
import { bestFor, parsePlatform, platformText, runsOn } from "./platform.ts";

describe("parsePlatform()", () => {
  test("reads all spellings", () => {
    for (const [text, expected] of [
      ["", "linux/amd64"],
      ["linux", "linux/amd64"],
      ["arm64", "linux/arm64"],
      ["linux/aarch64", "linux/arm64"],
      ["linux/arm64/v8", "linux/arm64"],
      ["linux/arm", "linux/arm/v7"],
      ["linux/arm/6", "linux/arm/v6"],
      ["linux/armhf", "linux/arm/v7"],
      ["linux/x86_64/v1", "linux/amd64"],
      ["linux/amd64/v3", "linux/amd64/v3"],
      ["Linux/S390X", "linux/s390x"],
      ["windows/amd64", "windows/amd64"],
    ] as const)
      expect(platformText(parsePlatform(text, "amd64"))).toBe(expected);
  });

  test("refuses what is none", () => {
    for (const text of ["a/b/c/d", "linux/", "/", "linux/am d64"])
      expect(() => parsePlatform(text, "amd64")).toThrow("invalid platform");
  });
});

describe("bestFor()", () => {
  const choose = (wanted: string, ...offered: string[]): string | undefined =>
    bestFor(offered, (text) => parsePlatform(text, "amd64"), parsePlatform(wanted, "amd64"));

  test("prefers the platform itself, then the nearest older variant", () => {
    expect(choose("linux/amd64", "linux/386", "linux/arm64", "linux/amd64")).toBe("linux/amd64");
    expect(choose("linux/amd64/v3", "linux/amd64", "linux/amd64/v2")).toBe("linux/amd64/v2");
    expect(choose("linux/amd64/v3", "linux/amd64")).toBe("linux/amd64");
    expect(choose("linux/arm/v7", "linux/arm/v5", "linux/arm/v6")).toBe("linux/arm/v6");
    expect(choose("linux/arm64", "linux/arm/v7", "linux/arm/v6")).toBe("linux/arm/v7");
  });

  test("takes nothing that does not run", () => {
    expect(choose("linux/amd64", "linux/amd64/v2", "linux/arm64", "windows/amd64")).toBeUndefined();
    expect(choose("linux/arm/v6", "linux/arm/v7")).toBeUndefined();
    expect(runsOn(parsePlatform("386", ""), parsePlatform("amd64", ""))).toBe(true);
    expect(runsOn(parsePlatform("amd64", ""), parsePlatform("386", ""))).toBe(false);
  });
});
