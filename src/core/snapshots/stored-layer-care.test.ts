import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isCategory } from "../../base/errors.ts";
import { NO_LOG } from "../../base/log.ts";
import { rejection } from "../../base/testing/rejection.ts";
import { hexOf, sha256Of } from "../../specs/oci-image/digest.ts";
import type { LayerCare } from "./layer-care.ts";
import { openOverlaySnapshots } from "./overlay.ts";
import { layerTar } from "./snapshotter.suite.ts";
import type { Snapshotter, SnapshotUsage, StagedLayer } from "./snapshotter.ts";
import { PlainTrees } from "./testing/plain-native.ts";

const A = sha256Of("a");
const B = sha256Of("b");
const NEVER = new AbortController().signal;

let root: string;
let snapshots: Snapshotter;
let care: LayerCare;

const fill = (staged: StagedLayer): Promise<SnapshotUsage> =>
  staged.apply(layerTar([{ name: "file", content: "right" }]), NEVER);
const path = (chainId: string, ...below: string[]): string => join(root, "layers", hexOf(chainId), ...below);

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "care-"));
  snapshots = openOverlaySnapshots(root, new PlainTrees(), NO_LOG);
  care = snapshots.care;
  await snapshots.createLayer(A, undefined, fill);
  await snapshots.createLayer(B, A, fill);
});

afterEach(async () => {
  await snapshots.settled();
  rmSync(root, { recursive: true });
});

describe("the care of layers", () => {
  test("check() finds nothing in a whole layer, nor in one that is not there", async () => {
    expect(await care.check(B, NEVER)).toBeUndefined();
    expect(await care.check(sha256Of("never"), NEVER)).toBeUndefined();
  });

  test.each([
    ["its mark is missing", () => rmSync(path(B, "complete"))],
    ["its mark is missing", () => writeFileSync(path(B, "complete"), "{")],
    ['stands on "nothing"', () => writeFileSync(path(B, "complete"), readFileSync(path(A, "complete")))],
    ["its files are missing", () => rmSync(path(B, "diff"), { recursive: true })],
    ["files of 10 bytes instead of", () => writeFileSync(path(B, "diff/more"), "wrong")],
  ])("check() says that %s", async (message, damage) => {
    damage();
    expect(await care.check(B, NEVER)).toContain(message);
  });

  test("compare() finds other bytes of the same size, and leaves nothing", async () => {
    expect(await care.compare(B, fill, NEVER)).toBeUndefined();
    writeFileSync(path(B, "diff/file"), "wrong");
    expect(await care.check(B, NEVER)).toBeUndefined();
    expect(await care.compare(B, fill, NEVER)).toBe("its files are not those of its blob");
    expect(
      (await rejection(care.compare(B, () => Promise.reject(new Error("no blob")), NEVER))).message,
    ).toBe("no blob");
    await snapshots.settled();
    expect(readdirSync(join(root, "staging"))).toEqual([]);
  });

  test("replace() exchanges the files under whatever stands on them, for good", async () => {
    const staged = snapshots.stageLayer();
    const longer = [{ name: "file", content: "right and longer" }];
    const usage = await staged.apply(layerTar(longer), NEVER);
    await care.replace({ staged, chainId: A, parent: undefined, usage });
    staged.discard();
    for (const each of [snapshots, openOverlaySnapshots(root, new PlainTrees(), NO_LOG)]) {
      expect(each.layers().map(({ chainId }) => chainId)).toEqual([A, B]);
      expect(readFileSync(path(A, "diff/file"), "utf8")).toBe("right and longer");
      expect(await each.care.check(A, NEVER)).toBeUndefined();
    }
    const other = snapshots.stageLayer();
    const error = await rejection(care.replace({ staged: other, chainId: B, parent: undefined, usage }));
    expect(isCategory(error, "not_found")).toBe(true);
    other.discard();
  });

  test("strangers() are what nothing of ours can be, and can be discarded", async () => {
    await snapshots.prepare("c1", B);
    expect(care.strangers()).toEqual([]);
    const staged = snapshots.stageLayer();
    mkdirSync(join(root, "layers", "backup"));
    mkdirSync(join(root, "layers", "c".repeat(64)));
    // As one that is just being committed: on the disk, and not yet known.
    mkdirSync(join(root, "layers", "d".repeat(64)));
    writeFileSync(join(root, "layers", "d".repeat(64), "complete"), readFileSync(path(A, "complete")));
    renameSync(join(root, "active", "c1"), join(root, "active", "c2"));
    const strangers = care.strangers();
    expect(strangers.toSorted()).toEqual(
      [join(root, "active/c2"), join(root, "layers/backup"), join(root, "layers", "c".repeat(64))].toSorted(),
    );
    for (const stranger of strangers) care.discardStranger(stranger);
    expect(care.strangers()).toEqual([]);
    expect(() => care.discardStranger(path(A))).toThrow("is no stranger");
    staged.discard();
  });
});
