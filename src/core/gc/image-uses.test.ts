import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openMetadata } from "../metadata/sqlite-metadata.ts";
import { ImageUses } from "./image-uses.ts";

test("uses are found by the next start, and forgotten with their image", () => {
  const root = mkdtempSync(join(tmpdir(), "uses-"));
  const metadata = openMetadata({ path: join(root, "uses.db"), onDamaged: () => {} });
  const uses = new ImageUses(metadata);
  uses.used("a", 1_000_000);
  uses.used("a", 1_000_001);
  expect([uses, new ImageUses(metadata)].map((each) => each.lastUsedMs("a"))).toEqual([1_000_001, 1_000_000]);
  uses.used("b", 1_000_000);
  uses.used("b", 2_000_000);
  expect([uses.lastUsedMs("a"), uses.lastUsedMs("b")]).toEqual([1_000_001, 2_000_000]);
  uses.settle(["b", "c"], 3_000_000);
  for (const each of [uses, new ImageUses(metadata)])
    expect(["a", "b", "c"].map((id) => each.lastUsedMs(id))).toEqual([undefined, 2_000_000, 3_000_000]);
  metadata.close();
  rmSync(root, { recursive: true });
});
