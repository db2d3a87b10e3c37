import { expect, test } from "bun:test";
import type { Image } from "../../core/images/images.ts";
import { listImages } from "./list.ts";

const IMAGES = 1000;
const LAYERS = 20;

/** Images of 20 layers: ten of them everybody's, nine shared by ten images, one its own. */
function image(n: number): Image {
  const chain = (i: number): string =>
    i < 10 ? `base-${i}` : i < 19 ? `group-${Math.floor(n / 10)}-${i}` : `own-${n}`;
  return {
    id: `sha256:${n}`,
    created: "2024-01-01T00:00:00Z",
    author: "",
    comment: "",
    architecture: "amd64",
    variant: "",
    os: "linux",
    config: null,
    history: [],
    layers: Array.from({ length: LAYERS }, (_, i) => ({
      diffId: "",
      chainId: chain(i),
      blob: "",
      mediaType: "",
      sizeBytes: 1,
    })),
    sizeBytes: 20,
    tags: [`docker.io/library/image-${n}:latest`],
    manifest: undefined,
    pinned: [],
    attestations: [],
    digests: [],
    variantOf: [],
    taggedAtMs: 1,
  };
}

test("shared sizes of a thousand images of twenty layers take milliseconds", () => {
  const images = Array.from({ length: IMAGES }, (_, n) => image(n));
  const chains = new Set(images.flatMap(({ layers }) => layers.map(({ chainId }) => chainId)));
  const layers = Array.from(chains, (chainId) => ({
    chainId,
    parent: undefined,
    usage: { sizeBytes: 1, inodes: 1 },
  }));
  const deps = {
    images: { list: () => images, resolve: () => image(0), name: () => undefined },
    containers: () => [],
    snapshots: { layers: () => layers },
  };
  const started = performance.now();
  const listed = listImages(deps, { filters: new Map(), sharedSize: true });
  const ms = performance.now() - started;
  expect(new Set(listed.map(({ SharedSize }) => SharedSize))).toEqual(new Set([19]));
  expect(ms).toBeLessThan(2000);
});
