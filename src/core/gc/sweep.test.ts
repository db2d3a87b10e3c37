import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NO_LOG } from "../../base/log.ts";
import { sha256Of } from "../../specs/oci-image/digest.ts";
import type { Content } from "../content/content.ts";
import { openContent } from "../content/local-store.ts";
import { MemoryLeases } from "../metadata/memory-leases.ts";
import { openOverlaySnapshots } from "../snapshots/overlay.ts";
import type { Snapshotter } from "../snapshots/snapshotter.ts";
import { PlainTrees } from "../snapshots/testing/plain-native.ts";
import type { Needed } from "./mark.ts";
import { collectGarbage, type CollectDeps } from "./sweep.ts";

const [A, B, C] = [sha256Of("a"), sha256Of("b"), sha256Of("c")];
const NOTHING: Needed = { blobs: new Set(), layers: new Set() };
const NEVER = new AbortController().signal;

let root: string;
let content: Content;
let snapshots: Snapshotter;
let deps: CollectDeps;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "sweep-"));
  content = openContent(join(root, "content"), NO_LOG);
  snapshots = openOverlaySnapshots(join(root, "snapshots"), new PlainTrees(), NO_LOG);
  const empty = () => Promise.resolve({ sizeBytes: 0, inodes: 0 });
  await snapshots.createLayer(A, undefined, empty);
  await snapshots.createLayer(B, A, empty);
  await snapshots.createLayer(C, A, empty);
  for (const text of ["x", "y"]) await content.ingest({ holdBlob: () => {} }, one(text), {}, NEVER);
  deps = {
    content,
    snapshots,
    leases: new MemoryLeases(),
    needed: () => NOTHING,
    partialMaxAgeMs: 1000,
  };
});

afterEach(async () => {
  await snapshots.settled();
  rmSync(root, { recursive: true });
});

async function* one(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

/** What is asked first, by the mark, and what every time after it. */
function changing(later: Needed): () => Needed {
  let isFirst = true;
  return () => {
    if (!isFirst) return later;
    isFirst = false;
    return NOTHING;
  };
}

describe("collectGarbage()", () => {
  test("deletes what nobody needs, and tells", async () => {
    await (await content.begin({ holdBlob: () => {} }, "upload")).suspend();
    const garbage = await collectGarbage({ ...deps, partialMaxAgeMs: -1000 });
    expect(garbage.layers.at(-1)).toBe(A);
    expect(garbage.blobs.toSorted()).toEqual([sha256Of("x"), sha256Of("y")].toSorted());
    expect(garbage.partials).toEqual(["upload"]);
    expect([snapshots.layers(), content.list(), content.partials()]).toEqual([[], [], []]);
  });

  test("leaves what an image has come to need since it was marked, and what that stands on", async () => {
    const later = { blobs: new Set([sha256Of("x")]), layers: new Set([B]) };
    await collectGarbage({ ...deps, needed: changing(later) });
    expect(snapshots.layers().map(({ chainId }) => chainId)).toEqual([A, B]);
    expect(content.list().map(({ digest }) => digest)).toEqual([sha256Of("x")]);
  });

  test("leaves what a lease has come to hold since it was marked", async () => {
    const leases = new MemoryLeases();
    const lease = leases.acquire("pull");
    let asked = 0;
    const needed = (): Needed => {
      if (++asked > 1) for (const what of ["x", "y"]) lease.holdBlob(sha256Of(what));
      if (asked > 1) lease.holdLayer(B);
      return NOTHING;
    };
    await collectGarbage({ ...deps, leases, needed });
    expect(content.list().length).toBe(2);
    expect(snapshots.layers().map(({ chainId }) => chainId)).toEqual([A, B]);
  });

  test("leaves a layer that a container has come to stand on, and goes on", async () => {
    await snapshots.prepare("c1", B);
    const blind = { ...deps, snapshots: without(snapshots) };
    const { layers } = await collectGarbage(blind);
    expect(layers).toEqual([C]);
  });

  test("leaves a partial blob that is being written", async () => {
    const ingest = await content.begin({ holdBlob: () => {} }, "upload");
    await collectGarbage({ ...deps, partialMaxAgeMs: -1000 });
    expect(content.partials().map(({ name }) => name)).toEqual(["upload"]);
    await ingest.abort();
  });
});

/** As the mark saw them, before the container came. */
function without(store: Snapshotter): Snapshotter {
  return Object.create(store, {
    active: { value: () => [] },
    layers: { value: () => store.layers() },
    removeLayer: { value: (chainId: string) => store.removeLayer(chainId) },
  });
}
