import { describe, expect, test } from "bun:test";
import { findGarbage, type StoreView } from "./mark.ts";

const USAGE = { sizeBytes: 1, inodes: 1 };

/** Layers as "child parent", e.g. "b a". */
function view(layers: readonly string[], changes: Partial<StoreView> = {}): StoreView {
  return {
    layers: layers.map((text) => {
      const [chainId = "", parent] = text.split(" ");
      return { chainId, parent, usage: USAGE };
    }),
    blobs: [],
    partials: [],
    activeParents: [],
    needed: { blobs: new Set(), layers: new Set() },
    leases: { isBlobHeld: () => false, isLayerHeld: () => false },
    oldestPartialMs: 0,
    ...changes,
  };
}

describe("findGarbage()", () => {
  test("takes each layer before what it stands on", () => {
    expect(findGarbage(view(["c b", "a", "b a", "x a"])).layers).toEqual(["c", "b", "x", "a"]);
  });

  test("keeps what images, containers and leases stand on", () => {
    const stack = ["a", "b a", "c b", "d b"];
    expect(findGarbage(view(stack, { needed: { blobs: new Set(), layers: new Set(["b"]) } })).layers).toEqual(
      ["c", "d"],
    );
    expect(findGarbage(view(stack, { activeParents: ["c", undefined] })).layers).toEqual(["d"]);
    const leases = { isBlobHeld: () => false, isLayerHeld: (id: string) => id === "d" };
    expect(findGarbage(view(stack, { leases })).layers).toEqual(["c"]);
  });

  test("takes blobs that are neither needed nor held", () => {
    const blobs = ["n", "h", "g"].map((digest) => ({ digest, sizeBytes: 1 }));
    const needed = { blobs: new Set(["n"]), layers: new Set<string>() };
    const leases = { isBlobHeld: (digest: string) => digest === "h", isLayerHeld: () => false };
    expect(findGarbage(view([], { blobs, needed, leases })).blobs).toEqual(["g"]);
  });

  test("takes partial blobs that are old and nobody's", () => {
    const partial = { sizeBytes: 1, isBeingWritten: false };
    const partials = [
      { ...partial, name: "old", changedAtMs: 9 },
      { ...partial, name: "new", changedAtMs: 10 },
      { ...partial, name: "open", changedAtMs: 9, isBeingWritten: true },
    ];
    expect(findGarbage(view([], { partials, oldestPartialMs: 10 })).partials).toEqual(["old"]);
  });

  test("is linear: a stack of 2000 layers and 2000 images takes no time", () => {
    const layers = Array.from({ length: 2000 }, (_, i) => (i === 0 ? "l0" : `l${i} l${i - 1}`)).toReversed();
    const started = performance.now();
    expect(findGarbage(view(layers)).layers[0]).toBe("l1999");
    expect(performance.now() - started).toBeLessThan(500);
  });
});
