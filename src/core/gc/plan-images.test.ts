import { describe, expect, test } from "bun:test";
import { DEFAULT_IMAGE_POLICY, type ImagePolicy } from "./image-policy.ts";
import { type ObservedImage, type ObservedStore, planImages } from "./plan-images.ts";

const DAY = 24 * 3600 * 1000;
const NOW = 100 * DAY;

const POLICY: ImagePolicy = {
  ...DEFAULT_IMAGE_POLICY,
  keepLast: 0,
  minAgeMs: 0,
  watermark: undefined,
  size: undefined,
  maxAgeMs: undefined,
};

/** An image of one layer and one blob of its own, 40 and 10 bytes, on a base of 100 that all share. */
function image(id: string, usedDaysAgo: number, changes: Partial<ObservedImage> = {}): ObservedImage {
  return {
    id,
    needs: { blobs: [`blob-${id}`, "blob-base"], layers: ["base", `top-${id}`] },
    repositories: [id],
    createdMs: NOW - usedDaysAgo * DAY,
    lastUsedMs: NOW - usedDaysAgo * DAY,
    isInUse: false,
    isPinned: false,
    ...changes,
  };
}

function store(images: readonly ObservedImage[], changes: Partial<ObservedStore> = {}): ObservedStore {
  return {
    images,
    layers: [
      { chainId: "base", parent: undefined, usage: { sizeBytes: 100, inodes: 1 } },
      ...images.map(({ id }) => ({
        chainId: `top-${id}`,
        parent: "base",
        usage: { sizeBytes: 40, inodes: 1 },
      })),
    ],
    blobs: [
      { digest: "blob-base", sizeBytes: 50 },
      ...images.map(({ id }) => ({ digest: `blob-${id}`, sizeBytes: 10 })),
    ],
    heldLayers: [],
    fileSystem: { totalBytes: 1000, usedBytes: 850 },
    nowMs: NOW,
    ...changes,
  };
}

const THREE = [image("young", 1), image("old", 30), image("middle", 10)];
const ids = (observed: ObservedStore, policy: Partial<ImagePolicy>): readonly string[] =>
  planImages(observed, { ...POLICY, ...policy }).remove.map(({ id }) => id);

describe("planImages()", () => {
  test("removes nothing below the high mark", () => {
    expect(ids(store(THREE), { watermark: { high: 85, low: 10 } })).toEqual([]);
    expect(ids(store(THREE), { size: { high: 300, low: 0 } })).toEqual([]);
    expect(ids(store(THREE), {})).toEqual([]);
  });

  test("removes least recently used images until the low mark is reached, and no more", () => {
    const plan = planImages(store(THREE), { ...POLICY, watermark: { high: 80, low: 76 } });
    expect(plan).toEqual({
      remove: [
        { id: "old", reason: "watermark", freesBytes: 50 },
        { id: "middle", reason: "watermark", freesBytes: 50 },
      ],
      freesBytes: 100,
      missingBytes: 0,
    });
    expect(ids(store(THREE), { size: { high: 299, low: 260 } })).toEqual(["old"]);
  });

  test("counts a shared layer for the last image that has it", () => {
    const plan = planImages(store(THREE), { ...POLICY, watermark: { high: 80, low: 0 } });
    expect(plan.remove.map(({ freesBytes }) => freesBytes)).toEqual([50, 50, 200]);
    expect(plan.missingBytes).toBe(550);
    const held = planImages(store(THREE, { heldLayers: ["top-young"] }), {
      ...POLICY,
      watermark: { high: 80, low: 0 },
    });
    expect(held.remove.map(({ freesBytes }) => freesBytes)).toEqual([50, 50, 60]);
  });

  test("counts what two images share entirely for the second", () => {
    const twin = { ...image("twin", 40), needs: image("old", 30).needs };
    const { layers } = store([image("old", 30)]);
    const both = store([twin, image("old", 30)], { layers });
    const plan = planImages(both, { ...POLICY, watermark: { high: 80, low: 76 } });
    expect(plan.remove.map(({ id, freesBytes }) => [id, freesBytes])).toEqual([
      ["twin", 0],
      ["old", 200],
    ]);
  });

  test("never removes what is in use, pinned or too young", () => {
    const all = { watermark: { high: 1, low: 0 } };
    expect(ids(store([image("a", 9, { isInUse: true })]), all)).toEqual([]);
    expect(ids(store([image("a", 9, { isPinned: true })]), all)).toEqual([]);
    expect(ids(store([image("a", 9)]), { ...all, minAgeMs: 10 * DAY })).toEqual([]);
    expect(ids(store([image("a", 9)]), { ...all, minAgeMs: 9 * DAY })).toEqual(["a"]);
  });

  test("keeps the newest images of every repository, by creation and not by use", () => {
    const images = [
      image("v1", 1, { createdMs: 1, repositories: ["app"] }),
      image("v2", 5, { createdMs: 2, repositories: ["app", "app"] }),
      image("v3", 9, { createdMs: 3, repositories: ["app", "other"] }),
      image("dangling", 2, { repositories: [] }),
    ];
    const all = { watermark: { high: 1, low: 0 } };
    expect(ids(store(images), { ...all, keepLast: 2 })).toEqual(["dangling", "v1"]);
    expect(ids(store(images), { ...all, keepLast: 1 })).toEqual(["v2", "dangling", "v1"]);
  });

  test("removes images of the maximum age though there is room, and counts them towards the marks", () => {
    expect(ids(store(THREE), { maxAgeMs: 20 * DAY })).toEqual(["old"]);
    const marks = { maxAgeMs: 20 * DAY, watermark: { high: 80, low: 75 } };
    expect(ids(store(THREE), marks)).toEqual(["old"]);
    expect(ids(store(THREE), { ...marks, watermark: { high: 79, low: 75 } })).toEqual(["old", "middle"]);
  });

  test("tells the same plan for the same state, whatever its order", () => {
    const same = [image("b", 5), image("a", 5), image("c", 5, { createdMs: 0 })];
    const all = { watermark: { high: 1, low: 0 } };
    for (const images of [same, same.toReversed()]) expect(ids(store(images), all)).toEqual(["c", "a", "b"]);
  });
});
