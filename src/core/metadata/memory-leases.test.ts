import { expect, test } from "bun:test";
import { MemoryLeases } from "./memory-leases.ts";

test("a blob is held until the last lease on it ends", async () => {
  const leases = new MemoryLeases();
  const first = leases.acquire("pull a");
  const second = leases.acquire("pull b");
  first.holdBlob("sha256:1");
  first.holdBlob("sha256:1");
  second.holdBlob("sha256:1");
  first.holdLayer("sha256:2");
  expect(leases.active()).toEqual(["pull a", "pull b"]);
  await first[Symbol.asyncDispose]();
  await first[Symbol.asyncDispose]();
  expect(leases.isBlobHeld("sha256:1")).toBe(true);
  expect(leases.isLayerHeld("sha256:2")).toBe(false);
  await second[Symbol.asyncDispose]();
  expect(leases.isBlobHeld("sha256:1")).toBe(false);
  expect(leases.active()).toEqual([]);
});
